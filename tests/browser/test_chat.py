"""The main job in JupyterLab: a reply streams through a failing provider, and every retry is seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

IMPORT = "import time\nimport chatkit as ck\nchat = ck.Chat('demo', title=None)"
QUESTION = "Why do clients back off?"
FIRST_WORDS = "Because a server in trouble needs less work"
WAIT = re.compile(r"Retrying (?:in (\d+) s|now)… \(attempt (\d+) failed: (.*)\)")


def is_static(bundle: dict[str, str]) -> bool:
    return set(bundle) == {"text/html", "text/markdown", "text/plain"}


def test_ask_streams_counts_down_and_leaves_the_reply_with_one_line_about_the_retries(notebook: Callable[..., Any]) -> None:
    nb = notebook(f"reply = chat.ask({QUESTION!r})", IMPORT)
    nb.run(1)
    nb.record()
    nb.run(0)
    seen = [frame["text"] for frame in nb.seen()]
    waits = list(dict.fromkeys(match[0] for text in seen if (match := WAIT.search(text)) and match[1]))
    assert waits == [
        "Retrying in 1 s… (attempt 1 failed: demo is overloaded)",
        "Retrying in 2 s… (attempt 2 failed: the connection to demo broke)",
        "Retrying in 1 s… (attempt 2 failed: the connection to demo broke)",
    ]
    lengths = [len(text) for text in seen if FIRST_WORDS in text]
    assert len(set(lengths)) > 10  # it streamed
    assert not any(FIRST_WORDS in text and "Retrying" in text for text in seen)
    (bundle,) = nb.bundles(0)
    assert is_static(bundle)
    assert f"<strong>{FIRST_WORDS}" in bundle["text/html"]
    assert f"**{FIRST_WORDS}" in bundle["text/markdown"]
    line = "Retried twice, after 1 s and 2 s: demo is overloaded; the connection to demo broke"
    assert all(line in text for text in bundle.values())
    assert nb.execute("print(reply.text.count('thousands of times'), reply.attempts)") == "1 3"


@pytest.mark.parametrize("call", ["chat.ask({!r})", "await chat.send({!r})"], ids=["ask", "send"])
def test_stop_ends_the_running_cell_with_what_was_said(notebook: Callable[..., Any], call: str) -> None:
    nb = notebook(IMPORT, call.format(QUESTION))
    nb.run(0)
    nb.run(1, wait=False)
    nb.output(1).get_by_text("all clients").or_(nb.output(1).get_by_text("less work")).last.wait_for()
    nb.output(1).get_by_role("button", name="Stop").click()
    nb.output(1).locator(".chatkit-reply").wait_for()
    nb.output(1).get_by_text("Stopped: the reply is incomplete.").wait_for()
    nb.output(1).locator("[data-mime-type='application/vnd.jupyter.stderr'], .jp-RenderedText").first.wait_for()
    outputs = [o for o in nb.save()["cells"][1]["outputs"] if o.get("data") != {}]
    assert [o["output_type"] for o in outputs] == ["display_data", "error"]
    assert outputs[1]["ename"] == "Stopped"
    assert is_static(outputs[0]["data"])
    assert nb.execute("print(chat.messages[-1].text[:20], chat.status)").startswith("**Because")
    nb.execute("reply = chat.ask('What is jitter?', show=False)")
    assert nb.execute("print(reply.stop_reason)") == "end"  # the chat stays usable


def test_retry_now_ends_the_wait_of_a_running_cell(notebook: Callable[..., Any]) -> None:
    nb = notebook(IMPORT, "calls = []\ndef load():\n    calls.append(time.time())\n    if len(calls) < 6: raise ConnectionError('reset by peer')\n"
                  "    return 'loaded'\nck.retry(load)")  # fmt: skip
    nb.run(0)
    nb.run(1, wait=False)
    for attempt in range(1, 6):
        nb.output(1).locator(".ck-why").get_by_text(f"(attempt {attempt} failed:").wait_for()
        nb.output(1).get_by_role("button", name="Retry now").click()
    nb.output(1).get_by_text("'loaded'").wait_for()
    line = nb.output(1).get_by_text("Retried 5 times, after").inner_text()
    waits = [float(seconds) for seconds in re.findall(r"([\d.]+) s\b", line)]  # as they were, not as they were announced
    assert len(waits) == 5
    assert waits[-1] < 16
    assert nb.execute("print(calls[-1] - calls[-2] < 16)") == "True"  # the last wait did not pass


def test_submit_lets_the_cell_end_and_its_buttons_work_on(notebook: Callable[..., Any]) -> None:
    nb = notebook(IMPORT, f"run = chat.submit({QUESTION!r})", "'the next cell'")
    nb.run(0)
    nb.run(1)
    nb.run(2)
    nb.output(1).get_by_text("(attempt 2 failed: the connection to demo broke)", exact=True).wait_for()
    assert nb.execute("print(run.done)") == "False"
    nb.output(1).get_by_role("button", name="Retry now").click()
    nb.output(1).get_by_text(re.compile(r"Retried twice, after 1 s and [\d.]+ s: demo is overloaded")).wait_for()
    assert nb.execute("print(run.result().stop_reason)") == "end"
    assert is_static(nb.bundles(1)[0])


def test_two_chats_stream_at_once_each_into_its_own_cell(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        IMPORT + "\nother = ck.Chat('demo', title=None)",
        f"first = chat.submit({QUESTION!r})",
        "second = other.submit('What is jitter?')",
    )
    for index in range(3):
        nb.run(index)
    nb.page.wait_for_function("() => document.querySelectorAll('.chatkit .ck-body:has(.ck-block)').length === 2")  # both at the same moment
    for index, words in ((1, FIRST_WORDS), (2, "Jitter spreads retries out")):
        nb.output(index).locator(".chatkit-reply").wait_for()
        assert words in nb.output(index).inner_text()
        (bundle,) = nb.bundles(index)
        assert is_static(bundle)
    assert nb.execute("print(first.result().text.count('demo'), second.result().stop_reason)").endswith("end")


def test_a_reply_that_was_shown_is_not_shown_again_as_the_cells_result(notebook: Callable[..., Any]) -> None:
    nb = notebook(IMPORT, "chat.ask('What is jitter?')", "chat.messages[-1].role")
    nb.run(0)
    nb.run(1)
    assert len(nb.bundles(1)) == 1
