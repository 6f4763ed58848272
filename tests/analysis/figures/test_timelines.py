"""What the timeline draws: lanes, bars, waits, ends, and which calls of many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.dates import date2num

from chatkit.analysis.aggregates.per_call import calls
from chatkit.analysis.figures.drawing import GREY, OK, kind_colour
from chatkit.analysis.figures.timelines import plot_timeline
from chatkit.errors import UsageError
from tests.analysis.attempt_rows import Row, at, frame, row
from tests.analysis.pictures import foreign, legend, recorded

Bar = tuple[float, float, float, str]
"""Lane, start and end, and colour."""


@pytest.fixture(autouse=True)
def _own_figures() -> Iterator[None]:
    with plt.style.context("default"):
        yield
    plt.close("all")


def drawn(ax: Axes) -> tuple[list[Bar], list[Bar]]:
    """The waits and the attempts, in seconds from the start of the hour where the axis has times."""
    groups: list[list[Bar]] = []
    for collection in ax.collections:
        assert isinstance(collection, PolyCollection)
        bars = []
        for path, color in zip(collection.get_paths(), collection.get_facecolor(), strict=True):
            (x0, y0), (x1, y1) = path.vertices[:4].min(axis=0), path.vertices[:4].max(axis=0)
            bars.append((round((y0 + y1) / 2, 3), seconds(ax, x0), seconds(ax, x1), to_hex(color[:3])))
        groups.append(sorted(bars))
    waits, attempts = groups
    return waits, attempts


def seconds(ax: Axes, x: float) -> float:
    label = ax.get_xlabel()
    if label == "time (UTC)":
        return round((x - float(date2num(np.datetime64("2026-11-20T09:00")))) * 86400, 3)
    return round(x * {"s": 1, "min": 60, "h": 3600}[label.split("(")[1][:-1]], 3)


def colour(kind: str | None) -> str:
    return to_hex(OK if kind is None else kind_colour(kind))


def call(name: str, start: float, *, end: str = "ok", **fields: Any) -> list[Row]:
    """Two seconds of failure, four of waiting, three of another attempt."""
    first = row(
        ts=at(start), call=name, attempt=1, waited_ms=0, duration_ms=2000, outcome="retry", delay_ms=3900, kind="overloaded", **fields
    )
    return [first, row(ts=at(start + 6), call=name, attempt=2, waited_ms=4000, duration_ms=3000, outcome=end, **fields)]


def test_attempts_and_waits_are_bars_in_the_lane_of_their_call() -> None:
    waits, attempts = drawn(plot_timeline(frame(call("a", 0) + call("b", 5))))
    assert waits == [(0, 2, 6, colour("overloaded")), (1, 7, 11, colour("overloaded"))]
    assert attempts == [
        (0, 0, 2, colour("overloaded")),
        (0, 6, 9, colour(None)),
        (1, 5, 7, colour("overloaded")),
        (1, 11, 14, colour(None)),
    ]


def test_lanes_go_down_in_the_order_of_the_start() -> None:
    ax = plot_timeline(frame(call("late", 50) + call("early", 0) + call("between", 20)))
    assert [lane for lane, *_ in sorted(drawn(ax)[0], key=lambda bar: bar[1])] == [0, 1, 2]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_an_abandoned_attempt_is_no_failure() -> None:
    _, attempts = drawn(plot_timeline(frame(call("a", 0, end="abandoned"))))
    assert attempts[1] == (0, 6, 9, to_hex(GREY))


def test_a_log_that_begins_amidst_a_call_has_a_wait_of_unknown_cause() -> None:
    waits, _ = drawn(plot_timeline(frame([row(ts=at(60), call="a", attempt=3, waited_ms=4000, duration_ms=1000, outcome="ok")])))
    assert waits == [(0, 56, 60, to_hex(GREY))]


def test_a_wait_that_is_known_as_scheduled_alone_follows_its_failure() -> None:
    waits, attempts = drawn(plot_timeline(frame([row(ts=at(1), call="a", attempt=1, delay_ms=500, kind="timeout")])))
    assert attempts == [(0, 1, 1, colour("timeout"))]
    assert waits == [(0, 1, 1.5, colour("timeout"))]


@pytest.mark.parametrize(
    ("end", "marker", "label"),
    [
        ("ok", "o", "call ok"),
        ("failed", "X", "call failed"),
        ("abandoned", "s", "call abandoned"),
        ("retry", ">", "end not recorded"),
        (None, ">", "end not recorded"),
    ],
)
def test_the_outcome_is_marked_by_shape_at_the_end(end: str, marker: str, label: str) -> None:
    ax = plot_timeline(frame(call("a", 0, end=end) + call("b", 5, end=end)))
    (marks,) = ax.lines
    assert marks.get_marker() == marker
    assert list(np.asarray(marks.get_ydata())) == [0, 1]
    assert [seconds(ax, x) for x in np.asarray(marks.get_xdata())] == pytest.approx([9, 14], abs=0.5)
    assert label in legend(ax)


def test_hollow_marks_are_seen_in_a_style_without_edges() -> None:
    with plt.style.context("seaborn-v0_8"):
        (mark,) = plot_timeline(frame(call("a", 0, end="abandoned"))).lines
    assert mark.get_markerfacecolor() == "none"
    assert mark.get_markeredgewidth() > 0


def test_the_legend_has_what_is_drawn_and_no_more() -> None:
    assert legend(plot_timeline(frame(call("a", 0)))) == ["overloaded", "attempt ok", "wait", "call ok"]
    fine = row(ts=at(0), call="a", attempt=1, waited_ms=0, duration_ms=1000, outcome="ok")
    assert legend(plot_timeline(frame([fine]))) == ["attempt ok", "call ok"]
    assert legend(plot_timeline(foreign())) == ["rate_limit", "overloaded", "wait"]


def test_of_many_calls_those_are_drawn_that_waited_longest() -> None:
    df = recorded(300, apart=60.0)
    ax = plot_timeline(df, lanes=25)
    assert ax.get_title() == "25 of 300 calls: those that waited longest"
    longest = calls(df)["waited"].sort_values(ascending=False).head(25)
    drawn_waits, _ = drawn(ax)
    assert len({lane for lane, *_ in drawn_waits}) == 25
    assert sum(end - start for _, start, end, _ in drawn_waits) == pytest.approx(longest.dt.total_seconds().sum(), abs=1)


def test_of_many_calls_that_never_waited_the_first_are_drawn() -> None:
    rows = [row(ts=at(n), call=f"c{n:03}", attempt=1, waited_ms=0, duration_ms=500, outcome="ok") for n in range(60)]
    ax = plot_timeline(frame(rows), lanes=5)
    assert ax.get_title() == "5 of 60 calls: the first"
    assert max(end for _, _, end, _ in drawn(ax)[1]) == 4.5


def test_few_calls_have_no_title() -> None:
    assert plot_timeline(recorded(9)).get_title() == ""


def test_calls_that_are_short_for_their_day_are_aligned_at_their_start() -> None:
    ax = plot_timeline(frame(call("a", 0) + call("b", 86_400) + call("c", 4000)))
    assert ax.get_xlabel() == "time since the call began (s)"
    waits, _ = drawn(ax)
    assert [(start, end) for _, start, end, _ in waits] == [(2, 6)] * 3


def test_lanes_are_named_by_what_tells_them_apart() -> None:
    def names(rows: list[Row]) -> list[str]:
        return [label.get_text() for label in plot_timeline(frame(rows)).get_yticklabels()]

    assert names(call("a", 0, model="m1") + call("b", 5, model="m2")) == ["m1", "m2"]
    assert names(call("a", 0, model="m1", step=1) + call("b", 5, model="m2", step=2)) == ["m1 step 1", "m2 step 2"]
    assert names(call("a", 0, provider="p") + call("b", 5, provider="q")) == ["p", "q"]
    assert names(call("a", 0) + call("b", 5)) == ["09:00:00", "09:00:05"]
    assert names(call("a", 0, model="m1") + call("b", 86_400, model="m2")) == ["Nov 20 09:00 m1", "Nov 21 09:00 m2"]
    assert names(call("a", 0, model="m1") + call("b", 5, model=None)) == ["m1", "unknown"]


def test_many_lanes_have_no_names() -> None:
    assert len(plot_timeline(recorded(40)).get_yticks()) == 0


def test_the_legend_stands_above_the_lanes() -> None:
    figure, ax = plt.subplots(layout="constrained")
    plot_timeline(recorded(40), ax=ax)
    figure.canvas.draw()
    box = ax.get_legend()
    assert box
    assert box.get_window_extent().y0 >= ax.transData.transform((0, -0.4))[1]
    assert box.get_window_extent().x1 <= ax.bbox.x1


@pytest.mark.parametrize("inches", [(6.4, 4.8), (4.0, 3.0), (12.0, 5.0)])
def test_the_legend_stays_within_the_axes(inches: tuple[float, float]) -> None:
    figure, ax = plt.subplots(figsize=inches, layout="constrained")
    plot_timeline(recorded(9), ax=ax)
    figure.canvas.draw()
    box = ax.get_legend()
    assert box
    assert box.get_window_extent().x1 <= ax.bbox.x1 + 1
    assert box.get_window_extent().y0 >= ax.transData.transform((0, -0.4))[1] or inches == (4.0, 3.0)


def test_lines_of_no_call_have_a_lane_a_provider() -> None:
    rows = [row(ts=at(0), provider="p", kind="timeout", delay_ms=2000), row(ts=at(9), provider="q"), row(ts=at(12), provider="q")]
    ax = plot_timeline(frame(rows))
    waits, attempts = drawn(ax)
    assert attempts == [(0, 9, 9, to_hex(GREY)), (0, 12, 12, to_hex(GREY)), (1, 0, 0, colour("timeout"))]
    assert waits == [(1, 0, 2, colour("timeout"))]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["q", "p"]
    assert ax.get_title() == "3 failed attempts, which the log gives to no call"


def test_of_many_providers_the_last_lane_has_the_rest() -> None:
    rows = [row(ts=at(n), provider=f"p{n:02}") for n in range(30)]
    ax = plot_timeline(frame(rows))
    assert [label.get_text() for label in ax.get_yticklabels()][-1] == "19 others"
    assert len(ax.get_yticks()) == 12


def test_rows_of_no_call_among_calls_are_counted_in_the_title() -> None:
    ax = plot_timeline(frame([*call("a", 0), row(ts=at(3)), row(ts=at(4))]))
    assert ax.get_title() == "2 attempts of no call left out"


def test_bars_that_fall_on_one_place_are_drawn_once() -> None:
    rows = [row(ts=at(n / 1000), provider="p", kind="timeout") for n in range(20_000)] + [row(ts=at(10_000), provider="p")]
    _, attempts = drawn(plot_timeline(frame(rows)))
    assert len(attempts) < 10


def test_kinds_of_one_colour_that_fall_on_one_place_are_drawn_once() -> None:
    rows = [row(ts=at(n / 1000), provider="p", kind=f"kind {n}") for n in range(2000)] + [row(ts=at(10_000), provider="p")]
    _, attempts = drawn(plot_timeline(frame(rows)))
    assert len(attempts) < 10


@pytest.mark.parametrize("lanes", [0, -1, 2.5, "all", None])
def test_lanes_are_a_number_of_one_or_more(lanes: Any) -> None:
    with pytest.raises(UsageError, match="give 1 or more"):
        plot_timeline(recorded(3), lanes=lanes)
