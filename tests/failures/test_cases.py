"""What providers, gateways, local servers and clients really say, and what it is: the rows of ``error_cases.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatkit.failures.classification import classify

RETRYABLE = {"rate_limit", "overloaded", "server_error", "network", "timeout", "unknown"}
"""``unknown`` because each row names who failed."""

ROWS: list[dict[str, Any]] = [json.loads(line) for line in Path(__file__).with_name("error_cases.jsonl").read_text("utf-8").splitlines()]
"""``by`` a provider with a ``status``, ``says`` a body; it is of a ``kind`` and asks for a ``wait`` in seconds."""

every_row = pytest.mark.parametrize("row", ROWS, ids=[f"{row['by']}-{row['kind']}-{number}" for number, row in enumerate(ROWS, 1)])


@every_row
def test_what_a_provider_says_is_understood(row: dict[str, Any]) -> None:
    found = classify(status=row["status"], headers={}, body=row["says"], provider=row["by"])
    assert (found.kind, found.retryable) == (row["kind"], row["kind"] in RETRYABLE), (row["says"], found)
    assert found.retry_after == (None if row["wait"] is None else pytest.approx(row["wait"]))


@every_row
def test_bytes_and_an_exception_with_that_text_say_the_same(row: dict[str, Any]) -> None:
    raised = type("SDKError", (Exception,), {})(row["says"])
    assert classify(status=row["status"], body=row["says"].encode(), provider=row["by"]).kind == row["kind"]
    assert classify(raised, status=row["status"], provider=row["by"]).kind == row["kind"]


def test_the_rows_cover_every_kind_and_many_providers() -> None:
    kinds = {row["kind"] for row in ROWS}
    assert kinds == RETRYABLE | {"auth", "quota", "context_exceeded", "model_not_found", "invalid_request", "content_filter", "canceled"}
    assert len({row["by"] for row in ROWS}) > 25
