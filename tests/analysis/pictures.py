"""``python -m tests.analysis.pictures``: draw the stored pictures anew. The frames are fixed; the tests of the figures use them as well.

Another FreeType writes letters a little otherwise. So the axes stand in fixed places, and `difference` looks past the letters.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text
from PIL import Image, ImageChops, ImageFilter

from chatkit import RetryPolicy, delay
from chatkit.analysis.figures.dashboards import dashboard
from chatkit.analysis.figures.loads import plot_load, plot_policies
from chatkit.analysis.figures.plots import plot_attempts, plot_backoff, plot_kinds, plot_waiting
from chatkit.analysis.figures.timelines import plot_timeline
from chatkit.analysis.replay.simulation import compare_policies, simulate
from tests.analysis.attempt_rows import Row, at, frame, row

FOLDER = Path(__file__).parent / "stored_pictures"
DPI = 64
TOLERANCE = 13.0
"""The root of the mean square of the differences, of 255."""
AROUND = 15
"""Pixels: so far around a letter nothing is compared."""
KINDS = ("overloaded", "rate_limit", "server_error", "network", "timeout")
OUTAGE = pd.DataFrame({"started": [0], "ended": [90], "kind": ["overloaded"]})
POLICIES = {
    "deterministic": RetryPolicy(),
    "equal jitter": RetryPolicy(jitter="equal"),
    "full jitter": RetryPolicy(jitter="full"),
    "at most 7": RetryPolicy(max_attempts=7),
}


def recorded(count: int, seed: int = 0, apart: float = 7.0) -> pd.DataFrame:
    """A record of so many calls that begin so many seconds apart; seeded."""
    rng = random.Random(seed)
    return frame([each for number in range(count) for each in _call(rng, number, apart * number)])


def _call(rng: random.Random, number: int, start: float) -> list[Row]:
    failures = rng.choice([0, 1, 1, 2, 3, 4, 6, 8])
    kind, who = rng.choice(KINDS), rng.choice(["anthropic", "openai", "openai-compat"])
    end = rng.choice(["ok", "ok", "ok", "ok", "failed", "abandoned"])
    rows, now, waited = [], start, 0
    for attempt in range(1, failures + 2):
        last = attempt > failures
        hint = rng.choice([None, 5000, 20_000]) if kind == "rate_limit" and not last else None
        wait = max(round(delay(attempt - 1) * 1000), hint or 0)
        took = rng.randint(200, 2500)
        known: dict[str, Any] = {"provider": who, "model": f"{who}-model", "operation": "chat", "step": number % 3 + 1, "v": 1}
        known |= {"ts": at(now), "call": f"call-{number}", "attempt": attempt, "waited_ms": waited, "duration_ms": took}
        known |= {"outcome": end if last else "retry", "delay_ms": None if last else wait, "hint_ms": hint}
        known |= {"kind": None if last and end != "failed" else "auth" if last else kind}
        rows.append(row(**known))
        waited = wait + rng.randint(0, 30)
        now += (took + waited) / 1000
    return rows


def foreign(count: int = 30, seed: int = 0) -> pd.DataFrame:
    """A log of another library: failed attempts alone, of no call; seeded."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        attempt = number % 4 + 1
        wait = round(500 * 2 ** (attempt - 1) * rng.uniform(0.75, 1))
        known = {"ts": at(number * 6 + rng.random()), "attempt": attempt, "delay_ms": wait, "kind": rng.choice(KINDS[:2])}
        rows.append(row(provider=rng.choice(["openai", "anthropic"]), **known))
    return frame(rows)


def legend(ax: Axes) -> list[str]:
    """What a legend says; nothing where there is none."""
    box = ax.get_legend()
    return [text.get_text() for text in box.get_texts()] if box else []


def _of(plot: Callable[..., Any], data: Callable[[], pd.DataFrame], **options: Any) -> Callable[[], Figure]:
    return lambda: plot(data(), ax=_axes(), **options).figure


