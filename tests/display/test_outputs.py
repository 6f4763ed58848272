"""The output of a cell, published to from several threads."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from chatkit.display.outputs import CellOutput
from tests.comms import Publisher


class Slow(Publisher):
    """While it publishes the first output, another thread shows the last."""

    output: CellOutput
    other: threading.Thread

    def publish(self, data: dict[str, str], **more: Any) -> None:
        if data == {"text/plain": "first"}:
            self.other = threading.Thread(target=self.output.show, args=({"text/plain": "last"},))
            self.other.start()
            self.other.join(0.2)  # it is to wait until this one is published
        super().publish(data, **more)


def test_what_is_shown_last_stays_whichever_thread_shows_it(outputs: list[dict[str, Any]]) -> None:
    publisher = InteractiveShell.instance().display_pub = Slow()
    publisher.output = CellOutput()
    publisher.output.show({"text/plain": "first"})
    publisher.other.join()
    assert [(o["data"]["text/plain"], o["update"]) for o in publisher.outputs] == [("first", False), ("last", True)]


def test_an_output_without_a_widget_loads_none() -> None:
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance().display_pub.parent_header = {'msg_id': 'a cell'}\n"
        "from chatkit.display.outputs import CellOutput; CellOutput().show({'text/plain': 'Hi'}); sys.exit('ipywidgets' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
