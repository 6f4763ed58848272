"""Replies in places that take in no update, and what is left of a cell when its notebook is opened without its kernel."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter, MarkdownExporter

from tests.browser.test_view import SETUP, view

pytestmark = pytest.mark.browser

SETUP += """
%load_ext chatkit
from IPython.utils.capture import capture_output
from ipywidgets import Button, HBox, Output, interact
def asked(words='The **end** of it.', *script):
    return chat_with(*script, reply(words))
out = Output()
"""
SITUATIONS = {
    "a cell that waits": "display(out)\nwith out:\n    print('before'); asked().ask('Go'); print('after')",
    "an awaited cell": "display(out)\nwith out:\n    await asked().send('Go')",
    "a run that outlives the block": "display(out)\nwith out:\n    run = asked().submit('Go')",
    "a thread": "display(out)\nwith out:\n    t = threading.Thread(target=asked().ask, args=('Go',)); t.start(); t.join()",
    "a retry": "display(out)\nwith out:\n    asked('The **end** of it.', anthropic_overloaded_response(retry_after=0.2)).ask('Go')",
    "one in another": "inner = Output(); display(out)\nwith out:\n    display(inner)\n    with inner: asked().ask('Go')\n    print('outside')",
    "two": "other = Output(); display(HBox([out, other]))\nfor one in (out, other):\n    with one: asked().ask('Go')",
    "interact": "@interact(q=['The **end** of one.', 'The **end** of it.'])\ndef ask(q):\n    return asked(q).ask('Go')",
    "a button": (
        "button = Button(description='Ask')\ndef click(_):\n    with out: asked().submit('Go')\n"
        "button.on_click(click)\ndisplay(button, out)"
    ),
    "a magic": "chat = asked(); display(out)\nwith out: get_ipython().run_cell_magic('chat', '--name chat', 'Go')",
    "captured": "with capture_output() as captured: asked().ask('Go')\ncaptured.show()",
    "captured while it runs": (
        "with capture_output() as captured: run = asked().submit('Go')\ndisplay(out)\nwith out: captured.show()\nrun.result();"
    ),
    "a failure": "display(out)\nwith out:\n    asked('The **end** of it.', anthropic_error_response(401)).submit('Go')",
    "a view": "chat = asked(); display(out)\nwith out: display(chat.view())\nchat.ask('Go', show=False);",
}
RETRY = """
calls = []
def load():
    calls.append(1)
    if len(calls) < 2: raise TimeoutError('slow')
