"""Writes the samples in ``retry_logs/`` anew: each library runs, fails, retries, and what it logs is kept.

``python -m tests.analysis.foreign_logs`` needs openai, anthropic, tenacity, stamina, structlog, urllib3, boto3 and python-json-logger.
The samples of the service and of streams are not written here: no program of this house writes them.
"""

from __future__ import annotations

import http.server
import io
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "retry_logs"
LAYOUTS = (
    logging.Formatter("%(message)s"),
    logging.Formatter(logging.BASIC_FORMAT),
    logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"),
    logging.Formatter("[%(asctime)s] [%(levelname)s] %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S%z"),
    logging.Formatter("[%(asctime)s - %(name)s:%(lineno)d - %(levelname)s] %(message)s", "%Y-%m-%d %H:%M:%S"),
)


def layouts() -> list[Any]:
    """The layouts in which each library's lines are written: five of logging, two of JSON, one with colours."""
    import structlog
    from pythonjsonlogger.json import JsonFormatter

    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    return [
        *LAYOUTS,
        JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"),
        structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared),
        structlog.stdlib.ProcessorFormatter(processor=structlog.dev.ConsoleRenderer(colors=True), foreign_pre_chain=shared),
    ]


def level_of(layout: Any) -> int:
    """DEBUG in two layouts, to have the lines beside a retry as well; more of these would show nothing more."""
    return logging.DEBUG if layout is LAYOUTS[1] or "json" in type(layout).__module__ else logging.INFO


@contextmanager
def written(names: str, layout: logging.Formatter, level: int, leave_out: str = "") -> Iterator[io.StringIO]:
    """What these loggers write in a layout."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(layout)
    if leave_out:
        handler.addFilter(lambda record: not record.getMessage().startswith(leave_out))
    loggers = [logging.getLogger(name) for name in names.split()]
    for logger in loggers:
        logger.setLevel(level)
        logger.addHandler(handler)
    try:
        yield out
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)


def sdk(name: str, layout: logging.Formatter) -> str:
    """Two failures and an answer."""
    import anthropic
    import openai

    from chatkit.chattest import FakeProvider, error_response, reply

    script = [error_response(529, headers={"retry-after-ms": "15"}), error_response(429, headers={"retry-after": "0.25"}), reply("Hello!")]
    question: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    with FakeProvider(script) as fake, written(f"{name}._base_client", layout, level_of(layout)) as out:
        if name == "openai":
            openai.OpenAI(api_key="k", base_url=fake.openai_url).chat.completions.create(**question)
        else:
            anthropic.Anthropic(api_key="k", base_url=fake.anthropic_url).messages.create(max_tokens=9, **question)
    return out.getvalue()


def tenacity_lines(layout: logging.Formatter) -> str:
    """An exception, an empty exception, and a value that is retried."""
    import tenacity

    with written("app", layout, logging.INFO) as out:
        answers = iter([ConnectionResetError(104, "Connection reset by peer"), TimeoutError(), None, "done"])

        @tenacity.retry(
            wait=tenacity.wait_exponential(multiplier=0.01, exp_base=3),
            retry=tenacity.retry_if_exception_type() | tenacity.retry_if_result(lambda value: value is None),
            before_sleep=tenacity.before_sleep_log(logging.getLogger("app"), logging.WARNING),
            before=tenacity.before_log(logging.getLogger("app"), logging.INFO),
            after=tenacity.after_log(logging.getLogger("app"), logging.INFO),
        )
        def ask() -> str | None:
            return next_or_raise(answers)

        ask()
    return out.getvalue()


def next_or_raise(answers: Iterator[Any]) -> Any:
    answer = next(answers)
    if isinstance(answer, Exception):
        raise answer
    return answer


def stamina_calls() -> None:
    """Two failures, with arguments that look like what is logged."""
    import stamina

    answers = iter([ConnectionResetError(104, "Connection reset by peer"), ValueError("no \"number\" in 'it'"), "done"])

    @stamina.retry(on=Exception, wait_initial=0.02, wait_jitter=0)
    def ask(prompt: str, *, options: object) -> Any:
        return next_or_raise(answers)

    ask("a prompt retry_num=9", options={"wait_for": 7, "text": "wait_for=7 )"})


def stamina_lines() -> str:
    """Through logging in every layout, and through structlog with four renderers."""
    import stamina.instrumentation as si
    import structlog

    text = ""
    si.set_on_retry_hooks([si.LoggingOnRetryHook])
    for layout in layouts():
        with written("stamina", layout, logging.INFO) as out:
            stamina_calls()
        text += out.getvalue()
    renderers: list[Any] = [
        structlog.processors.JSONRenderer(),
        structlog.processors.KeyValueRenderer(),
        structlog.processors.LogfmtRenderer(),
        structlog.dev.ConsoleRenderer(colors=True),
    ]
    for renderer in renderers:
        console = io.StringIO()
        structlog.configure(
            processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso"), renderer],
            logger_factory=structlog.PrintLoggerFactory(console),
            cache_logger_on_first_use=False,
        )
        si.set_on_retry_hooks([si.StructlogOnRetryHook])
        stamina_calls()
        text += console.getvalue()
    structlog.reset_defaults()
    si.set_on_retry_hooks(None)
    return text


class Failing(http.server.BaseHTTPRequestHandler):
    """503 twice, then what the path asks for."""

    left = 2

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer()

    def answer(self) -> None:
        failing, Failing.left = Failing.left > 0, Failing.left - 1
        body = b"{}"
        self.send_response(503 if failing else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def failing_server() -> Iterator[int]:
    Failing.left = 2
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def urllib3_lines(layout: logging.Formatter) -> str:
    """A refused connection, one that is closed at once, one that doesn't answer, and a status, twice each."""
    import urllib3

    with written("urllib3", layout, level_of(layout)) as out, socket.create_server(("127.0.0.1", 0)) as silent:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            refused = gone.getsockname()[1]
        retries = urllib3.Retry(total=2, backoff_factor=0.01, status_forcelist=[503], allowed_methods=None)
        pool = urllib3.PoolManager(retries=retries, timeout=0.05)
        for port in (refused, silent.getsockname()[1]):
            with suppress(urllib3.exceptions.MaxRetryError):
                pool.request("GET", f"http://127.0.0.1:{port}/v1/models?page=1")
        with closing_server() as port, suppress(urllib3.exceptions.MaxRetryError):
            pool.request("GET", f"http://127.0.0.1:{port}/v1/models")
        with failing_server() as port:
            pool.request("GET", f"http://127.0.0.1:{port}/v1/models")
    return out.getvalue()


