"""The magics, in a shell of IPython's and in a real kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from traitlets.config import Config

import chatkit as ck
from chatkit.analysis.frames import COLUMNS
from chatkit.chattest import FakeProvider, anthropic_error_response, reply
from chatkit.magics import MODELS
from tests.kernels import Kernel, running_kernel

BUNDLE = {"text/html", "text/markdown", "text/plain"}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell of its own, with the extension loaded."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("CHATKIT_DEMO_SPEED", "inf")
    monkeypatch.delenv("CHATKIT_MODEL", raising=False)
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    run(shell, "%load_ext chatkit")
    yield shell
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, cell: str) -> Any:
    """Run a cell that works, and return its value."""
    done: ExecutionResult = shell.run_cell(cell)
    done.raise_error()
    return done.result


def refusal(shell: InteractiveShell, cell: str) -> str:
    """What a cell is refused with: IPython's error for magics, which it prints in one line."""
    error = shell.run_cell(cell).error_in_exec
    assert type(error).__name__ == "UsageError", error
    return str(error)


def completed(shell: InteractiveShell, line: str) -> list[str]:
    """What the line may become, as a front end asks for it."""
    with provisionalcompleter():
        return [line[: found.start] + found.text + line[found.end :] for found in shell.Completer.completions(line, len(line))]


def asked(chat: Any) -> list[str]:
    return [message.text for message in chat.messages if message.role == "user"]


def test_one_conversation_goes_on_from_cell_to_cell(shell: InteractiveShell) -> None:
    first = run(shell, "%%chat demo:steady\nWhy do clients back off?\n")
    second = run(shell, "%%chat\n\n  And without\n  jitter?\n\n")
    chat = shell.user_ns["chat"]
    assert isinstance(chat, ck.Chat)
    assert chat.model == "demo:steady"
    assert asked(chat) == ["Why do clients back off?", "And without\n  jitter?"]
    assert isinstance(first, ck.Reply)
    assert shell.user_ns["reply"] is second
    assert shell.user_ns["_"] is second


def test_a_line_goes_on_with_the_same_conversation_and_is_sent_as_it_is_written(shell: InteractiveShell) -> None:
    first = run(shell, '%chat demo:steady Don\'t --new clients "back off"?')
    run(shell, "%%chat\nAnd without jitter?")
    run(shell, "n = 3")
    run(shell, "r = %chat  Why {n} of them? ")
    chat = shell.user_ns["chat"]
    assert isinstance(first, ck.Reply)
    assert chat.model == "demo:steady"
    assert asked(chat) == ['Don\'t --new clients "back off"?', "And without jitter?", "Why 3 of them?"]
    assert shell.user_ns["r"] is shell.user_ns["reply"]
    run(shell, '%chat --name=mine demo:steady --system "Be brief." One')
    run(shell, "%chat --name mine --new Two")
    assert (shell.user_ns["mine"].system, asked(shell.user_ns["mine"])) == ("Be brief.", ["Two"])


def test_a_line_without_a_message_or_with_an_unknown_option_is_refused(shell: InteractiveShell) -> None:
    for line in ("%chat", "%chat --new", "%chat demo:steady --system 'Be brief.'"):
        assert refusal(shell, line) == "%chat has nothing to send: write the message behind it. %chat? shows examples."
    assert refusal(shell, "%chat --nwe Hello").startswith("%chat takes no '--nwe': did you mean '--new'?")
    assert "chat" not in shell.user_ns


