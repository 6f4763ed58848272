"""The main job in a real kernel: queued cells, interrupts, and what a saved notebook holds."""

from __future__ import annotations

from collections.abc import Iterator

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter

from tests.kernels import Cell, Kernel, running_kernel

SETUP = """
import asyncio, chatkit as ck
from chatkit.chattest import FakeClock, FakeProvider, anthropic_overloaded_response, reply
WORDS = " ".join(f"word{n}" for n in range(40))
def chat_with(*script, **options):
    global fake
    fake = FakeProvider(list(script)).start()
    return ck.Chat("anthropic:claude-x", base_url=fake.anthropic_url, api_key="k", title=None, **options)
"""
BUNDLE = {"text/html", "text/markdown", "text/plain"}
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with running_kernel() as kernel:
        assert kernel.run(SETUP).status == "ok"
        yield kernel


def started(cell: Cell) -> bool:
    """The cell said that it began."""
    return "began" in cell.text


def test_run_all_runs_all_ten_chat_cells(kernel: Kernel) -> None:
    head = 'calm = ck.Chat("demo:steady", title=None); done = []'
    asks = [f'calm.ask("Question {n}"); done.append({n})' for n in range(5)]
    sends = [f'await calm.send("Question {n}"); done.append({n})' for n in range(5, 10)]
    cells = kernel.collect(*kernel.queue(head, *asks, *sends, "print(done)"))
    assert [cell.status for cell in cells] == ["ok"] * 12
    assert cells[-1].text.strip() == str(list(range(10)))


def test_a_finished_reply_leaves_html_markdown_and_text_and_no_widget(kernel: Kernel) -> None:
    cell = kernel.run(
        'flaky = chat_with(anthropic_overloaded_response(), reply("All is **well**."), clock=FakeClock())\nr = flaky.ask("How?")'
    )
    (bundle,) = cell.outputs
    assert set(bundle) == BUNDLE
    assert "<strong>well</strong>" in bundle["text/html"]
    assert "All is **well**." in bundle["text/markdown"]
    assert "1 s" in bundle["text/plain"]
    assert "overloaded" in bundle["text/plain"]


def test_an_unattended_cell_shows_the_same_bundle_alone(kernel: Kernel) -> None:
    code = 'one = chat_with(anthropic_overloaded_response(), reply("All is **well**."), clock=FakeClock())\nr = one.ask("How?")'
    live, alone = kernel.run(code), kernel.run(code, attended=False)
    assert live.of_type("comm_open")
    assert not alone.of_type("comm_open", "update_display_data")
    assert alone.outputs == live.outputs


def test_a_reply_as_the_last_expression_is_not_shown_twice(kernel: Kernel) -> None:
    kernel.run('calm = ck.Chat("demo:steady", title=None)')
    assert len(kernel.run('calm.ask("Hello")').outputs) == 1
    assert len(kernel.run('r = calm.ask("Hello")\nr').outputs) == 1
    again = kernel.run("r").outputs
    assert len(again) == 1
    assert set(again[0]) == BUNDLE
    assert len(kernel.run('calm.ask("Hello", show=False)').outputs) == 1
    assert len(kernel.run('r = calm.ask("Hello", show=False)').outputs) == 0
    assert len(kernel.run('calm.submit("Hello", show=False).result()').outputs) == 1


def test_fifty_questions_in_a_loop_leave_fifty_light_outputs_and_no_widget(kernel: Kernel) -> None:
    cell = kernel.run('calm = ck.Chat("demo:steady", title=None)\nfor n in range(50): calm.ask("Hello")')
    assert len(cell.outputs) == 50
    assert all(set(bundle) == BUNDLE for bundle in cell.outputs)
    left = kernel.run("from ipywidgets.widgets.widget import _instances; print(len(_instances))")
    assert left.text.strip() == "0"


