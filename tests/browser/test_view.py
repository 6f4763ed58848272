"""`chat.view()` in JupyterLab: a person reads, writes, stops, edits; in several cells, across a reload and a restart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

SETUP = """
import threading
import chatkit as ck
from chatkit.chattest import FakeProvider, anthropic_overloaded_response, anthropic_error_response, reply
fake = FakeProvider(lambda request: answers.pop(0)).start()
answers = []
def chat_with(*script, **options):
    answers.extend(script)
    return ck.Chat('anthropic:test', base_url=fake.anthropic_url, api_key='not-a-key', **{'title': None, **options})
"""
GONE = "The kernel is gone. The text stays here; run the cell again to continue."


def view(nb: Any, index: int = 1) -> Any:
    """The living view of a cell, without the static copy beside it."""
    return nb.output(index).locator(".chatkit")


def composer(nb: Any, index: int = 1) -> Any:
    return view(nb, index).get_by_role("textbox")


def blocks(nb: Any, index: int) -> str:
    return str(nb.output(index).locator(".ck-body").inner_html())


def test_a_message_is_written_sent_answered_and_edited_by_keyboard_alone(notebook: Callable[..., Any]) -> None:
    nb = notebook(SETUP, "chat = chat_with(reply('**First** answer.'), reply('Second answer.'), reply('Third answer.'))\nchat.view()")
    nb.run(0)
    nb.run(1)
    field = composer(nb)
    field.focus()
    nb.page.keyboard.type("one")
    nb.page.keyboard.press("Shift+Enter")
    nb.page.keyboard.type("two")
    nb.page.keyboard.press("Enter")
    view(nb).get_by_text("First answer.").wait_for()
    assert nb.output(1).locator(".ck-user").inner_text().split() == ["one", "two"]
    assert view(nb).locator(".ck-body strong").inner_text() == "First"
    assert field.input_value() == ""
    assert field.evaluate("(el) => el === document.activeElement")
    nb.page.keyboard.press("ArrowUp")
    assert field.input_value() == "one\ntwo"
    view(nb).get_by_text("Editing your last message").wait_for()
    nb.page.keyboard.press("Escape")
    assert field.input_value() == ""
    nb.page.keyboard.press("ArrowUp")
    nb.page.keyboard.press("End")
    nb.page.keyboard.type(" three")
    nb.page.keyboard.press("Enter")
    view(nb).get_by_text("Second answer.").wait_for()
    assert "First answer." not in view(nb).inner_text()
    assert nb.execute("print([m.text for m in chat.messages])") == "['one\\ntwo three', 'Second answer.']"


def test_escape_stops_the_turn_and_what_was_said_stays(notebook: Callable[..., Any]) -> None:
    nb = notebook(SETUP, "chat = chat_with(reply('half a sentence and more').stall(after=2))\nchat.view()")
    nb.run(0)
    nb.run(1)
    composer(nb).fill("Go")
    composer(nb).press("Enter")
    view(nb).get_by_text("half a").wait_for()
    assert view(nb).get_by_role("button", name="Send").get_attribute("aria-disabled") == "true"
    view(nb).get_by_text("The reply is still being written").wait_for()
    composer(nb).press("Escape")
    view(nb).get_by_text("Stopped: the reply is incomplete.").wait_for()
    assert nb.execute("print(chat.status, repr(chat.messages[-1].text[:6]))") == "waiting 'half a'"


def test_the_view_stops_and_hurries_what_another_cell_is_waiting_for(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SETUP,
        "chat = chat_with(anthropic_overloaded_response(retry_after=60), reply('half a sentence').stall(after=2))\nchat.view()",
        "chat.ask('Go', show=False)",
    )
    nb.run(0)
    nb.run(1)
    nb.run(2, wait=False)
    view(nb).get_by_role("button", name="Retry now").click()
    nb.output(1).locator(".ck-body").get_by_text("half a").wait_for()
    view(nb).get_by_role("button", name="Stop").click()
    nb.output(2).get_by_text("Stopped").wait_for()  # the cell that blocked has ended


def test_an_error_offers_to_try_again_and_then_it_works(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SETUP,
        "chat = chat_with(anthropic_error_response(401, 'invalid x-api-key'), reply('Now it works.'))\nchat.view()",
        "chat.submit('Hi', show=False)",
    )
    for index in range(3):
        nb.run(index)
    view(nb).get_by_text("Check the API key").wait_for()
    view(nb).get_by_role("button", name="Try again").click()
    view(nb).get_by_text("Now it works.").wait_for()
    view(nb).get_by_text("Check the API key").wait_for(state="hidden")
    assert nb.execute("print(len(chat.messages))") == "2"


def test_a_turn_that_failed_in_its_own_cell_can_be_tried_again_there(notebook: Callable[..., Any]) -> None:
    nb = notebook(SETUP, "chat_with(anthropic_error_response(401), reply('Now it works.')).ask('Hi')", "'another cell'")
    for index in range(3):
        nb.run(index)
    nb.output(1).get_by_role("button", name="Try again").click()
    nb.output(1).locator(".chatkit-reply").get_by_text("Now it works.").wait_for()
    nb.output(1).get_by_role("button", name="Try again").wait_for(state="detached")
    assert "Now it works." not in nb.output(2).inner_text()
    first, *rest = nb.bundles(1)
    assert "Now it works." in first["text/markdown"]
    assert rest == []


def test_two_cells_that_show_one_chat_stay_in_step_and_a_late_one_shows_the_same(notebook: Callable[..., Any]) -> None:
    nb = notebook(SETUP, "chat = chat_with(*[reply(f'Answer **{n}**.') for n in range(3)])\nchat.view()", "chat.view()", "chat.view()")
    for index in range(3):
        nb.run(index)
    composer(nb, 2).fill("Hello")
    composer(nb, 2).press("Enter")
    for index in (1, 2):
        view(nb, index).get_by_text("Answer 0.").wait_for()
    nb.run(3)
    view(nb, 3).get_by_text("Answer 0.").wait_for()
    assert blocks(nb, 1) == blocks(nb, 2) == blocks(nb, 3)
    assert composer(nb, 1).input_value() == ""


def test_the_page_is_loaded_again_in_the_middle_of_a_turn_and_shows_the_same(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SETUP,
        "chat = chat_with(reply('Some **bold** words, and then more').stall(after=4), title='My chat')\nchat.view()",
        "run = chat.submit('Go', show=False)",
    )
    for index in range(3):
        nb.run(index)
    nb.output(1).locator(".ck-body").get_by_text("Some bold words, and").wait_for()
    before = blocks(nb, 1)
    nb.save()
    nb.open()
    nb.output(1).locator(".ck-body").get_by_text("Some bold words, and").wait_for()
    assert blocks(nb, 1) == before
    nb.execute("fake.wait_for(stalled=1); fake.release()")
    nb.output(1).locator(".ck-body").get_by_text("then more").wait_for()
    assert "My chat" in view(nb).inner_text()
    composer(nb).fill("a draft that is kept")
    assert nb.execute("print(run.result(10).stop_reason)") == "end"


def test_a_restarted_kernel_leaves_finished_replies_readable_and_living_views_say_so(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SETUP,
        "chat = chat_with(reply('The answer.'), reply('half a sentence').stall(after=2))\nchat.ask('One')",
        "chat.view()",
        "run = chat.submit('Two')",
    )
    for index in range(4):
        nb.run(index)
    nb.output(3).get_by_text("half a").wait_for()
    nb.restart()
    for index in (2, 3):
        nb.output(index).get_by_text(GONE).first.wait_for()
        assert "half a" in nb.output(index).inner_text()
        assert nb.output(index).get_by_role("button", name="Stop").count() == 0
    assert composer(nb, 2).is_disabled() or nb.output(2).get_by_role("button", name="Send").get_attribute("aria-disabled") == "true"
    assert "The answer." in nb.output(1).inner_text()
    saved = nb.save()["cells"]
    assert "The answer." in "".join(saved[1]["outputs"][0]["data"]["text/html"])
    static = [o["data"] for o in saved[2]["outputs"] if "text/html" in o.get("data", {})]
    assert "The answer." in "".join(static[-1]["text/html"])  # beside the view, for a reader without a kernel


def test_two_chats_side_by_side_do_not_mix(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SETUP,
        "import ipywidgets\nleft, right = chat_with(), chat_with()\nanswers[:] = [reply('For the left.'), reply('For the right.')]\n"
        "ipywidgets.HBox([left.view(), right.view()])",
    )
    nb.run(0)
    nb.run(1)
    fields = nb.output(1).get_by_role("textbox")
    for n, words in enumerate(("For the left.", "For the right.")):
        fields.nth(n).fill("Hi")
        fields.nth(n).press("Enter")
        nb.output(1).get_by_text(words).wait_for()
    views = nb.output(1).locator(".chatkit")
    assert [("left" in v, "right" in v) for v in views.all_inner_texts()] == [(True, False), (False, True)]


def test_ten_chats_stream_at_once_and_every_word_arrives(notebook: Callable[..., Any]) -> None:
    nb = notebook(
        SETUP,
        "import ipywidgets\nmany = FakeProvider(lambda request: reply(chunks=[f'{request.text}w{n} ' for n in range(1500)])).start()\n"
        "chats = [ck.Chat('anthropic:test', base_url=many.anthropic_url, api_key='not-a-key', title=None) for _ in range(10)]\n"
        "ipywidgets.VBox([chat.view() for chat in chats])",
    )
    nb.run(0)
    nb.run(1)
    nb.execute("runs = [chat.submit(f'c{n}', show=False) for n, chat in enumerate(chats)]")
    for n in range(10):
        nb.output(1).get_by_text(f"c{n}w1499").wait_for()
        shown = nb.output(1).locator(".chatkit").nth(n).locator(".ck-block").all_text_contents()
        assert "".join(shown[1:]).removesuffix("Copy").split() == [f"c{n}w{i}" for i in range(1500)]
    assert "rate" not in nb.page.locator("body").inner_text().lower()


def test_try_again_says_where_its_reply_is_and_the_whole_reply_is_copied_as_it_was_written(notebook: Callable[..., Any]) -> None:
    nb = notebook(SETUP, "chat = chat_with(anthropic_error_response(401), reply('**Now** it works.'))\na = chat.ask('Hi?')", "chat.view()")
    nb.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    nb.run_all()
    nb.output(1).get_by_text("The reply will be chat.last.").wait_for()
    assert "run the cell" not in nb.output(1).inner_text().lower()
    nb.output(1).get_by_role("button", name="Try again").click()
    nb.output(1).get_by_text("Tried again: this reply is chat.last.").wait_for()
    assert nb.execute("print(chat.last)").strip() == "**Now** it works."
    for index in (1, 2):
        nb.page.evaluate("() => navigator.clipboard.writeText('')")
        copy = nb.output(index).get_by_role("button", name="Copy the reply")
        copy.click()
        copy.get_by_text("Copied").wait_for()
        assert nb.page.evaluate("() => navigator.clipboard.readText()") == "**Now** it works."