def test_the_model_is_that_of_the_environment_unless_given(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_MODEL", "demo:steady")
    run(shell, "%%chat\nHello")
    assert shell.user_ns["chat"].model == "demo:steady"


@pytest.mark.parametrize(
    ("line", "model", "system"),
    [
        ("demo:slow", "demo:slow", "Be brief."),
        ("--new", "demo:steady", "Be brief."),
        ('--system "Be long."', "demo:steady", "Be long."),
        ('--system ""', "demo:steady", ""),
        ("demo:slow --new --system 'It''s fine.'", "demo:slow", "Its fine."),
    ],
)
def test_another_model_or_system_prompt_or_new_begins_a_conversation_and_says_so(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str, model: str, system: str
) -> None:
    run(shell, '%%chat demo:steady --system "Be brief."\nHello')
    before = shell.user_ns["chat"]
    assert "New chat" not in capsys.readouterr().out
    run(shell, f"%%chat {line}\nHello again")
    after = shell.user_ns["chat"]
    assert after is not before
    assert (after.model, after.system, asked(after)) == (model, system, ["Hello again"])
    assert capsys.readouterr().out.startswith(f"New chat with {model}.\n")


@pytest.mark.parametrize("line", ["demo:steady", 'demo:steady --system "Be brief."', '--system "Be brief."', " demo:steady  "])
def test_the_same_model_and_system_prompt_again_go_on(shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str) -> None:
    run(shell, '%%chat demo:steady --system "Be brief."\nHello')
    run(shell, f"%%chat {line}\nHello again")
    assert asked(shell.user_ns["chat"]) == ["Hello", "Hello again"]
    assert "New chat" not in capsys.readouterr().out


def test_a_server_of_ones_own_is_asked_until_another_model_is_named(
    shell: InteractiveShell, fake_provider: Callable[..., FakeProvider]
) -> None:
    fake = fake_provider([reply("One."), reply("Two."), reply("Three.")])
    for cell, said in {
        f"%%chat openai-compat:llama3 --base-url {fake.openai_url}\nA": "One.",
        "%%chat openai-compat:llama3\nB": "Two.",
        "%%chat --new\nC": "Three.",
    }.items():
        assert run(shell, cell).text == said
    error = shell.run_cell("%%chat openai-compat:other\nD").error_in_exec
    assert isinstance(error, ck.UsageError)
    assert "needs base_url=" in str(error)


def test_variables_of_the_person_stay_as_they_are_and_that_is_said_once(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.user_ns.update(chat="mine", reply=None)
    run(shell, "%%chat demo:steady\nHello")
    said = capsys.readouterr().out
    assert "chat is a variable of yours and stays as it is: %%chat --name NAME uses another." in said
    assert "reply is a variable of yours and stays as it is: this reply is in _, and in the chat's messages." in said
    run(shell, "%%chat\nHello again")
    assert (shell.user_ns["chat"], shell.user_ns["reply"]) == ("mine", None)
    assert "variable of yours" not in capsys.readouterr().out
    del shell.user_ns["chat"]
    run(shell, "%%chat\nA third time")
    assert asked(shell.user_ns["chat"]) == ["Hello", "Hello again", "A third time"]


def test_a_name_sends_to_the_persons_own_chat_and_to_it_alone(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    chat = shell.user_ns["chat"] = ck.Chat("demo:steady", system="Be kind.", title=None)
    run(shell, "%%chat demo:steady\nTo the magic's own")
    assert "%%chat --name chat sends to it" in capsys.readouterr().out
    run(shell, "%%chat --name chat\nTo mine")
    run(shell, "%%chat demo:steady --name chat\nTo mine, with its model named")
    assert asked(chat) == ["To mine", "To mine, with its model named"]
    for line in ("--new", "demo", '--system "Be brief."', "--base-url http://127.0.0.1:1"):
        assert refusal(shell, f"%%chat --name chat {line}\nHello") == (
            "chat is a Chat of yours, with demo:steady: leave the model and the options out, or give another name"
        )
    assert shell.user_ns["chat"] is chat


def test_a_free_name_holds_a_conversation_beside_the_first(shell: InteractiveShell) -> None:
    run(shell, "%%chat demo:steady\nHello")
    run(shell, "%%chat demo:steady --name draft\nA draft")
    run(shell, "%%chat --name draft\nShorter")
    run(shell, "%%chat\nHello again")
    assert asked(shell.user_ns["draft"]) == ["A draft", "Shorter"]
    assert asked(shell.user_ns["chat"]) == ["Hello", "Hello again"]


@pytest.mark.parametrize("name", ["2nd", "for", "a-b", "reply"])
def test_a_name_that_no_conversation_can_have_is_refused(shell: InteractiveShell, name: str) -> None:
    assert "give the name of a variable" in refusal(shell, f"%%chat --name {name}\nHello")


def test_a_name_that_holds_something_else_is_refused(shell: InteractiveShell) -> None:
    shell.user_ns.update(n=3, mine=ck.Chat("demo", title=None))
    assert refusal(shell, "%%chat --name n\nHello") == "n is not a Chat (its type is int). Variables that hold a Chat: mine."
    assert shell.user_ns["n"] == 3


@pytest.mark.parametrize("cell", ["%%chat", "%%chat\n", "%%chat\n\n", "%%chat demo --new\n  \n\t\n", "\n%%chat"])
def test_an_empty_cell_says_what_to_do_and_begins_nothing(shell: InteractiveShell, cell: str) -> None:
    assert refusal(shell, cell) == "%%chat has nothing to send: write the message below it, in the same cell. %%chat? shows examples."
    assert "chat" not in shell.user_ns


def test_a_cell_that_is_being_typed_is_not_taken_for_an_empty_one(shell: InteractiveShell) -> None:
    assert shell.check_complete("%%chat") == ("incomplete", "")
    assert shell.check_complete("%%chat\nHello\n\n")[0] == "complete"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('--sytem "Be brief."', "%%chat takes no '--sytem': did you mean '--system'?"),
        ("--help", "%%chat? explains them."),
        ("--system Be brief and kind.", 'A text of several words goes in quotes, like --system "Be brief."'),
        ("--system Don't.", "a quotation mark stands alone"),
        ("--system", "argument --system: expected one argument"),
    ],
)
def test_a_wrong_line_says_what_was_meant(shell: InteractiveShell, line: str, words: str) -> None:
    assert words in refusal(shell, f"%%chat {line}\nHello")
    assert "chat" not in shell.user_ns


def test_a_model_that_nobody_has_is_chatkits_own_error_with_the_near_miss(shell: InteractiveShell) -> None:
    error = shell.run_cell("%%chat demo:stedy\nHello").error_in_exec
    assert isinstance(error, ck.UsageError)
    assert "did you mean demo:steady?" in str(error)
    assert "chat" not in shell.user_ns


def test_the_line_is_expanded_and_the_cell_is_sent_as_it_is_written(shell: InteractiveShell) -> None:
    shell.user_ns.update(model="demo:steady", tone="kind", x=3)
    run(shell, '%%chat $model --system "Be {tone.upper()}."\nWhat is {x} in $x^2$, and {"json": true}?')
    chat = shell.user_ns["chat"]
    assert (chat.model, chat.system) == ("demo:steady", "Be KIND.")
    assert asked(chat) == ['What is {x} in $x^2$, and {"json": true}?']


def test_a_failure_is_raised_as_ask_raises_it_and_the_conversation_goes_on(
    shell: InteractiveShell, fake_provider: Callable[..., FakeProvider]
) -> None:
    fake = fake_provider([anthropic_error_response(401, "invalid x-api-key"), "Fine."])
    mine = shell.user_ns["mine"] = ck.Chat("anthropic:claude-x", base_url=fake.anthropic_url, api_key="k", title=None)
    assert isinstance(shell.run_cell("%%chat --name mine\nHello").error_in_exec, ck.AuthError)
    assert "reply" not in shell.user_ns
    assert run(shell, "%%chat --name mine\nHello again").text == "Fine."
    assert shell.user_ns["reply"].text == "Fine."
    mine.close()
    closed = shell.run_cell("%%chat --name mine\nAnd now?").error_in_exec
    assert isinstance(closed, ck.ChatClosed)
    assert closed.__notes__ == ["Or begin another with %%chat --new."]


def test_a_running_turn_is_busy(shell: InteractiveShell, fake_provider: Callable[..., FakeProvider]) -> None:
    fake = fake_provider([reply("One two").stall(1)])
    mine = shell.user_ns["mine"] = ck.Chat("openai-compat:x", base_url=fake.openai_url, title=None)
    running = mine.submit("Take your time", show=False)
    assert isinstance(shell.run_cell("%%chat --name mine\nHello").error_in_exec, ck.Busy)
    fake.wait_for(stalled=1)
    fake.release()
    assert running.result(10).text == "One two"


def test_the_retries_are_a_frame_of_the_last_conversation_of_all_or_of_a_chat_of_ones_own(shell: InteractiveShell) -> None:
    run(shell, "%%chat demo:steady\nHello")
    run(shell, "%%chat --name draft demo:steady\nHello")
    run(shell, "%%chat --name draft --new\nHello")
    mine = shell.user_ns["mine"] = ck.Chat("demo:steady", title=None, show=False)
    mine.ask("Hello")
    mine.ask("Hello")
    frame = run(shell, "%chat_retries")
    assert dict(frame.dtypes.astype(str)) == dict(COLUMNS)
    assert set(frame["chat"]) == {shell.user_ns["draft"].id}
    shell.run_cell("every = %chat_retries --all").raise_error()
    every = shell.user_ns["every"]
    assert every["chat"].nunique() == 3
    assert shell.user_ns["chat"].id in set(every["chat"])
    pd.testing.assert_frame_equal(run(shell, "%chat_retries mine"), mine.retries)
    assert len(mine.retries) == 2
    assert "mine" in shell.user_ns  # nothing of this goes to a chat that no cell was sent to
    assert mine.id not in set(every["chat"])


def test_without_a_conversation_the_frame_of_the_retries_is_empty_and_has_its_columns(shell: InteractiveShell) -> None:
    for line in ("%chat_retries", "%chat_retries --all"):
        frame = run(shell, line)
        assert len(frame) == 0
        assert list(frame) == list(COLUMNS)


def test_retries_of_what_is_no_chat_are_refused(shell: InteractiveShell) -> None:
    shell.user_ns["n"] = 3
    assert refusal(shell, "%chat_retries chatt") == "chatt is not defined. Variables that hold a Chat: none yet."
    assert "n is not a Chat" in refusal(shell, "%chat_retries n")
    assert "leave one of them out" in refusal(shell, "%chat_retries n --all")
    assert "did you mean '--all'?" in refusal(shell, "%chat_retries --al1")


def test_the_help_shows_the_options_and_examples(shell: InteractiveShell) -> None:
    sends, shows = (shell.find_magic(name, kind).__doc__ for name, kind in (("chat", "cell"), ("chat_retries", "line")))
    assert "%%chat [--new] [--system TEXT] [--base-url URL] [--name NAME] [model]" in sends
    assert "%%chat anthropic:claude-sonnet-4-5 --system" in sends
    assert "%chat_retries [--all] [name]" in shows
    assert "%%%" not in sends + shows


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("%%chat dem", [f"%%chat {model}" for model in MODELS if model.startswith("demo")]),
        ("%%chat demo:st", ["%%chat demo:steady"]),
        ("%%chat demo --n", ["%%chat demo --name", "%%chat demo --new"]),
        ("%%chat openai", ["%%chat openai:", "%%chat openai-compat:"]),
        ("%%chat o", ["%%chat openai:", "%%chat openrouter:", "%%chat ollama:", "%%chat openai-compat:"]),
        ("%%chat --new --name m", ["%%chat --new --name mine"]),
        ("%chat demo:st", ["%chat demo:steady"]),
        ("t = %chat --name m", ["t = %chat --name mine"]),
        ("%chat demo --n", ["%chat demo --name", "%chat demo --new"]),
        ("%chat_retries m", ["%chat_retries mine"]),
        ("t = %chat_retries ", ["t = %chat_retries mine"]),
        ("%chat_retries --", ["%chat_retries --all"]),
        ("chat_retries m", ["chat_retries mine"]),
    ],
)
def test_tab_completes_models_options_and_chats(shell: InteractiveShell, line: str, found: list[str]) -> None:
    shell.user_ns.update(mine=ck.Chat("demo", title=None), model=3, _mine=ck.Chat("demo", title=None))
    assert completed(shell, line) == found


