"""The messages between the kernel and a view in the browser: their shapes in both directions, and nothing else.

The browser's types are generated from these (``static/messages.d.ts``), and the ES modules are checked against them.
Moments are milliseconds of the kernel's monotonic clock, and a message that has one also has the kernel's `now`: the
browser's clock and the kernel's differ.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

CommandName = Literal["stop", "retry", "again", "send", "replace", "queue", "promote", "delete", "edit"]
"""A command that a view may offer: it shows no button for any other.

``replace`` asks the last prompt anew with another text; ``queue`` sends while a turn runs; ``promote``, ``delete`` and
``edit`` act on a queued message.
"""


class _Shape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A value in a message; a field at its default is left out."""


class Block(_Shape, frozen=True, kw_only=True):
    """One block of the timeline.

    Attributes
    ----------
    k : str
        ``html``: the block is its HTML. ``fold`` and ``user``: a container for the blocks of depth 1 that follow; a fold
        is a ``details`` element with `t` as its summary, a user block is a prompt.
    t : str
        HTML of chatkit's own renderer: escaped, and without anything to load.
    d : int
        Depth: 0 for a block of its own, 1 for a block within the last container.
    o : bool
        Open: the block may still grow, so its code isn't final and has no copy button.
    """

    k: Literal["html", "fold", "user"]
    t: str
    d: int = 0
    o: bool = False


class Countdown(_Shape, frozen=True, kw_only=True):
    """The wait before another attempt.

    Attributes
    ----------
    until : int
        The moment at which it ends.
    why : str
        "(attempt 3 failed: anthropic is overloaded)"
    about : str
        Cause, provider and status: "The provider is overloaded · anthropic · HTTP 529".
    detail, detail_title : str
        The provider's own words, or this machine's, and which of the two they are.
    warning : str
        What to say loudly: the server most likely isn't there.
    """

    until: int
    why: str
    about: str = ""
    detail: str = ""
    detail_title: str = ""
    warning: str = ""


class Waiting(_Shape, frozen=True, kw_only=True):
    """An answer was asked for and hasn't begun; `since` is the moment at which the wait for it began."""

    since: int


class FailureCard(_Shape, frozen=True, kw_only=True):
    """Why the last turn gave no answer: what went wrong, what to do, and the rest as in `Countdown`."""

    title: str
    advice: str
    about: str = ""
    detail: str = ""
    detail_title: str = ""


class ContextUse(_Shape, frozen=True, kw_only=True):
    """How much of the model's context window the chat takes up, in words too: "12,300 of 200,000 tokens"."""

    percent: int
    words: str


class QueuedMessage(_Shape, frozen=True, kw_only=True):
    """A message that waits for its turn."""

    id: int
    text: str
    model: str = ""


class Facts(_Shape, frozen=True, kw_only=True, omit_defaults=False):
    """What a view shows beside its timeline. A view of one turn leaves the chat's own facts at their defaults.

    Attributes
    ----------
    label : str
        The model's label, or the name of the function that is retried.
    doing : str
        What is going on: "writing…".
    news : str
        What a screen reader announces, once.
    over : bool
        Nothing runs.
    retry, waiting, error
        The wait before another attempt; the wait for an answer's first words; why there was no answer.
    title : str
        The chat's title.
    status : str
        The chat's status in words: "ready", "answering".
    context : ContextUse or None
        None where it isn't known.
    queue : tuple of QueuedMessage
    commands : tuple of str
        The commands that the view offers.
    blocked : str
        Why nothing can be sent now; empty where it can.
    last : str or None
        The text of the last prompt.
    """

    label: str = ""
    doing: str = ""
    news: str = ""
    over: bool = False
    retry: Countdown | None = None
    waiting: Waiting | None = None
    error: FailureCard | None = None
    title: str = ""
    status: str = ""
    context: ContextUse | None = None
    queue: tuple[QueuedMessage, ...] = ()
    commands: tuple[CommandName, ...] = ()
    blocked: str = ""
    last: str | None = None


class Snapshot(Facts, frozen=True, kw_only=True, omit_defaults=False):
    """The whole state of a view, which the trait ``snap`` holds.

    Attributes
    ----------
    r : int
        The number of the last message that it contains.
    now : int
        The kernel's clock.
    blocks : tuple of Block
    """

    r: int
    now: int
    blocks: tuple[Block, ...]


class Changes(_Shape, frozen=True, kw_only=True):
    """A custom message: what brings a view from state ``r - 1`` to ``r``, in this order: `cut`, `put`, `edit`, `done`.

    Attributes
    ----------
    r : int
        Its number.
    now : int
        The kernel's clock, where `set` has a moment.
    set : dict
        The facts that changed, as `Facts` has them.
    cut : int or None
        How many blocks stay.
    put : tuple of (int, Block)
        Blocks by their index.
    edit : tuple of (int, int, int, str)
        The index of a block; a place in its HTML and a length, in JavaScript's units; what takes their place.
    done : tuple of int
        Blocks that have ceased to grow.
    """

    r: int
    now: int = 0
    set: dict[str, Any] = {}
    cut: int | None = None
    put: tuple[tuple[int, Block], ...] = ()
    edit: tuple[tuple[int, int, int, str], ...] = ()
    done: tuple[int, ...] = ()


class Ack(_Shape, frozen=True, kw_only=True):
    """A custom message: a command arrived. `ack` is its ``do``, `refused` says why it had no effect."""

    ack: str
    refused: str = ""


class _Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="do"):
    """What a person asks of the kernel. It may come more than once, with the same `n`, and is carried out once."""

    n: str = ""


class Stop(_Command, frozen=True, kw_only=True, tag="stop"):
    """End the turn."""


class RetryNow(_Command, frozen=True, kw_only=True, tag="retry"):
    """End the wait."""


class TryAgain(_Command, frozen=True, kw_only=True, tag="again"):
    """Ask once more what got no answer."""


class Send(_Command, frozen=True, kw_only=True, tag="send"):
    """Ask this."""

    text: str


class Replace(_Command, frozen=True, kw_only=True, tag="replace"):
    """Ask this in place of the last prompt."""

    text: str


class Promote(_Command, frozen=True, kw_only=True, tag="promote"):
    """Let this queued message go first, and interrupt the turn for it."""

    id: int


class Delete(_Command, frozen=True, kw_only=True, tag="delete"):
    """Remove this message from the queue."""

    id: int


class Edit(_Command, frozen=True, kw_only=True, tag="edit"):
    """Change the text of this queued message."""

    id: int
    text: str


class Resync(_Command, frozen=True, kw_only=True, tag="resync"):
    """A message was missed: send the whole state."""


class Hides(_Command, frozen=True, kw_only=True, tag="hides"):
    """This front end hides a view's fallback output while the view is there."""


Command = Stop | RetryNow | TryAgain | Send | Replace | Promote | Delete | Edit | Resync | Hides
