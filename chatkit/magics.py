"""``%load_ext chatkit``: ``%%chat`` sends its cell to a model, ``%chat`` its line; ``%chat_retries`` is the table of the attempts."""

from __future__ import annotations

import functools
import keyword
import re
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core import magic_arguments
from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class

from chatkit.conversation.interface import Chat
from chatkit.conversation.replies import Reply
from chatkit.errors import ChatClosed, unknown_option
from chatkit.providers.demo import VARIANTS
from chatkit.providers.registry import MODEL_FORMS

if TYPE_CHECKING:
    import pandas as pd
    from IPython.core.interactiveshell import InteractiveShell

CHAT, REPLY = "chat", "reply"  # the variables that hold the conversation and its last reply
OPTIONS = {"chat": ("--base-url", "--name", "--new", "--system"), "chat_retries": ("--all",)}
MODELS = ["demo", *(f"demo:{variant}" for variant in VARIANTS), *(f"{name}:" for name in MODEL_FORMS if name != "demo")]
LINE = re.compile(r"(?:^|=)\s*(%%?chat|%?chat_retries)\s+(.*)$")
LEADING = re.compile(
    rf"""\s*(?:(?:
        --new | --(?:system|base-url|name)(?:=|\s+)(?:"[^"]*"|'[^']*'|\S+)
        | demo | (?:{"|".join(MODEL_FORMS)}):\S+
    )(?:\s+|$))*""",
    re.VERBOSE,
)
"""The options and the model at the beginning of ``%chat``; the message is the rest, as it is written."""
F = TypeVar("F", bound=Callable[..., Any])
ipython: Any = magic_arguments


def decorated(*decorators: Callable[[Any], Any]) -> Callable[[F], F]:
    """IPython's decorators, the first outermost; they are not typed, so the function keeps its own type here."""
    return lambda function: functools.reduce(lambda inner, decorator: decorator(inner), reversed(decorators), function)