@pytest.mark.parametrize("line", ["%%chat --system dem", "x = dem", "%%chatter dem", "%%chat", "%chat Give me a dem"])
def test_tab_leaves_other_words_to_ipython(shell: InteractiveShell, line: str) -> None:
    assert not [found for found in completed(shell, line) if found.endswith(tuple(MODELS))]


def test_the_extension_can_be_loaded_again_and_taken_away(shell: InteractiveShell) -> None:
    run(shell, "%reload_ext chatkit")
    run(shell, "%%chat demo:steady\nHello")
    assert completed(shell, "%%chat demo:st") == ["%%chat demo:steady"]
    run(shell, "%unload_ext chatkit")
    assert "not found" in refusal(shell, "%%chat\nHello")
    assert "not found" in refusal(shell, "%chat Hello")
    assert "not found" in refusal(shell, "%chat_retries")
    assert "%%chat demo:steady" not in completed(shell, "%%chat demo:st")
    assert isinstance(shell.user_ns["chat"], ck.Chat)
    run(shell, "%load_ext chatkit")
    assert run(shell, "%%chat demo:steady\nHello").attempts == 1


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with running_kernel() as kernel:
        assert (
            kernel.run(
                "%load_ext chatkit\nimport chatkit as ck\nfrom chatkit.chattest import FakeProvider, anthropic_overloaded_response"
            ).status
            == "ok"
        )
        yield kernel