def _axes() -> Any:
    """Axes whose place doesn't depend on how wide a machine's letters are."""
    figure = Figure()
    figure.subplots_adjust(left=0.3, right=0.96, bottom=0.15, top=0.9)
    return figure.subplots()


def _page(df: pd.DataFrame, **options: Any) -> Figure:
    """A dashboard, its panels in fixed places as well."""
    figure = dashboard(df, **options)
    figure.set_layout_engine(None)
    figure.subplots_adjust(left=0.13, right=0.98, bottom=0.08, top=0.88, wspace=0.3, hspace=0.5)
    return figure


def _loads() -> Figure:
    ax = _axes()
    for name in ("deterministic", "full jitter"):
        plot_load(simulate(OUTAGE, POLICIES[name], clients=200, spread=10.0), ax=ax, label=name)
    return ax.figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "waiting": _of(plot_waiting, lambda: recorded(40)),
    "backoff": _of(plot_backoff, lambda: recorded(120)),
    "backoff_as_scheduled": _of(plot_backoff, lambda: foreign()),
    "kinds": _of(plot_kinds, lambda: recorded(40)),
    "attempts": _of(plot_attempts, lambda: recorded(120)),
    "attempts_by_provider": _of(plot_attempts, lambda: recorded(120), by="provider"),
    "load": _of(plot_load, lambda: recorded(120, apart=2.0)),
    "loads": _loads,
    "policies": lambda: plot_policies(compare_policies(OUTAGE, POLICIES, clients=200, spread=10.0), ax=_axes()).figure,
    "timeline": _of(plot_timeline, lambda: recorded(9)),
    "timeline_of_one": _of(plot_timeline, lambda: recorded(3).query("call == 'call-2'")),
    "timeline_of_many": _of(plot_timeline, lambda: recorded(300, apart=60.0)),
    "timeline_without_calls": _of(plot_timeline, lambda: foreign()),
    "dashboard": lambda: _page(recorded(60), title="A morning"),
    "empty": lambda: _page(recorded(0)),
}
DARK = ("dashboard", "policies")
"""Pictures that are stored in a dark style as well."""
NAMES = [*PICTURES, *(f"{name}_dark" for name in DARK)]


def draw(name: str, path: Path, *, wordless: bool = False) -> None:
    """Draw one of the pictures, in 256 colours: a small file."""
    with plt.style.context("default" if name in PICTURES else ["default", "dark_background"]):
        figure = PICTURES[name.removesuffix("_dark")]()
        if wordless:
            figure.draw_without_rendering()  # makes all ticks
            for text in figure.findobj(Text):
                text.set_alpha(0)  # it keeps its place
        figure.savefig(path, dpi=DPI)
    Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)


def difference(stored: str, drawn: str, scratch: Path) -> str | None:
    """What matplotlib says of a picture that differs from a stored one by more than the tolerance; None where it doesn't."""
    draw(drawn, scratch / "drawn.png")
    draw(drawn, scratch / "wordless.png", wordless=True)
    found, wordless, kept = (
        Image.open(path).convert("RGB") for path in (scratch / "drawn.png", scratch / "wordless.png", FOLDER / f"{stored}.png")
    )
    letters = ImageChops.difference(found, wordless).convert("L").point(lambda grey: 255 * (grey > 8)).filter(ImageFilter.MaxFilter(AROUND))
    for picture, name in ((kept, "stored"), (found, "drawn")):
        picture.paste((128, 128, 128), mask=letters)
        picture.save(scratch / f"{name}.png")
    return compare_images(str(scratch / "stored.png"), str(scratch / "drawn.png"), TOLERANCE)


def main(names: list[str]) -> None:
    """Draw the pictures of these names; all of them unless there are any."""
    for name in names or NAMES:
        draw(name, FOLDER / f"{name}.png")
        print(f"{name}.png", f"{(FOLDER / f'{name}.png').stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