display(out)
with out: ck.retry(load)
"""


def test_a_finished_reply_stays_in_an_output_widget(notebook: Callable[..., Any]) -> None:
    nb = notebook(SETUP, *(f"out = Output()\n{code}" for code in [*SITUATIONS.values(), RETRY]))
    nb.run(0)
    retry = len(SITUATIONS) + 1
    for index, name in enumerate(SITUATIONS, 1):
        nb.run(index)
        if name == "interact":
            nb.output(index).locator(".chatkit-reply").get_by_text("The end of one.").wait_for()
            nb.output(index).locator("select").select_option("The **end** of it.")
        elif name in ("a button", "a failure"):
            nb.output(index).get_by_role("button", name="Ask" if name == "a button" else "Try again").click()
    nb.run(retry)
    nb.page.evaluate("(command) => window.jupyterapp.commands.execute(command)", "@jupyter-widgets/jupyterlab-manager:saveWidgetState")

    def look() -> None:
        for index, name in enumerate(SITUATIONS, 1):
            place = nb.output(index).locator(".ck-body" if name == "a view" else ".chatkit-reply").get_by_text("The end of it.")
            for n in range(1 + (name == "two")):
                place.nth(n).wait_for()
            text = nb.output(index).text_content()
            assert text.count("The end of it.") == 1 + (name == "two"), name
            assert "still being written" not in text, name
        assert nb.output(1).text_content().split() == ["before", "Copy", "anthropic:test", "The", "end", "of", "it.", "after"]
        nb.output(retry).get_by_text("load: Retried once, after 1 s").wait_for()

    try:
        look()
        nb.save()
        nb.open()  # loaded again, with its kernel
        look()
        nb.save()
        nb.shut_down_kernel()
        nb.open_without_models()
        look()
    finally:
        nb.page.evaluate("(command) => window.jupyterapp.commands.execute(command)", "@jupyter-widgets/jupyterlab-manager:saveWidgetState")


def test_an_output_widget_that_is_cleared_for_each_reply_leaves_one_of_them_in_the_kernel(notebook: Callable[..., Any]) -> None:
    code = "from ipywidgets.widgets import widget\n@interact(q=['one', 'two', 'three'])\ndef ask(q):\n    return asked(q).ask('Go')"
    nb = notebook(SETUP, code, "print(sum(isinstance(w, Output) for w in widget._instances.values()), 'left')")
    nb.run(0)
    nb.run(1)
    for reply in ("two", "three"):
        nb.output(1).locator("select").select_option(reply)
        nb.output(1).locator(".chatkit-reply").get_by_text(reply).wait_for()
    nb.run(2)
    while nb.output(2).text_content().strip() != "3 left":  # `out`, interact's own, and the last reply's
        nb.run(2)  # the page tells the kernel what is left when the kernel is idle


def test_what_threads_print_beside_a_view_lands_in_their_cell(notebook: Callable[..., Any]) -> None:
    # through a socket, and no cell: the view's own message has to be the last that the kernel got
    code = "import socket\ndoor = socket.create_server(('127.0.0.1', 0)); print(door.getsockname()[1])\n"
    code += "def show(): run = asked('', anthropic_overloaded_response(retry_after=60)).submit('Go'); door.accept(); print('pri' 'nted')\n"
    code += "threading.Thread(target=show).start()"
    nb = notebook(SETUP, code)
    nb.run(0)
    nb.run(1)
    nb.output(1).locator(".chatkit-beside").wait_for(state="attached")  # the kernel has heard the view
    with socket.create_connection(("127.0.0.1", int(nb.output(1).text_content().split()[0]))):
        nb.output(1).get_by_text("printed").wait_for()


LEFT = {
    "a failure": ("asked('', anthropic_error_response(401)).ask('Go')", "refused the API key"),
    "a view": ("chat = asked(); chat.ask('Go', show=False)\ndisplay(chat.view()); print('more')", "The end of it."),
    "a wait": ("asked('', anthropic_overloaded_response(retry_after=60)).submit('Go');", "Go"),
    "a retry": (
        "def load(): raise TimeoutError('slow')\nthreading.Thread(target=ck.retry, args=(load,), daemon=True).start(); print('more')",
        "load",
    ),
}


@pytest.mark.filterwarnings("ignore:Your element with mimetype")  # nbconvert leaves out a widget without its state, and says so
def test_what_is_saved_is_read_without_a_word_about_lost_widgets(notebook: Callable[..., Any]) -> None:
    nb = notebook(SETUP, *(code for code, _ in LEFT.values()))
    nb.run(0)
    for index, name in enumerate(LEFT, 1):
        nb.run(index)
        if name == "a failure":
            nb.output(index).get_by_role("button", name="Try again").wait_for()
        elif name == "a view":
            view(nb, index).get_by_text("The end of it.").wait_for()
        else:
            nb.output(index).locator(".ck-waiting").wait_for()
        if name != "a failure":
            nb.output(index).locator(".chatkit-beside").wait_for(state="attached")
            assert nb.output(index).locator(".chatkit-beside").is_hidden()
    nb.save()
    saved = nbformat.read(nb.path, 4)  # type: ignore[no-untyped-call]
    nb.shut_down_kernel()
    nb.open_without_models()
    for index, (_, words) in enumerate(LEFT.values(), 1):
        nb.output(index).get_by_text("Error displaying widget").wait_for(state="attached")
        nb.output(index).get_by_text(words).first.wait_for()
        text = nb.output(index).inner_text()
        assert "widget" not in text
        assert "Loading" not in text
    nb.change_on_disk()
    nb.open()
    for index, (_, words) in enumerate(LEFT.values(), 1):
        nb.output(index).get_by_text(words).first.wait_for()
        assert "widget" not in nb.output(index).inner_text()
    for exporter in (HTMLExporter(), MarkdownExporter()):
        page, _ = exporter.from_notebook_node(saved)
        assert "model not found" not in page
        assert "TurnView" not in page
        for _, words in LEFT.values():
            assert words in page.replace("<strong>", "").replace("</strong>", "").replace("*", "")
