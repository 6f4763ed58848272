"""What crosses between the kernel and a view in the browser: the shapes of both directions, and nothing else.

The browser's types are generated from these (``static/wire.d.ts``), and the ES modules are checked against them.
Times go over as milliseconds that are left or have passed: the browser's clock and the kernel's differ.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Offer = Literal["stop", "retry", "again", "send", "replace", "queue", "promote", "delete", "edit"]
"""What the person may ask for here: a view shows no button for anything else.

``replace`` asks the last question anew with another text; ``queue`` sends while a turn runs; ``promote``, ``delete`` and
``edit`` act on a message that waits.
"""


class _Shape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A value on the wire. What a new field is by default goes unsaid."""


class Block(_Shape, frozen=True, kw_only=True):
    """One piece of the timeline.

    Attributes
    ----------
    k : str
        ``html``: a piece that stands for itself. ``fold`` and ``user``: a container for the blocks of depth 1 that follow;
        a fold is a ``details`` whose summary is `t`, a user block is what the person said.
    t : str
        HTML of chatkit's own renderer: escaped, and it loads nothing.
    d : int
        1 in the last block of depth 0.
    o : bool
        It still grows.
    """

    k: Literal["html", "fold", "user"]
    t: str
    d: int = 0
    o: bool = False


class Countdown(_Shape, frozen=True, kw_only=True):
    """The wait before another attempt.

    Attributes
    ----------
    left : int
        Milliseconds that are left of it.
    why : str
        "(attempt 3 failed: anthropic is overloaded)"
    about : str
        Cause in words, provider and status: "The provider is overloaded · anthropic · HTTP 529".
    detail : str
        The provider's own words.
    """

    left: int
    why: str
    about: str = ""
    detail: str = ""


class Waiting(_Shape, frozen=True, kw_only=True):
    """An answer was asked for and hasn't begun.

    Attributes
    ----------
    age : int
        Milliseconds since it was asked for.
    """

    age: int


class Failure(_Shape, frozen=True, kw_only=True):
    """Why the last turn gave no answer.

    Attributes
    ----------
    title, advice : str
        What went wrong, and what to do.
    about, detail : str
        As in `Countdown`.
    """

    title: str
    advice: str
    about: str = ""
    detail: str = ""


class ContextUse(_Shape, frozen=True, kw_only=True):
    """How much of the model's context window the chat takes up.

    Attributes
    ----------
    percent : int
    words : str
        "12,300 of 200,000 tokens"
    """

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
        The model's label, or the name of what is retried.
    doing : str
        What is going on: "writing…".
    news : str
        What a screen reader says, once.
    over : bool
        Nothing runs.
    retry, waiting, error
        The wait that lasts; the answer that hasn't begun; why there was none.
    title : str
        The chat's.
    status : str
        In a word or two: "ready", "answering".
    context : ContextUse or None
        None where nobody knows.
    queue : tuple of QueuedMessage
    offers : tuple of str
    blocked : str
        Why nothing can be sent just now; empty where it can.
    last : str or None
        The text of the person's last message.
    """

    label: str = ""
    doing: str = ""
    news: str = ""
    over: bool = False
    retry: Countdown | None = None
    waiting: Waiting | None = None
    error: Failure | None = None
    title: str = ""
    status: str = ""
    context: ContextUse | None = None
    queue: tuple[QueuedMessage, ...] = ()
    offers: tuple[Offer, ...] = ()
    blocked: str = ""
    last: str | None = None


class Snapshot(Facts, frozen=True, kw_only=True, omit_defaults=False):
    """The whole state of a view, which the trait ``snap`` holds.

    Attributes
    ----------
    r : int
        The number of the last message that it contains.
    blocks : tuple of Block
    """

    r: int
    blocks: tuple[Block, ...]


class Changes(_Shape, frozen=True, kw_only=True):
    """A custom message: what brings a view from state ``r - 1`` to ``r``, in this order: `cut`, `put`, `edit`, `done`.

    Attributes
    ----------
    r : int
        Its number.
    set : dict
        The facts that changed, as `Facts` has them.
    cut : int or None
        How many blocks stay.
    put : tuple of (int, Block)
        Blocks by their index.
    edit : tuple of (int, int, int, str)
        Index of a block; where in its HTML, counted as JavaScript counts; how much goes there; what comes in its place.
    done : tuple of int
        Blocks that have ceased to grow.
    """

    r: int
    set: dict[str, Any] = {}
    cut: int | None = None
    put: tuple[tuple[int, Block], ...] = ()
    edit: tuple[tuple[int, int, int, str], ...] = ()
    done: tuple[int, ...] = ()


class Ack(_Shape, frozen=True, kw_only=True):
    """A custom message: a command was heard.

    Attributes
    ----------
    ack : str
        Its ``do``.
    refused : str
        Why nothing came of it; empty where something did.
    """

    ack: str
    refused: str = ""


class _Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="do"):
    """What the person wants."""


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
    """Ask this in place of the last question."""

    text: str


class Promote(_Command, frozen=True, kw_only=True, tag="promote"):
    """Let this queued message go first, and interrupt for it."""

    id: int


class Delete(_Command, frozen=True, kw_only=True, tag="delete"):
    """Take this message out of the queue."""

    id: int


class Edit(_Command, frozen=True, kw_only=True, tag="edit"):
    """Change the text of this queued message."""

    id: int
    text: str


class Resync(_Command, frozen=True, kw_only=True, tag="resync"):
    """A message was missed: tell the whole state."""


class Hides(_Command, frozen=True, kw_only=True, tag="hides"):
    """This front end hides what is shown beside a living view for the times without one."""


Command = Stop | RetryNow | TryAgain | Send | Replace | Promote | Delete | Edit | Resync | Hides
