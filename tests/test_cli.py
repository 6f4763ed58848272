from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import chatkit
from chatkit.cli import main


def test_lab_copies_the_notebooks_and_never_over_a_file_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    assert main(["lab", str(folder), "--no-launch"]) == 0
    quickstart = folder / "01_quickstart.ipynb"
    assert json.loads(quickstart.read_text("utf-8"))["nbformat"] == 4
    assert (folder / "data" / "week.jsonl.gz").stat().st_size > 10_000
    quickstart.write_text("edited", "utf-8")
    assert main(["lab", str(folder), "--no-launch"]) == 0
    assert quickstart.read_text("utf-8") == "edited"
    assert "kept" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["lab", str(tmp_path / "file" / "mine"), "--no-launch"]) == 1
    assert "can't be copied into" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (["mine"], []),
        (["mine", "--allow-root"], ["--allow-root"]),
        (["mine", "--", "--port", "9999", "--no-browser"], ["--port", "9999", "--no-browser"]),
        (["--allow-root", "mine", "--", "--ServerApp.ip=0.0.0.0", "--"], ["--allow-root", "--ServerApp.ip=0.0.0.0", "--"]),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="there it is a child of this process")
def test_lab_becomes_jupyterlab_and_passes_options_on(tmp_path: Path, given: list[str], passed: list[str]) -> None:
    (tmp_path / "jupyterlab.py").write_text("import json, os, sys; print(json.dumps([os.getpid(), sys.argv[1:]]))")
    code = "import sys; from chatkit.cli import main; sys.exit(main())"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", code, "lab", *given], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
        *copied, last = process.communicate(timeout=60)[0].splitlines()
    assert json.loads(last) == [process.pid, ["mine", *passed]]
    assert process.returncode == 0
    assert copied


@pytest.mark.parametrize("arguments", [[], ["dmeo"], ["lab", "a", "b"], ["lab", "--port", "9999"]])
def test_wrong_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: chatkit" in capsys.readouterr().err


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.strip() == f"chatkit {chatkit.__version__}"


def test_the_demo_plays_the_main_job_from_start_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert "withdrawn" in out
    assert out.count("no model answered") == 1
    assert "3 attempts, 3 s of waiting" in out
    assert "Title: " in out
    assert "overloaded" in out
    assert "Retrying in 1 s… (attempt 1 failed: demo is overloaded)" in err
    assert "Retrying in 2 s… (attempt 2 failed: " in err
