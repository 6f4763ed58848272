"""The commands ``chatkit ask``, ``chatkit demo`` and ``chatkit lab``."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import chatkit
from chatkit.errors import ChatkitError, ProviderError

if TYPE_CHECKING:
    from chatkit.conversation.interface import Chat
    from chatkit.conversation.replies import Reply

PROMPT = "Why do clients back off?"
_IN_A_SHELL = {"base_url": "--base-url", ", or pass api_key=": "", ", or pass insecure=True if you trust the network": ""}


def demo() -> int:
    """Show a reply that streams through a failing provider, with every retry, in this terminal."""
    from chatkit.conversation.interface import Chat
    from chatkit.conversation.titles import title

    print("chatkit demo: a scripted provider on this machine, which fails on cue. No key, no network, no model.\n")
    print(f"> {PROMPT}\n")
    with Chat("demo", title=None) as chat:
        reply = _shown(chat, PROMPT)
        print(f"\nTitle: {title(PROMPT, 'demo')}")
        print(f"{reply.attempts} attempts, {reply.waited:.0f} s of waiting. These are the attempts, from chat.retries:\n")
        print(chat.retries[["attempt", "outcome", "error", "waited", "duration"]])
    print("\nNext: chatkit lab opens the notebooks; chatkit.Chat('anthropic:…') or ('openai:…') talks to a model.")
    return 0


def ask(prompt: str, model: str | None, system: str, base_url: str | None) -> int:
    """Send a prompt to a model, and write the reply to stdout: as it streams to a terminal, and to a program once it is certain."""
    from chatkit.conversation.interface import Chat
    from chatkit.display.environment import stdout_is_terminal

    with Chat(model, system=system, base_url=base_url, title=None) as chat:
        _shown(chat, prompt, whole=not stdout_is_terminal())
    return 0


def _shown(chat: Chat, prompt: str, *, whole: bool = False) -> Reply:
    """Ask, and show the turn in this terminal."""
    from chatkit.display.terminal import TerminalDisplay

    display = TerminalDisplay(whole=whole)
    try:
        with chat.stream(prompt) as events:
            for event in events:
                display.apply(event)
    finally:
        display.close()
    return events.reply


def _prompt(words: Sequence[str]) -> str:
    """What is asked: these words, and below them what is piped in."""
    try:
        piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
        piped.encode()  # in the locale C, Python reads bytes that are no text as surrogates
    except UnicodeError:
        raise ChatkitError("what is piped in is no text") from None
    except OSError as error:
        raise ChatkitError(f"what is piped in can't be read: {error.strerror}") from error
    return "\n\n".join(filter(None, [" ".join(words).strip(), piped.strip()]))


def notebooks() -> Path:
    """The folder of the notebooks: in the installed package, or beside it in a checkout."""
    package = Path(chatkit.__file__).parent
    for folder in (package / "_notebooks", package.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise ChatkitError("the notebooks are missing from this installation: reinstall chatkit-notebook")


def lab(folder: str, options: Sequence[str] = (), *, launch: bool = True) -> int:
    """Copy the notebooks and their data into a folder, without overwriting any file, and become JupyterLab, with these options."""
    target = Path(folder).expanduser()
    try:
        home = notebooks()
        for source in sorted([*home.glob("*.ipynb"), *home.glob("data/*")]):
            copy = target / source.relative_to(home)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if copy.exists():
                print(f"kept {copy}, which exists already")
            else:
                shutil.copyfile(source, copy)
                print(f"copied {copy}")
    except OSError as error:
        raise ChatkitError(f"the notebooks can't be copied into {target}: {error.strerror}") from error
    if not launch:
        return 0
    if importlib.util.find_spec("jupyterlab") is None:
        raise ChatkitError("JupyterLab isn't installed here: pip install 'chatkit-notebook[lab]'")
    command = [sys.executable, "-m", "jupyterlab", os.fspath(target), *options]
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(sys.executable, command)
    try:  # on Windows, a process that replaces itself leaves its console at once
        return subprocess.call(command)
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chatkit", description="Language models in Jupyter, with visible retries.")
    parser.add_argument("--version", action="version", version=f"chatkit {chatkit.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    asks = commands.add_parser(
        "ask",
        help="send a prompt to a model, and write the reply to stdout",
        epilog="What is piped in is added to the prompt: git diff | chatkit ask 'Write a commit message.'",
    )
    asks.add_argument("prompt", nargs="*", help="the prompt, best in quotes")
    asks.add_argument("-m", "--model", help="such as anthropic:NAME; CHATKIT_MODEL unless given, or else demo")
    asks.add_argument("-s", "--system", metavar="TEXT", default="", help="the system prompt")
    asks.add_argument("--base-url", metavar="URL", help="the address of the model's server, unless it is the vendor's own")
    asks.set_defaults(refuse=asks.error)
    commands.add_parser("demo", help="watch a reply stream through a failing provider (no key, no network)")
    opened = commands.add_parser(
        "lab",
        help="copy the notebooks into a folder and open them in JupyterLab",
        usage="chatkit lab [-h] [--no-launch] [--allow-root] [folder] [-- OPTION ...]",
        epilog="What follows -- is passed on to JupyterLab: chatkit lab -- --port 9999",
    )
    opened.add_argument("folder", nargs="?", default="chatkit-notebooks", help="where to put them (default: %(default)s)")
    opened.add_argument("--no-launch", action="store_true", help="copy them, and do not open JupyterLab")
    opened.add_argument("--allow-root", action="store_true", help="let JupyterLab run as root, as in a container")
    return parser


def _run(words: Sequence[str]) -> int:
    """Run the command that these words give."""
    end = words.index("--") if words[:1] == ["lab"] and "--" in words else len(words)  # what follows is for JupyterLab
    given = _parser().parse_args(words[:end])
    if given.command == "demo":
        return demo()
    if given.command == "lab":
        allow = ["--allow-root"] if given.allow_root else []
        return lab(given.folder, [*allow, *words[end + 1 :]], launch=not given.no_launch)
    if not (prompt := _prompt(given.prompt)):
        given.refuse("there is nothing to ask: write the prompt in quotes, or pipe it in")
    return ask(prompt, given.model, given.system, given.base_url)


def _typed(message: str) -> str:
    """A message about the arguments of `Chat`, in the words of the command line, which takes neither a key nor `insecure`."""
    for of_python, of_a_shell in _IN_A_SHELL.items():
        message = message.replace(of_python, of_a_shell)
    return message


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code: 0 done, 1 failed, 2 wrong arguments, 130 interrupted."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 # until the process ends
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except ProviderError:
        return 1  # the display has said it
    except ChatkitError as error:
        print(f"chatkit: {_typed(str(error))}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"chatkit: the reply can't be written: {error.strerror}", file=sys.stderr)
        return 1
    finally:
        try:
            sys.stdout.flush()
        except OSError:  # the disk is full, or its reader has gone, as head does; Python would complain at its exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
