"""Who gets a chat's view, when it ends, and what can be asked of it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chatkit import Chat, bridge
from chatkit.chattest import FakeClock, FakeProvider, anthropic_overloaded_response, openai_error_response, reply
from chatkit.display.document import turn_document
from chatkit.display.outputs import StaticDisplay
from chatkit.errors import AuthError, RequestRejected, UsageError
from chatkit.parts import Message
from tests.comms import Wire, view_of
from tests.watching import watching


def test_threads_that_ask_at_once_get_the_same_view(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    chat = Chat("demo:steady", title=None)
    with ThreadPoolExecutor(8) as threads:
        views = list(threads.map(lambda _: chat.view(), range(8)))
    assert len({id(view) for view in views}) == 1
    assert sum("snap" in wire.sent[0][1]["state"] for wire in wires) == 1


def test_chatkits_own_thread_is_told_that_it_can_not_wait(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    with pytest.raises(UsageError, match="own thread"):
        bridge.call_soon(Chat("demo:steady", title=None).view).result(5)


def test_closing_a_view_twice_leaves_the_next_one_alone(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    with FakeProvider([reply("One.")]) as provider:
        chat = Chat("anthropic:test", base_url=provider.anthropic_url, api_key="k", title=None)
        first = chat.view()
        first.close()
        second = chat.view()
        first.close()
        assert chat.view() is second
        with watching(chat) as watch:
            view_of(wires).click("send", text="Hi?")
            watch.wait_for(lambda events: any(isinstance(e, Message) and e.text == "One." for e in events))


def test_a_view_leaves_nothing_open_when_it_is_closed(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    chat = Chat("demo:steady", title=None)
    chat.view().close()
    opened = [wire.comm_id for wire in wires]
    assert opened
    assert [wire.comm_id for wire in wires if wire.sent[-1][0] == "comm_close"] == opened


def test_a_script_that_opened_a_view_ends_in_silence() -> None:
    script = "import chatkit as ck; chat = ck.Chat('demo:steady', title=None); view = chat.view()"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr == ""


def test_a_view_of_a_chat_that_was_closed_before_says_so_and_offers_nothing(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    chat = Chat("demo:steady", title=None)
    chat.close()
    chat.view()
    state = view_of(wires).front_end.state
    assert state["blocked"] == "This chat is closed."
    assert not state["commands"]


def test_try_again_that_comes_late_takes_no_answer_away(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    with FakeProvider([reply("One.")]) as provider:
        chat = Chat("anthropic:test", base_url=provider.anthropic_url, api_key="k", title=None)
        chat.view()
        chat.ask("Hi?", show=False)
        view_of(wires).click("again")
    assert [m.text for m in chat.messages] == ["Hi?", "One."]
    assert "no failed prompt" in view_of(wires).answers[-1]["refused"]


def test_try_again_after_an_undo_takes_no_other_answer_away(wires: list[Wire], outputs: list[dict[str, Any]]) -> None:
    with FakeProvider([reply("One."), openai_error_response(400)]) as provider:
        chat = Chat("openai-compat:m", base_url=provider.openai_url, title=None)
        chat.view()
        chat.ask("Hi?", show=False)
        with pytest.raises(RequestRejected):
            chat.ask("And?", show=False)
        chat.undo()
        view_of(wires).click("again")
        assert view_of(wires).answers[-1]["refused"] == "there is no failed prompt to ask again"
        assert [m.text for m in chat.messages] == ["Hi?", "One."]


@pytest.mark.parametrize("wrong", ["sk-wrong-key", "sk-wrong-key\n", ""])
def test_a_key_that_was_corrected_counts_when_try_again_is_pressed(
    wires: list[Wire], outputs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    def script(request: Any) -> Any:
        return reply("Now.") if request.headers.get("authorization") == "Bearer sk-right-key" else openai_error_response(401)

    monkeypatch.setenv("OPENAI_COMPAT_API_KEY", "sk-first-key")
    with FakeProvider(script) as provider:
        chat = Chat("openai-compat:m", base_url=provider.openai_url, title=None)
        chat.view()
        monkeypatch.setenv("OPENAI_COMPAT_API_KEY", wrong)
        with pytest.raises(AuthError):
            chat.ask("Hi?", show=False)
        monkeypatch.setenv("OPENAI_COMPAT_API_KEY", "sk-right-key")
        with watching(chat) as watch:
            view_of(wires).click("again")
            watch.wait_for(lambda events: any(isinstance(e, Message) and e.text == "Now." for e in events))
    assert [m.text for m in chat.messages] == ["Hi?", "Now."]


def test_a_wait_that_retry_now_ended_is_told_as_it_was_in_the_cell_the_view_and_the_transcript(
    wires: list[Wire], outputs: list[dict[str, Any]]
) -> None:
    clock = FakeClock(hold=True)
    with FakeProvider([anthropic_overloaded_response(), anthropic_overloaded_response(), reply("Now.")]) as provider:
        chat = Chat("anthropic:test", base_url=provider.anthropic_url, api_key="k", title=None, clock=clock)
        chat.view()
        run = chat.submit("Hi?", show=lambda commands: StaticDisplay(turn_document))
        clock.wait_for_pause(1)
        clock.release()
        clock.wait_for_pause(2)
        run.retry_now()
        run.result(10)
    line = "Retried twice, after 1 s and 0 s: anthropic is overloaded"
    assert line in outputs[-1]["data"]["text/plain"]
    assert line in chat._repr_mimebundle_()["text/html"]
    assert chat._viewer._display is not None
    bridge.spawn(chat._viewer._display.settled()).result(5)
    assert line in "".join(block["t"] for block in view_of(wires).front_end.state["blocks"])