def test_in_a_notebook_the_reply_is_shown_once_and_the_same_to_a_person_and_to_a_program(kernel: Kernel) -> None:
    live = kernel.run("%%chat demo:steady --new\nWhy do clients back off?")
    static = kernel.run("%%chat demo:steady --new\nWhy do clients back off?", attended=False)
    (bundle,) = live.outputs
    assert set(bundle) == BUNDLE
    assert live.outputs == static.outputs
    assert live.of_type("comm_open")
    assert not static.of_type("comm_open")
    assert static.text == "New chat with demo:steady.\n"


def test_an_interrupt_ends_the_cell_and_the_conversation_goes_on(kernel: Kernel) -> None:
    prepared = kernel.run(
        'fake = FakeProvider([anthropic_overloaded_response(retry_after=200), "Next."]).start()\n'
        'stuck = ck.Chat("anthropic:claude-x", base_url=fake.anthropic_url, api_key="k", title=None, on_retry=lambda n: print("began", flush=True))'
    )
    assert prepared.status == "ok"
    cell = kernel.interrupt_when("%%chat --name stuck\nHello", lambda cell: "began" in cell.text)
    assert cell.reply["ename"] == "KeyboardInterrupt"
    assert kernel.run("%%chat --name stuck\nHello again").status == "ok"
    assert kernel.run("print(reply.text)").text.strip() == "Next."


