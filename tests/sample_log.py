"""``python -m tests.sample_log``: write the log that comes with the notebooks, a week of three jobs with several outages.

The retry loop, its decisions and its records are the real ones. The clock and the providers are scripted, so the week takes about a second.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec.structs import replace

from chatkit.chattest import FakeClock
from chatkit.errors import Kind, ProviderError, provider_error
from chatkit.failures.classification import classified
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.log import AttemptRecord
from chatkit.retries.loop import RetriedCall, RetryLoop, drive
from chatkit.retries.wake import Wake

PATH = Path(__file__).parents[1] / "notebooks" / "data" / "week.jsonl.gz"
MONDAY = datetime(2026, 11, 9, tzinfo=UTC)


class Outage(msgspec.Struct, frozen=True):
    """A provider fails for `minutes`, starting at `begin` after Monday 00:00."""

    begin: timedelta
    minutes: float
    kind: Kind
    status: int | None = None
    hint: float | None = None
    share: float = 1.0


class Job(msgspec.Struct, frozen=True):
    """`calls` calls per day, within these hours."""

    provider: str
    models: tuple[str, ...]
    calls: int
    hours: tuple[int, int]
    seconds: float
    limit: float | None
    outages: tuple[Outage, ...]


JOBS = (
    Job(
        "anthropic", ("claude-sonnet-4-5", "claude-haiku-4-5"), 300, (8, 18), 3.0, None,
        (
            Outage(timedelta(days=1, hours=14, minutes=5), 26, "overloaded", 529),
            Outage(timedelta(days=3, hours=15, minutes=40), 9, "overloaded", 529, share=0.6),
            Outage(timedelta(days=4, hours=10, minutes=2), 3, "server_error", 500),
        ),
    ),
    Job(
        "openai", ("gpt-5-mini",), 340, (8, 18), 2.0, None,
        (
            Outage(timedelta(days=0, hours=11), 12, "rate_limit", 429, 12.0, 0.7),
            Outage(timedelta(days=3, hours=9, minutes=15), 40, "rate_limit", 429, 20.0, 0.8),
        ),
    ),
    Job(
        "openai-compat", ("llama-3.3-70b",), 180, (20, 24), 6.0, 180.0,
        (
            Outage(timedelta(days=2, hours=22), 7, "network"),
            Outage(timedelta(days=4, hours=21, minutes=30), 2, "timeout"),
        ),
    ),
)  # fmt: skip


def week() -> list[AttemptRecord]:
    """Every attempt, in the order in which they ended, and the same in every run."""
    rng = random.Random(9)
    records: list[AttemptRecord] = []
    for job in JOBS:
        for day in range(5):
            first, last = job.hours
            for number in range(job.calls):
                begin = MONDAY + timedelta(days=day, milliseconds=int(rng.uniform(first, last) * 3_600_000))
                chat = f"{job.provider}-{day + 1}-{number // 10 + 1}"
                records += one_call(job, begin, chat, rng)
    return sorted(records, key=lambda record: (record.ts + timedelta(milliseconds=record.duration_ms), record.call))


def one_call(job: Job, begin: datetime, chat: str, rng: random.Random) -> list[AttemptRecord]:
    """The attempts of one call, from the real loop."""
    clock, records = FakeClock(begin), list[AttemptRecord]()
    call = RetriedCall(operation="chat", chat=chat, provider=job.provider, model=rng.choice(job.models), step=1)
    policy = RetryPolicy(max_elapsed=job.limit)
    loop = RetryLoop(call, policy=policy, limit=policy.elapsed_limit(attended=True), clock=clock, record=records.append)

    def attempt() -> str:
        loop.opened(f"req_{rng.getrandbits(64):016x}")
        failure = trouble(job, clock.now(), rng)
        if failure is None:
            clock.advance(round(rng.lognormvariate(0, 0.5) * job.seconds, 3))
            return "done"
        kind, status, hint = failure
        clock.advance(30.0 if kind == "timeout" else round(rng.lognormvariate(0, 0.4) * 0.4, 3))
        raise provider_error(classified(kind, job.provider, status_code=status, retry_after=hint))

    with contextlib.suppress(ProviderError):  # the record contains the failure
        drive(loop, attempt, Wake())
    name = f"{rng.getrandbits(48):012x}"
    return [replace(record, call=name) for record in records]


def trouble(job: Job, now: datetime, rng: random.Random) -> tuple[Kind, int | None, float | None] | None:
    """The failure of an attempt at this moment, or None."""
    for outage in job.outages:
        if 0 <= (now - MONDAY - outage.begin).total_seconds() < outage.minutes * 60 and rng.random() < outage.share:
            return outage.kind, outage.status, outage.hint
    luck = rng.random()
    if luck < 0.004:
        return "timeout", None, None
    if luck < 0.010:
        return "network", None, None
    if luck < 0.013:
        return "context_exceeded", 400, None
    return None


def main() -> None:
    """Write the file, with the same bytes in every run."""
    os.environ["CHATKIT_RETRY_LOG"] = "off"
    lines = b"".join(msgspec.json.encode(record) + b"\n" for record in week())
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_bytes(gzip.compress(lines, mtime=0))
    print(PATH.name, len(lines.splitlines()), "lines,", PATH.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