@magics_class
class ChatMagics(Magics):
    """The magics of one shell, and the conversations that they began."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._user = shell
        self._own: dict[str, tuple[Chat, str | None]] = {}  # by variable: the conversation, and its base_url
        self._sent_to: list[Chat] = []  # the last one last
        self._assigned: dict[str, object] = {}  # what the variables of the user were given here
        self._mentioned: set[str] = set()  # variables of the user's own of which was said that they are left alone

    @decorated(
        ipython.magic_arguments("%chat"),  # its help puts one more % before it
        ipython.argument("model", nargs="?", help="such as demo or anthropic:NAME; unless given, the last one, at first CHATKIT_MODEL"),
        ipython.argument("--new", action="store_true", help="begin a new conversation, with the last one's model and system prompt"),
        ipython.argument("--system", metavar="TEXT", help="the system prompt, in quotes"),
        ipython.argument("--base-url", metavar="URL", help="the address of the model's server, unless it is the vendor's own"),
        ipython.argument("--name", metavar="NAME", help="the conversation's variable: a Chat of yours, or a name for a new one"),
        line_cell_magic,
    )
    def chat(self, line: str, cell: str | None = None) -> Reply:
        """Send the cell to a model, or with %chat the rest of the line. The reply streams below, and every retry is shown.

        One conversation goes on from cell to cell, until --new, another model, another system prompt or another address
        begins a new one. Afterwards the variable `chat` holds the conversation and `reply` the last reply, which is also in
        `_`. Variables of yours with these names are left unchanged.

        In the line, IPython replaces $name and {expression} by their values. The cell is sent as it is written, because code
        and formulas are full of both; to put values into a message, use %chat, or chat.ask(f"...").

        Examples::

            %%chat
            Why do clients back off?

            %%chat anthropic:claude-sonnet-4-5 --system "Be brief."
            And without jitter?

            %%chat openai-compat:llama3 --base-url http://127.0.0.1:11434/v1
            To a server of my own.

            %chat --new What is {value}?

            %%chat --name mine
            To a chat that I made: mine = chatkit.Chat("demo", options={"temperature": 0})
        """
        if cell is None:
            magic, place = "%chat", "behind it"
            begins = LEADING.match(line).end()  # type: ignore[union-attr] # it may be empty
            line, message = line[:begins], line[begins:].strip()
            if message.startswith("--"):
                line, message = f"{line} {message.split()[0]}", ""  # no option of this magic
        else:
            magic, place, message = "%%chat", "below it, in the same cell", cell.strip()
        given = _parsed(magic, self.chat, line)
        if not message:
            raise UsageError(f"{magic} has nothing to send: write the message {place}. {magic}? shows examples.")
        chat = self._conversation(given)
        self._sent_to = [other for other in self._sent_to if other is not chat] + [chat]
        try:
            reply = chat.ask(message)
        except ChatClosed as error:
            error.add_note("Or begin another with %%chat --new.")
            raise
        self._assign(REPLY, reply, "this reply is in _, and in the chat's messages")
        return reply

    @decorated(
        ipython.magic_arguments(),
        ipython.argument("name", nargs="?", help="a variable that holds a Chat; the conversation of the last %%%%chat cell unless given"),
        ipython.argument("--all", action="store_true", help="all conversations that %%%%chat cells went to since the extension was loaded"),
        line_magic,
    )
    def chat_retries(self, line: str) -> pd.DataFrame:
        """The attempts of a conversation as a DataFrame, one row per attempt.

        The columns are those of chat.retries; chatkit.analysis.attempts_frame explains them.

        Examples::

            %chat_retries mine
            attempts = %chat_retries --all
        """
        given = _parsed("%chat_retries", self.chat_retries, line)
        if given.all and given.name:
            raise UsageError(f"%chat_retries shows {given.name} or --all: leave one of them out")
        chats = [self._chat_of(given.name)] if given.name else self._sent_to if given.all else self._sent_to[-1:]
        from chatkit.analysis.frames import attempts_frame

        return attempts_frame([record for chat in chats for record in chat.attempts])

    def _conversation(self, given: Any) -> Chat:
        """The chat that a cell is sent to."""
        name = given.name or CHAT
        if not name.isidentifier() or keyword.iskeyword(name) or name == REPLY:
            raise UsageError(f"--name {name} is not possible: give the name of a variable, other than {REPLY}, which holds the last reply")
        changes = given.new or any(value is not None for value in (given.model, given.system, given.base_url))
        if given.name and not self._is_free(name):
            chat = self._chat_of(name)
            if changes and (given.new or (given.model, given.system, given.base_url) != (chat.model, None, None)):
                raise UsageError(f"{name} is a Chat of yours, with {chat.model}: leave the model and the options out, or give another name")
            return chat
        if changes or name not in self._own:
            self._begin(name, given)
        chat, _ = self._own[name]
        theirs = isinstance(self._user.user_ns.get(name), Chat)
        self._assign(name, chat, f"%%chat --name {name if theirs else 'NAME'} {'sends to it' if theirs else 'uses another'}")
        return chat

    def _begin(self, name: str, given: Any) -> None:
        """Begin a conversation, unless the last one of this name has the model, the system prompt and the address that are given."""
        model, system, base_url = given.model, given.system, given.base_url
        last, last_url = self._own.get(name, (None, None))
        if last:
            model, system = model or last.model, last.system if system is None else system
            if base_url is None and model == last.model:
                base_url = last_url  # an address belongs to its model
        chat = Chat(model, system=system or "", base_url=base_url)
        if last:
            if not given.new and (chat.model, chat.system, base_url) == (last.model, last.system, last_url):
                return
            print(f"New chat with {chat.model}.")
        self._own[name] = chat, base_url

    def _chat_of(self, name: str) -> Chat:
        """The Chat in a variable."""
        value = self._user.user_ns.get(name)
        if isinstance(value, Chat):
            return value
        found = f"is not a Chat (its type is {type(value).__name__})" if name in self._user.user_ns else "is not defined"
        raise UsageError(f"{name} {found}. Variables that hold a Chat: {', '.join(self._names_of_chats()) or 'none yet'}.")

    def _names_of_chats(self) -> list[str]:
        """The names of the variables that hold a Chat."""
        variables = dict(self._user.user_ns)  # another thread may add one
        return sorted(name for name, value in variables.items() if isinstance(value, Chat) and not name.startswith("_"))

    def _is_free(self, name: str) -> bool:
        """Whether a variable does not exist, or still holds what it was given here."""
        return name not in self._user.user_ns or self._user.user_ns[name] is self._assigned.get(name, self)

    def _assign(self, name: str, value: object, advice: str) -> None:
        """Give a variable a value; one of the user's own is left alone, which is printed once."""
        if self._is_free(name):
            self._assigned[name] = value
            self._user.push({name: value})  # type: ignore[no-untyped-call]
        elif name not in self._mentioned:
            self._mentioned.add(name)
            print(f"{name} is a variable of yours and stays as it is: {advice}.")

    @decorated(context_matcher())
    def complete(self, context: CompletionContext) -> SimpleMatcherResult:
        """Completions in the line of a magic: a matcher for IPython's completer."""
        if not (line := LINE.search(context.text_until_cursor)):
            return {"completions": []}
        before, word = ["", *str(line[2]).split(" ")][-2:]
        sends = line[1] in ("%%chat", "%chat")
        if line[1] == "%chat" and not LEADING.fullmatch(str(line[2]).removesuffix(word)) and before != "--name":
            choices = []  # in the message
        elif before == "--name" or (not sends and not word.startswith("-")):
            choices = self._names_of_chats()
        elif sends:
            choices = [] if before in ("--system", "--base-url") else [*MODELS, *OPTIONS["chat"]]
        else:
            choices = [*OPTIONS["chat_retries"]]
        found = [SimpleCompletion(choice) for choice in choices if choice.startswith(word)]
        return {"completions": found, "matched_fragment": word, "suppress": bool(found), "ordered": True}


