"""What the figures of waits, backoff, kinds and attempts draw: the numbers of the frame."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.path import Path

from chatkit.analysis.aggregates.per_call import calls
from chatkit.analysis.aggregates.summaries import backoff_curve, by_kind, summarize
from chatkit.analysis.figures.drawing import MAX_POINTS, count_axis, kind_colour
from chatkit.analysis.figures.loads import plot_load
from chatkit.analysis.figures.plots import plot_attempts, plot_backoff, plot_kinds, plot_waiting, survival
from chatkit.analysis.replay.simulation import simulate
from chatkit.errors import UsageError
from tests.analysis.attempt_rows import Row, at, frame, row
from tests.analysis.pictures import OUTAGE, POLICIES, foreign, legend, recorded


@pytest.fixture(autouse=True)
def _own_figures() -> Iterator[None]:
    with plt.style.context("default"):
        yield
    plt.close("all")


def waits(*pairs: tuple[float, int], provider: str | None = "openai") -> list[Row]:
    """A row for each pair: at this second a wait of so many milliseconds was over."""
    return [row(ts=at(second), provider=provider, waited_ms=ms, outcome="ok", attempt=2) for second, ms in pairs]


def day(second: float) -> float:
    return float(date2num(pd.Timestamp(at(second)).tz_localize(None)))


def test_waiting_grows_by_each_wait_when_it_is_over() -> None:
    ax = plot_waiting(frame(waits((10, 2000), (0, 0), (5, 1000), (20, 0))))
    (line,) = ax.lines
    assert line.get_xdata() == pytest.approx([day(0), day(5), day(10), day(20)])
    assert list(np.asarray(line.get_ydata())) == [0, 1, 3, 3]
    assert line.get_drawstyle() == "steps-post"
    assert legend(ax) == ["openai: 3 s"]
    assert ax.get_ylabel() == "waited, in all (s)"


def test_waiting_ends_with_what_was_waited_in_all() -> None:
    df = recorded(60)
    ax = plot_waiting(df)
    totals = summarize(df)["waited"].sort_values(ascending=False).dt.total_seconds()
    assert [float(np.asarray(line.get_ydata())[-1]) * 60 for line in ax.lines] == pytest.approx(list(totals))
    assert [text.split(":")[0] for text in legend(ax)] == list(totals.index)
    assert ax.get_ylabel() == "waited, in all (min)"


def test_a_wait_that_is_known_as_scheduled_alone_counts_with_its_failure() -> None:
    ax = plot_waiting(frame([row(ts=at(0), provider="openai", delay_ms=500), row(ts=at(9), provider="openai", delay_ms=1500)]))
    (line,) = ax.lines
    assert list(np.asarray(line.get_ydata()))[-2:] == [2, 2]


def test_rows_without_a_provider_have_a_line() -> None:
    ax = plot_waiting(frame([*waits((0, 1000), (1, 1000)), *waits((2, 9000), provider=None)]))
    assert legend(ax) == ["unknown provider: 9 s", "openai: 2 s"]


def test_of_many_providers_those_that_waited_longest_have_lines() -> None:
    ax = plot_waiting(frame([each for n in range(20) for each in waits((n, 1000 * (n + 1)), provider=f"p{n:02}")]))
    assert legend(ax) == ["p19: 20 s", "p18: 19 s", "p17: 18 s", "p16: 17 s", "p15: 16 s", "p14: 15 s", "14 others: 1.75 min"]


def test_the_unit_fits_the_highest_line_also_where_that_is_of_all_others() -> None:
    ax = plot_waiting(frame([each for n in range(200) for each in waits((n, 60_000), provider=f"p{n:03}")]))
    assert legend(ax)[-1] == "194 others: 3.23 h"
    assert ax.get_ylabel() == "waited, in all (h)"


def test_waiting_takes_the_keywords_of_a_line() -> None:
    ax = plot_waiting(recorded(9), color="k", label="mine", ls=":")
    assert {(line.get_color(), line.get_linestyle()) for line in ax.lines} == {("k", ":")}
    assert set(legend(ax)) == {"mine"}


@pytest.mark.parametrize(
    "style", [{"c": "k", "lw": 3}, {"markersize": 3, "marker": "s"}, {"ls": ":"}, {"linestyle": ":", "linewidth": 2}], ids=str
)
@pytest.mark.parametrize("plot", [plot_waiting, plot_attempts, plot_backoff])
def test_a_look_is_taken_by_any_name_that_matplotlib_has_for_it(plot: Callable[..., Axes], style: dict[str, Any]) -> None:
    drawn = plot(recorded(20), **style).lines[1 if plot is plot_backoff else 0]  # after the theory
    assert all(getattr(drawn, f"get_{name}")() == value for name, value in style.items())


def test_a_step_can_be_drawn_another_way() -> None:
    assert plot_waiting(recorded(9), where="pre").lines[0].get_drawstyle() == "steps-pre"
    assert plot_attempts(recorded(9), where="pre").lines[0].get_drawstyle() == "steps-pre"


def at_once(count: int) -> pd.DataFrame:
    """So many calls with one attempt each, the first of which failed."""
    return frame(
        [row(ts=at(n), call=f"c{n}", attempt=1, outcome="ok" if n else "failed", waited_ms=0, duration_ms=1) for n in range(count)]
    )


def crossed(ax: Axes) -> list[str]:
    """The lines that go below the legend."""
    ax.figure.canvas.draw()
    box = ax.get_legend()
    assert box
    found = []
    for line in ax.lines:
        x, y = ax.transData.transform(np.column_stack([line.get_xdata(orig=False), line.get_ydata(orig=False)])).T
        if line.get_drawstyle() == "steps-post":
            x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
        if Path(np.column_stack([x, y])).intersects_bbox(box.get_window_extent(), filled=False):
            found.append(str(line.get_label()))
    return found


@pytest.mark.parametrize("size", [(3.0, 2.2), (6.4, 2.4), (6.4, 4.8), (12.0, 4.0)], ids=str)
@pytest.mark.parametrize("letters", [7, 10, 14])
@pytest.mark.parametrize("plot", [plot_waiting, plot_load, plot_backoff, plot_attempts])
def test_a_legend_covers_no_line(plot: Callable[..., Axes], letters: int, size: tuple[float, float]) -> None:
    early = frame([*waits(*((n, 60_000) for n in range(60))), *waits((5000, 1)), *waits((9, 9000), provider="anthropic")])
    others = {plot_backoff: [foreign()], plot_attempts: [recorded(1), recorded(3), at_once(2), at_once(2)[1:], at_once(200)]}
    for df in [recorded(60), *others.get(plot, [early, foreign()])]:
        with plt.rc_context({"font.size": letters}):
            ax = plot(df, ax=Figure(figsize=size, layout="constrained").subplots())
            assert crossed(ax) == []


@pytest.mark.parametrize("most", [31, 250, 400, 2000, 40_000, 600_000])
def test_the_ticks_of_many_attempts_stand_apart(most: int) -> None:
    ax = Figure(figsize=(3.2, 2.4), layout="constrained").subplots()
    ax.set_xlim(1, most)
    assert count_axis(ax, most)
    ax.figure.draw_without_rendering()
    shown = [label.get_window_extent() for x, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True) if x <= most]
    assert len(shown) >= 3
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(shown))


def test_the_share_of_calls_has_no_ticks_above_all_of_them() -> None:
    for df in (recorded(1), at_once(200)):
        ax = plot_attempts(df, ax=Figure(figsize=(3.0, 2.2)).subplots())
        assert max(ax.get_yticks()) == 1


def test_what_is_hollow_is_seen_in_a_style_without_edges() -> None:
    with plt.style.context("seaborn-v0_8"):
        points = plot_backoff(foreign()).lines[1]
    assert points.get_markerfacecolor() == "none"
    assert points.get_markeredgewidth() > 0


def test_one_wait_stands_amidst_the_axes() -> None:
    low, high = plot_backoff(frame([row(ts=at(0), attempt=1, delay_ms=1000)])).get_ylim()
    assert low < 0.7
    assert high > 1.5


def test_hours_of_waiting_are_said_in_hours() -> None:
    assert plot_waiting(frame(waits((0, 0), (600, 7_200_000)))).get_ylabel() == "waited, in all (h)"


def test_low_axes_have_fewer_lines() -> None:
    df = frame([each for n in range(20) for each in waits((n, 1000 * (n + 1)), provider=f"p{n:02}")])
    ax = plot_waiting(df, ax=Figure(figsize=(5, 2)).subplots())
    assert legend(ax) == ["p19: 20 s", "p18: 19 s", "p17: 18 s", "17 others: 2.55 min"]


def test_two_records_on_one_ax_share_a_unit() -> None:
    ax = plot_waiting(frame(waits((0, 0), (600, 600_000))))
    plot_waiting(frame(waits((0, 0), (50, 30_000))), ax=ax)
    assert ax.get_ylabel() == "waited, in all (min)"
    assert float(np.asarray(ax.lines[1].get_ydata())[-1]) == 0.5


@pytest.mark.parametrize("count", [MAX_POINTS + 1, 2 * MAX_POINTS, 5 * MAX_POINTS])
def test_a_long_line_is_thinned_and_stays_true(count: int) -> None:
    rng = random.Random(count)
    seconds = sorted(rng.uniform(0, 1e5) for _ in range(count))
    steps = [(second, rng.randint(1, 60_000)) for second in seconds]
    ax = plot_waiting(frame(waits(*steps)))
    (line,) = ax.lines
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    assert len(x) <= MAX_POINTS + 2
    truth = np.concatenate([[0], np.cumsum([ms for _, ms in steps])]) / 1000
    shown = y * {"s": 1, "min": 60, "h": 3600, "d": 86400}[ax.get_ylabel().split("(")[1][:-1]]
    times = np.array([day(second) for second in seconds])
    assert shown[1:] == pytest.approx(truth[np.searchsorted(times, x[1:] + 1e-11)])
    plt.close(ax.figure)


def test_backoff_draws_the_curve() -> None:
    df = recorded(120)
    curve = backoff_curve(df)
    ax = plot_backoff(df)
    theory, *others = ax.lines
    assert list(np.asarray(theory.get_ydata())) == list(curve.drop_duplicates("attempt")["theory"].dt.total_seconds())
    for hinted, color in ((False, "#0072b2"), (True, "#d55e00")):
        part = curve[curve["hinted"] == hinted]
        (points,) = [line for line in others if to_hex(line.get_color()) == color and line.get_marker() in "oD"]
        assert np.round(np.asarray(points.get_xdata(), dtype=float)).tolist() == part["attempt"].tolist()
        assert np.asarray(points.get_ydata()) == pytest.approx(part["actual"].dt.total_seconds())
    counts = curve.groupby("hinted")["measured"].sum()
    assert legend(ax) == ["theory: 1, 2, 4 … 60 s", f"no hint ({counts[False]})", f"server's hint ({counts[True]})"]
    assert ax.get_yscale() == "log"


def test_bars_of_full_jitter_end_within_the_axes() -> None:
    df = simulate(OUTAGE, POLICIES["full jitter"], clients=500)
    lowest = backoff_curve(df)["actual_p05"].min().total_seconds()
    assert plot_backoff(df).get_ylim()[0] < lowest


def test_a_bar_that_reaches_down_to_nothing_is_cut_off() -> None:
    rows = [
        row(ts=at(9 * c), call=f"c{c}", attempt=n, outcome="retry" if n == 1 else "ok", waited_ms=0 if n == 1 or c < 5 else 1000)
        for c in range(20)
        for n in (1, 2)
    ]
    assert 0.01 < plot_backoff(frame(rows)).get_ylim()[0] < 0.05


def test_bars_of_the_backoff_reach_from_p5_to_p95() -> None:
    curve = backoff_curve(recorded(120))
    ax = plot_backoff(recorded(120))
    ends = [path.vertices[:, 1] for collection in ax.collections for path in collection.get_paths()]
    expected = curve.sort_values(["hinted", "attempt"])[["actual_p05", "actual_p95"]].apply(lambda column: column.dt.total_seconds())
    assert np.array(ends, dtype=float) == pytest.approx(expected.to_numpy())


def test_waits_known_as_scheduled_alone_are_drawn_hollow() -> None:
    ax = plot_backoff(foreign())
    assert legend(ax) == ["theory: 1, 2, 4 … 60 s", "no hint, as scheduled (30)"]
    assert ax.lines[1].get_markerfacecolor() == "none"
    assert np.asarray(ax.lines[1].get_ydata()) == pytest.approx(backoff_curve(foreign())["scheduled"].dt.total_seconds())


def test_a_wait_of_nothing_has_no_place_on_a_logarithmic_axis() -> None:
    skipped = [row(ts=at(0), call="a", attempt=1, outcome="retry", delay_ms=1000, waited_ms=0, duration_ms=1)]
    skipped.append(row(ts=at(1), call="a", attempt=2, outcome="ok", waited_ms=0, duration_ms=1))
    ax = plot_backoff(frame(skipped))
    assert ax.get_ylim()[0] > 0.5


def test_many_attempts_are_drawn_as_a_band_on_a_logarithmic_axis() -> None:
    rows = [
        row(ts=at(60 * (n + c)), call=f"c{c}", attempt=n, outcome="retry" if n < 299 else "ok", waited_ms=60_000 * (n > 1), duration_ms=10)
        for n in range(1, 300)
        for c in range(3)
    ]
    ax = plot_backoff(frame(rows))
    assert ax.get_xscale() == "log"
    assert len(ax.collections) == 1
    assert len(ax.lines) == 2


def test_a_call_of_thousands_of_failures_is_drawn_with_few_points() -> None:
    rows = [row(ts=at(60 * n), call="a", attempt=n, outcome="retry", waited_ms=60_000 * (n > 1), duration_ms=10) for n in range(1, 3000)]
    ax = plot_backoff(frame(rows))
    assert max(len(line.get_xdata()) for line in ax.lines) <= MAX_POINTS
    assert legend(ax) == ["theory: 1, 2, 4 … 60 s", "no hint (2,998)"]


def test_backoff_takes_the_keywords_of_points() -> None:
    ax = plot_backoff(recorded(30), color="k", label="mine")
    assert legend(ax)[1:] == ["mine"] * (len(legend(ax)) - 1)
    ax = plot_backoff(foreign(), color="k", label="mine")
    assert legend(ax)[1:] == ["mine"]
    assert ax.lines[1].get_color() == "k"


def test_kinds_draw_a_bar_a_kind_the_most_frequent_on_top() -> None:
    kinds = by_kind(recorded(60))
    ax = plot_kinds(recorded(60))
    assert [bar.get_width() for bar in ax.patches] == kinds["attempts"].tolist()
    assert [to_hex(bar.get_facecolor()) for bar in ax.patches] == [kind_colour(kind).lower() for kind in kinds.index]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(kinds.index)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_kinds_say_count_share_and_time() -> None:
    rows = [row(ts=at(n), kind="overloaded", delay_ms=30_000) for n in range(3)] + [row(ts=at(9), kind=None)]
    ax = plot_kinds(frame(rows))
    assert [text.get_text() for text in ax.texts] == ["3 (75%), 1.5 min", "1 (25%)"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["overloaded", "not said"]
    assert ax.get_xlabel() == "failed attempts (share), time waited"


def test_of_many_kinds_the_rest_is_one_bar() -> None:
    ax = plot_kinds(frame([row(ts=at(n), kind=f"kind {n % 40}") for n in range(400)]))
    assert len(ax.patches) == 11
    assert ax.texts[-1].get_text() == "300 (75%)"
    assert ax.get_yticklabels()[-1].get_text() == "30 others"


@pytest.mark.parametrize("inches", [4.0, 6.4, 12.0])
@pytest.mark.parametrize("count", [3, 12_345])
def test_the_words_beside_a_bar_end_within_the_axes(inches: float, count: int) -> None:
    figure, ax = plt.subplots(figsize=(inches, 3), layout="constrained")
    plot_kinds(pd.concat([frame([row(ts=at(0), kind="rate_limit", delay_ms=86_400)])] * count), ax=ax)
    figure.canvas.draw()
    (text,) = ax.texts
    assert text.get_window_extent().x1 <= ax.bbox.x1


def test_kinds_take_the_keywords_of_bars() -> None:
    ax = plot_kinds(recorded(20), color="k", height=0.3)
    assert {(to_hex(bar.get_facecolor()), round(bar.get_height(), 3)) for bar in ax.patches} == {("#000000", 0.3)}


def naive_survival(table: pd.DataFrame, attempts: int) -> float:
    known = [(n, o) for n, o in zip(table["attempts"], table["outcome"], strict=True) if o in ("ok", "failed", "abandoned")]
    share = 1.0
    for number in range(1, attempts + 1):
        tried = [o for n, o in known if o == "failed" or n > number or (n == number and o == "ok")]
        won = [o for n, o in known if n == number and o == "ok"]
        share *= 1 - len(won) / len(tried) if tried else 1
    return share


def test_attempts_draw_the_share_that_has_no_success_yet() -> None:
    table = calls(recorded(120))
    ax = plot_attempts(recorded(120))
    (line,) = ax.lines
    for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True):
        assert y == pytest.approx(naive_survival(table, int(x)))
    known = table["outcome"].notna().sum()
    never = naive_survival(table, table["attempts"].max())
    assert legend(ax) == [f"{known} calls, {never:.0%} never succeed (est.)"]


def test_attempts_by_a_column_have_a_line_for_each_value() -> None:
    ax = plot_attempts(recorded(120), by="provider")
    known = calls(recorded(120)).query("outcome.notna()")["provider"].value_counts()
    assert [int(text.split(": ")[1].split()[0]) for text in legend(ax)] == known.tolist()
    with pytest.raises(UsageError, match="'color'"):
        plot_attempts(recorded(9), by="color")


def test_one_call_is_a_call() -> None:
    ax = plot_attempts(frame([row(ts=at(0), call="a", attempt=1, outcome="ok", waited_ms=0, duration_ms=1)]))
    assert legend(ax) == ["1 call, all succeeded"]


def test_a_call_counts_until_it_was_abandoned_and_one_without_an_end_not_at_all() -> None:
    rows = [
        row(ts=at(0), call=outcome or "open", attempt=1, outcome=outcome, waited_ms=0, duration_ms=1)
        for outcome in ("ok", "abandoned", "retry", None)
    ]
    assert legend(plot_attempts(frame(rows))) == ["2 calls, all succeed (est.)"]
    ax = plot_attempts(frame(rows[1:]))
    assert [text.get_text() for text in ax.texts] == ["no call with a known end recorded"]


def test_small_shares_are_drawn_on_a_logarithmic_axis() -> None:
    ax = plot_attempts(at_once(200))
    ax.figure.draw_without_rendering()
    assert ax.get_yscale() == "log"
    assert {"1%", "10%", "100%"} <= {label.get_text() for label in ax.get_yticklabels()}
    assert legend(ax) == ["200 calls, 0.5% never succeeded"]


def test_a_call_of_a_thousand_attempts_is_drawn_with_few_points() -> None:
    rows = [row(ts=at(n), call="a", attempt=n, outcome="retry" if n < 2000 else "ok", waited_ms=0, duration_ms=1) for n in range(1, 2001)]
    ax = plot_attempts(frame(rows))
    (line,) = ax.lines
    assert len(line.get_xdata()) <= MAX_POINTS
    assert ax.get_xscale() == "log"
    assert list(line.get_ydata())[-1] == 0


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1))
def test_survival_falls_to_the_share_that_never_succeeded(pairs: list[tuple[int, bool]]) -> None:
    took, won = np.array([n for n, _ in pairs]), np.array([w for _, w in pairs])
    share = survival(took, won, np.zeros(len(took), bool), int(took.max()))
    assert share[0] == 1
    assert np.all(np.diff(share) <= 0)
    assert share[-1] == pytest.approx(1 - won.mean())
