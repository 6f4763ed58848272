from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import chatkit
from chatkit.chattest import FakeProvider, anthropic_overloaded_response, openai_error_response, reply
from chatkit.cli import main

RUN = "import sys; from chatkit.cli import main; sys.exit(main())"


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
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", RUN, "lab", *given], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
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


ASK = [sys.executable, "-c", RUN, "ask"]
WHY = [*ASK, "Why?", "-m", "demo:steady"]
ENV = {"CHATKIT_RETRY_LOG": "off", "CHATKIT_DEMO_SPEED": "inf"}


def asked(*arguments: str, piped: str | bytes = "", **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``chatkit ask`` where no terminal is."""
    given = piped.encode() if isinstance(piped, str) else piped
    env = {**os.environ, **ENV, "PYTHONIOENCODING": "utf-8", **env}
    return subprocess.run([*ASK, *arguments], input=given, capture_output=True, env=env, timeout=60)


def test_ask_writes_the_reply_alone_to_stdout_and_what_is_piped_in_is_part_of_the_prompt() -> None:
    with FakeProvider([anthropic_overloaded_response(), reply("Half a rep").reset(after=2), reply("All is *well*.")]) as provider:
        place = ("-m", "openai-compat:x", "--base-url", provider.openai_url, "-s", "Be brief.")
        done = asked("How is", "it?", *place, piped="a diff\n")
        messages = provider.requests[-1].json["messages"]
    assert (done.returncode, done.stdout) == (0, b"All is *well*.\n")
    assert "Retrying in 1 s" in done.stderr.decode()
    assert messages[-1]["content"] == "How is it?\n\na diff"
    assert messages[0]["content"].startswith("Be brief.")
    assert asked("-m", "demo:steady", piped="Why?").returncode == 0


def test_ask_says_what_went_wrong_in_a_line() -> None:
    with FakeProvider([openai_error_response(401, "no such key")]) as provider:
        refused = asked("Hello", "-m", "openai-compat:x", "--base-url", provider.openai_url)
    for done, code, said in (
        (refused, 1, "refused"),
        (asked("Hello", "-m", "anthropic:x", ANTHROPIC_API_KEY=""), 1, "chatkit: no key for api.anthropic.com"),
        (asked("-m", "demo"), 2, "there is nothing to ask"),
        (asked("-m", "demo", piped=b"\xff\xfe\x00"), 1, "no text"),
        (asked("-m", "demo", piped=b"\xff\xfe\x00", PYTHONIOENCODING="utf-8:surrogateescape"), 1, "no text"),  # the locale C
    ):
        assert (done.returncode, done.stdout) == (code, b"")
        assert said in done.stderr.decode()
        assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["-m", "anthropic:x"], "set the environment variable ANTHROPIC_API_KEY\n"),
        (["-m", "azure:x"], 'needs --base-url=, the address of its server, like --base-url="https://'),
        (["-m", "openai-compat:x", "--base-url", "localhost:80"], "--base-url must begin with http:// or https://"),
        (["-m", "openai-compat:x", "--base-url", "http://10.0.0.1"], "everybody on the way can read it: use https://\n"),
        (["-m", "demo", "--base-url", "http://10.0.0.1"], "leave --base-url out"),
        (["-m", "nobody:x"], "openai-compat:nobody:x with --base-url=, or ollama:nobody:x"),
    ],
)
def test_what_ask_refuses_is_said_in_the_words_of_a_shell(
    given: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    monkeypatch.setenv("OPENAI_COMPAT_API_KEY", "sk-test-key")
    assert main(["ask", "Hello", *given]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert not re.search("api_key|base_url|insecure", said)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
def test_a_stdin_that_can_t_be_read_is_not_called_a_reply_that_can_t_be_written() -> None:
    done = subprocess.run(["sh", "-c", '"$@" 0>/dev/null', "sh", *WHY], capture_output=True, env=os.environ | ENV, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"chatkit: what is piped in can't be read: Bad file descriptor\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_reply_that_a_full_disk_loses_is_an_error_and_a_closed_stream_is_none() -> None:
    def to(redirections: str) -> tuple[int, bytes]:
        done = subprocess.run(["sh", "-c", f'"$@" {redirections}', "sh", *WHY], capture_output=True, env=os.environ | ENV, timeout=60)
        return done.returncode, done.stderr

    assert to("</dev/null >/dev/full") == (1, b"chatkit: the reply can't be written: No space left on device\n")
    assert to("</dev/null >&-") == (0, b"")
    assert to("</dev/null 2>&-") == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such terminals")
def test_a_reader_that_has_gone_is_no_error() -> None:
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(WHY, env=os.environ | ENV, **pipes) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such terminals")
@pytest.mark.parametrize(
    ("code", "ends"),
    [
        (f"import sys; sys.argv += ['ask', 'Why do clients back off?', '-m', 'demo:steady']; {RUN}", 130),
        ("import chatkit; chatkit.chat('Why do clients back off?', model='demo:steady')", 1),
    ],
    ids=["ask", "script"],
)
@pytest.mark.parametrize("interrupted", [False, True], ids=["whole", "interrupted"])
def test_in_a_terminal_the_reply_streams_as_markdown_and_ctrl_c_ends_it(code: str, ends: int, interrupted: bool) -> None:
    import pty

    ours, theirs = pty.openpty()
    env = {**os.environ, "CHATKIT_RETRY_LOG": "off", "CHATKIT_DEMO_SPEED": "20" if interrupted else "300", "TERM": "xterm", "COLUMNS": "80"}
    env.pop("CHATKIT_DISPLAY", None)
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 10_000)
            except OSError:  # closed, on Linux
                break
            if interrupted and b"in trouble" in seen and process.poll() is None:
                process.send_signal(signal.SIGINT)
                interrupted = False
        code_of_end = process.wait(60)
    os.close(ours)
    text = re.sub(r"\x1b\[[\d;]*m", "", seen.decode())
    rows = [line.rstrip("\r").split("\r\x1b[K")[-1] for line in text.split("\n")]
    assert rows[0].lstrip("*").startswith("Because a server in trouble")  # what was interrupted has no closing stars
    if code_of_end == 0:
        assert " 1 A short hiccup costs only a second." in rows
        assert "Scripted demo on this machine: no model answered." in rows
    else:
        assert code_of_end == ends or (ends == 1 and code_of_end == -signal.SIGINT)
        assert "Stopped: the reply is incomplete." in rows


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