def _parsed(name: str, function: Any, line: str) -> Any:
    """The arguments of a magic's line."""
    try:
        given, extra = function.parser.parse_known_args(shlex.split(line))
    except ValueError:
        raise UsageError(f'{name}: a quotation mark stands alone. Put the whole text in quotes, like --system "Don\'t hedge."') from None
    if wrong := [word for word in extra if word.startswith("-")]:
        raise UsageError(f"{unknown_option(name, wrong, OPTIONS[name.lstrip('%')])} {name}? explains them.")
    if extra:
        raise UsageError(f'{name} has no use for {" ".join(extra)!r}. A text of several words goes in quotes, like --system "Be brief."')
    return given


def _with_a_body(lines: list[str]) -> list[str]:
    """Add a blank line to a lone ``%%chat``: IPython would refuse it without saying what to do, and this extension says it."""
    return [lines[0].rstrip("\n") + "\n", "\n"] if len(lines) == 1 and lines[0].split()[:1] == ["%%chat"] else lines


_with_a_body.has_side_effects = True  # type: ignore[attr-defined] # so IPython does not call it while a cell is being typed


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext chatkit``: add ``%%chat``, ``%chat`` and ``%chat_retries`` to a shell.

    Parameters
    ----------
    shell : InteractiveShell
        The shell of IPython, which calls this.
    """
    unload_ipython_extension(shell)
    magics = ChatMagics(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(_with_a_body)
    shell.Completer.custom_matchers.append(magics.complete)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext chatkit``: remove the magics again. The variables stay.

    Parameters
    ----------
    shell : InteractiveShell
        The shell to which they were added.
    """
    manager = shell.magics_manager
    if (magics := manager.registry.pop(ChatMagics.__name__, None)) is None:
        return
    manager.magics["cell"].pop("chat", None)
    for name in ("chat", "chat_retries"):
        manager.magics["line"].pop(name, None)
    shell.input_transformers_cleanup.remove(_with_a_body)
    shell.Completer.custom_matchers.remove(magics.complete)