@pytest.mark.parametrize("call", ['stuck.ask("Hi")', 'await stuck.send("Hi")'], ids=["plain", "awaited"])
def test_an_interrupt_during_a_wait_ends_the_cell_and_leaves_the_chat_usable(kernel: Kernel, call: str) -> None:
    prepared = kernel.run(
        'stuck = chat_with(anthropic_overloaded_response(retry_after=200), reply("Next."), on_retry=lambda n: print("began", flush=True))'
    )
    assert prepared.status == "ok", prepared.reply
    cell = kernel.interrupt_when(call, started)
    assert cell.status == "error"
    assert cell.reply["ename"] in ("KeyboardInterrupt", "CancelledError")
    after = kernel.run('print(stuck.ask("And?", show=False).text, [m.text for m in stuck.messages], [r.outcome for r in stuck.attempts])')
    assert after.text.strip() == "Next. ['And?', 'Next.'] ['retry', 'abandoned', 'ok']"


@pytest.mark.parametrize("call", ['stuck.ask("Hi")', 'await stuck.send("Hi")'], ids=["plain", "awaited"])
def test_an_interrupt_during_a_stream_cancels_the_request_and_keeps_what_was_said(kernel: Kernel, call: str) -> None:
    kernel.run('stuck = chat_with(reply(WORDS).stall(3), reply("Next."))')
    watch = (
        "import threading\nfrom tests.watching import watching\n"
        "def watch():\n    with watching(stuck) as seen: seen.wait_for_text('word2')\n    print('began', flush=True)\n"
        "threading.Thread(target=watch).start()\n"
    )
    cell = kernel.interrupt_when(watch + call, started)
    assert cell.status == "error"
    assert cell.reply["ename"] in ("KeyboardInterrupt", "CancelledError")
    after = kernel.run('fake.wait_for(hang_ups=1); print([m.text for m in stuck.messages], stuck.ask("And?", show=False).text)')
    assert after.text.strip() == "['Hi', 'word0 word1 word2'] Next."
    assert "word0 word1 word2" in cell.outputs[-1]["text/plain"]


RETRIES = {
    "plain": "ck.retry(fails, **given)",
    "awaited": "await ck.retry(fails_async, **given)",
    "decorated": "ck.retry(**given)(fails)()",
    "block": "for attempt in ck.retry_context(**given):\n  with attempt: fails()",
    "awaited block": "async for attempt in ck.retry_context(**given):\n  async with attempt: await fails_async()",
}


@pytest.mark.parametrize("call", RETRIES.values(), ids=RETRIES)
def test_an_interrupt_ends_a_retry_of_any_code_and_shows_the_persons_own_frames(kernel: Kernel, call: str) -> None:
    kernel.run(
        "def fails(): raise ConnectionResetError\n"
        "async def fails_async(): raise ConnectionResetError\n"
        "given = dict(max_elapsed=None, on_retry=lambda n: n.attempt == 1 and print('began', flush=True))"
    )
    cell = kernel.interrupt_when(call, started)
    assert cell.status == "error"
    assert cell.reply["ename"] in ("KeyboardInterrupt", "CancelledError")
    shown = "".join(cell.reply["traceback"])
    assert "chatkit" not in shown
    assert "given" in shown
    assert kernel.run("print('alive')").text.strip() == "alive"


def test_a_retry_shows_its_waits_and_a_first_success_shows_nothing(kernel: Kernel) -> None:
    kernel.run("n = 0\ndef flaky():\n    global n\n    n += 1\n    if n < 3: raise ConnectionResetError\n    return n")
    cell = kernel.run("r = ck.retry(flaky, clock=FakeClock())")
    (bundle,) = cell.outputs
    assert set(bundle) == BUNDLE
    assert "1 s" in bundle["text/plain"]
    assert "2 s" in bundle["text/plain"]
    assert kernel.run("r = ck.retry(flaky, clock=FakeClock())").outputs == []
    assert kernel.run("r = ck.retry(flaky, clock=FakeClock(), show=False)").outputs == []