@contextmanager
def closing_server() -> Iterator[int]:
    """Takes connections, reads what comes, and closes them."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(3):
                connection, _ = server.accept()
                connection.recv(9999)
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def botocore_lines(mode: str, layout: logging.Formatter) -> str:
    """Two failures and an answer. Lines that show the request are left out."""
    import boto3
    from botocore.config import Config

    names = "botocore.retryhandler botocore.retries botocore.endpoint"
    with failing_server() as port:
        client = boto3.client(
            "dynamodb",
            region_name="eu-west-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            endpoint_url=f"http://127.0.0.1:{port}",
            config=Config(retries={"mode": mode, "max_attempts": 3}),
        )
        with written(names, layout, logging.DEBUG, leave_out="Sending http") as out:
            client.list_tables()
    return "".join(line + "\n" for line in out.getvalue().splitlines() if "Making request" not in line)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    every: dict[str, Callable[[], str]] = {
        "openai": lambda: "".join(sdk("openai", layout) for layout in layouts()),
        "anthropic": lambda: "".join(sdk("anthropic", layout) for layout in layouts()),
        "tenacity": lambda: "".join(map(tenacity_lines, layouts())),
        "stamina": stamina_lines,
        "urllib3": lambda: "".join(map(urllib3_lines, layouts())),
        "botocore": lambda: "".join(botocore_lines(mode, layout) for mode in ("legacy", "standard", "adaptive") for layout in layouts()),
    }
    for name, lines in every.items():
        (FOLDER / f"{name}.log").write_text(lines(), "utf-8")


if __name__ == "__main__":
    main()