def test_an_error_is_short_in_a_notebook(kernel: Kernel) -> None:
    unknown, refused = kernel.run("%%chat demo:stedy\nHello"), kernel.run("%%chat --sytem x\nHello")
    (error,) = unknown.of_type("error")
    assert error["traceback"][-1].startswith("UsageError: there is no demo:stedy")
    assert not any("magics.py" in line for line in error["traceback"])
    assert refused.errors.startswith("UsageError: %%chat takes no '--sytem'")


def test_a_kernel_completes_as_a_front_end_asks(kernel: Kernel) -> None:
    kernel.run("draft = ck.Chat('demo', title=None)")
    for code, start, matches in (
        ("%%chat demo:st", 7, ["demo:steady"]),
        ("%%chat demo --name dr\nHello", 19, ["draft"]),
        ("%chat_retries dr", 14, ["draft"]),
    ):
        line = code.split("\n")[0]
        answer = kernel.client.complete(code, len(line), reply=True, timeout=60)["content"]
        assert (answer["matches"], answer["cursor_start"], answer["cursor_end"]) == (matches, start, len(line))


def test_a_kernel_shows_the_help(kernel: Kernel) -> None:
    (page,) = kernel.run("%%chat?").reply["payload"]
    assert "One conversation goes on from cell to cell" in page["data"]["text/plain"]
