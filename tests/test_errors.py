from __future__ import annotations

import os
from pathlib import Path

import pytest

import chatkit


def test_a_file_beside_chatkit_whose_name_begins_alike_is_the_person_s_own() -> None:
    file = Path(chatkit.__file__).parent.with_name("chatkit_app.py")
    code = compile("import chatkit\ndef main():\n    chatkit.Chat('nobody:x')\nmain()", os.fspath(file), "exec")
    with pytest.raises(chatkit.UsageError) as caught:
        exec(code, {})
    shown = caught.value._render_traceback_()
    assert [line.split("\n")[0] for line in shown if line.startswith("chatkit_app.py")] == [
        "chatkit_app.py, line 4, in <module>",
        "chatkit_app.py, line 3, in main",
    ]
    assert not any("interface.py" in line for line in shown)