def test_a_failed_question_shows_the_question_and_the_error(kernel: Kernel) -> None:
    kernel.run("from chatkit.chattest import anthropic_error_response")
    cell = kernel.run('bad = chat_with(anthropic_error_response(401, "invalid x-api-key"))\nbad.ask("Anyone there?")')
    assert cell.status == "error"
    assert cell.reply["ename"] == "AuthError"
    (error,) = cell.of_type("error")
    assert error["traceback"][0] == 'Cell, line 2, in <module>\n    bad.ask("Anyone there?")'
    assert not any("bridge.py" in line for line in error["traceback"])  # the inside of chatkit helps nobody here
    bundle, offer = cell.outputs
    assert set(offer) == {"application/vnd.jupyter.widget-view+json"}  # Try again
    assert set(bundle) >= BUNDLE
    assert "Anyone there?" in bundle["text/plain"]
    assert "refused" in bundle["text/plain"]


def test_a_submitted_question_ends_its_cell_at_once_and_freezes_later(kernel: Kernel) -> None:
    first, second = kernel.collect(
        *kernel.queue(
            'later = chat_with(reply(WORDS).stall(3), reply("x"))\nrun = later.submit("Hi")\nfake.wait_for(stalled=1)',
            "fake.release(); print(run.result(10).text)",
        )
    )
    assert first.status == "ok"
    assert second.text.strip().endswith("word39")


def test_somebody_elses_nest_asyncio_does_no_harm() -> None:
    with running_kernel() as other:
        other.run("import nest_asyncio; nest_asyncio.apply()")
        assert other.run(SETUP).status == "ok"
        cell = other.run('print(chat_with(anthropic_overloaded_response(), reply("Fine."), clock=FakeClock()).ask("Hi").text)')
        assert cell.text.strip() == "Fine."
        awaited = other.run('print((await chat_with(reply("Fine.")).send("Hi")).text)')
        assert awaited.text.strip() == "Fine."


def test_nbclient_runs_a_notebook_of_chats_and_saves_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [
        'import chatkit as ck; from chatkit.chattest import FakeClock\nchat = ck.Chat("demo:overloaded", title=None, clock=FakeClock())\nreply = chat.ask("Why do clients back off?")',
        'reply = await chat.send("And without jitter?")',
        'run = chat.submit("Take your time"); run.result()',
        "chat.retries[['attempt', 'outcome']]",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
    monkeypatch.setenv("CHATKIT_DEMO_SPEED", "inf")
    NotebookClient(notebook, timeout=60, allow_errors=False).execute()
    for cell in notebook.cells[:3]:
        (output,) = cell.outputs
        assert set(output.data) == BUNDLE
    page, _ = HTMLExporter().from_notebook_node(notebook)
    markdown, _ = MarkdownExporter().from_notebook_node(notebook)
    assert "<strong>Because a server in trouble needs less work, not more.</strong>" in page
    assert "Retried 3 times" in page
    assert "widget-view" not in page
    assert "Retried 3 times" in markdown
    assert not notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state")


def test_stop_ends_an_awaited_retry_within_an_attempt(kernel: Kernel) -> None:
    kernel.run(
        "async def fails():\n"
        "    if calls.append(1) or len(calls) == 1: raise ConnectionResetError\n"
        "    print('began', flush=True); await asyncio.Event().wait()"
    )
    cell = kernel.click_when("calls = []\nawait ck.retry(fails)", "stop", started)
    assert cell.reply["ename"] == "Stopped"
    assert "stopped" in cell.outputs[-1]["text/plain"].lower()


def test_retry_now_and_stop_act_on_an_awaited_question(kernel: Kernel) -> None:
    kernel.run(
        'stuck = chat_with(anthropic_overloaded_response(retry_after=200), reply("Now."), on_retry=lambda n: print("began", flush=True))'
    )
    assert kernel.click_when('r = await stuck.send("Hi")', "retry", started).status == "ok"
    assert kernel.run("print(r.text, r.waited < 60)").text.strip() == "Now. True"
    kernel.run(
        'stuck = chat_with(anthropic_overloaded_response(retry_after=200), reply("Now."), on_retry=lambda n: print("began", flush=True))'
    )
    stopped = kernel.click_when('await stuck.send("Hi")', "stop", started)
    assert stopped.reply["ename"] == "Stopped"
