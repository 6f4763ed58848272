"""What the figures of load and policies draw."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.text import Text

from chatkit.analysis.aggregates.over_time import load_over_time
from chatkit.analysis.figures.loads import MAX_BINS, MAX_GIVEN_BINS, plot_load, plot_policies
from chatkit.analysis.replay.simulation import compare_policies
from chatkit.errors import UsageError
from tests.analysis.attempt_rows import at, frame, row
from tests.analysis.pictures import OUTAGE, POLICIES, legend, recorded


@pytest.fixture(autouse=True)
def _own_figures() -> Iterator[None]:
    with plt.style.context("default"):
        yield
    plt.close("all")


def compared(lost: list[float | None], peak: list[int], gave_up: list[int] | None = None, names: list[str] | None = None) -> pd.DataFrame:
    times = pd.to_timedelta(pd.Series(lost, dtype="float64"), unit="s").to_numpy()
    names = names or [f"policy {n}" for n in range(len(lost))]
    return pd.DataFrame(
        {"lost_p50": times, "lost_p95": times * 1.5, "peak_load": peak, "calls": 100, "gave_up": gave_up or 0},
        index=pd.Index(names, name="policy"),
    )


def test_load_draws_requests_per_second_of_every_bin() -> None:
    df = recorded(40, apart=1.0)
    load = load_over_time(df, "5s")
    ax = plot_load(df, every="5s")
    (line,) = ax.lines
    assert np.asarray(line.get_ydata())[:-1] == pytest.approx(load["requests"].to_numpy(dtype=float) / 5)
    assert np.asarray(line.get_ydata())[-1] == 0
    assert ax.get_ylabel() == "requests per second"
    assert ax.get_xlabel() == "time (UTC), by 5 s"


def test_the_failed_part_is_filled_darker() -> None:
    df = recorded(40, apart=1.0)
    ax = plot_load(df, every="5s")
    whole, failed = ax.collections
    assert failed.get_alpha() > whole.get_alpha()
    tops = [float(collection.get_paths()[0].vertices[:, 1].max()) for collection in (whole, failed)]
    load = load_over_time(df, "5s")
    assert tops == pytest.approx([load["requests"].max() / 5, load["failed"].max() / 5])
    assert legend(ax) == ["requests", "failed"]


@pytest.mark.parametrize(
    ("every", "said"), [("1min", "1 min"), (30, "30 s"), (0.5, "500 ms"), (timedelta(minutes=2), "2 min"), (None, "2 s")]
)
def test_bins_can_be_given(every: Any, said: str) -> None:
    assert plot_load(recorded(60), every=every).get_xlabel().split(": ")[0] == f"time (UTC), by {said}"


@pytest.mark.parametrize("every", ["often", 0, -1, "0s", [1], float("nan"), pd.NaT])
def test_bins_of_no_length_are_a_usage_error(every: Any) -> None:
    with pytest.raises(UsageError, match="give a length of time"):
        plot_load(recorded(5), every=every)


def test_too_many_bins_are_a_usage_error_that_says_which_would_do() -> None:
    df = frame([row(ts=at(0)), row(ts=at(2 * MAX_GIVEN_BINS))])
    with pytest.raises(UsageError, match=r"more than 10,000 bins: give at least 60 s"):
        plot_load(df, every="1s")
    assert plot_load(df, every="60s").lines


def test_of_very_many_bins_the_highest_are_drawn() -> None:
    df = frame([row(ts=at(7 * n), outcome="ok") for n in range(900)] + [row(ts=at(3000.5), outcome="failed")] * 50)
    load = load_over_time(df, "1s")
    ax = plot_load(df, every="1s")
    (line,) = ax.lines
    assert len(line.get_xdata()) <= MAX_BINS + 1 < len(load)
    tops = [float(collection.get_paths()[0].vertices[:, 1].max()) for collection in ax.collections]
    assert tops == [load["requests"].max(), load["failed"].max()]
    few = -(-len(load) // MAX_BINS)
    assert ax.get_xlabel() == f"time (UTC), by 1 s: the highest of each {few} s"


@given(st.floats(0, 3e9))
def test_bins_are_few_whatever_the_span(length: float) -> None:
    ax = plot_load(frame([row(ts=at(0)), row(ts=at(length))]))
    assert len(np.asarray(ax.lines[0].get_ydata())) <= MAX_BINS + 1
    plt.close(ax.figure)


@pytest.mark.parametrize(("apart", "unit"), [(0.5, "second"), (20, "minute"), (1200, "hour"), (50_000, "day")])
def test_the_unit_fits_the_rate(apart: float, unit: str) -> None:
    df = frame([row(ts=at(n * apart)) for n in range(1000)])
    assert plot_load(df).get_ylabel() == f"requests per {unit}"


def test_a_second_load_keeps_the_unit_and_takes_another_colour() -> None:
    ax = plot_load(frame([row(ts=at(n * 20)) for n in range(1000)]), label="slow")
    plot_load(frame([row(ts=at(n)) for n in range(1000)]), ax=ax, label="fast")
    assert ax.get_ylabel() == "requests per minute"
    slow, fast = ax.lines
    assert np.asarray(fast.get_ydata()).max() == pytest.approx(60)
    assert slow.get_color() != fast.get_color()
    assert legend(ax) == ["slow", "fast", "slow: failed", "fast: failed"]
    assert ax.get_ylim()[1] > 60


def test_the_label_of_another_figure_is_no_unit() -> None:
    ax = plt.subplots()[1]
    ax.plot([0, 1])
    ax.set_ylabel("tokens")
    assert plot_load(frame([row(ts=at(n)) for n in range(100)]), ax=ax).get_ylabel() == "requests per second"


def test_load_takes_a_colour() -> None:
    assert plot_load(recorded(9), color="k").lines[0].get_color() == "k"


def test_policies_are_points_of_time_lost_and_peak_load() -> None:
    table = compare_policies(OUTAGE, POLICIES, clients=50, spread=10.0)
    ax = plot_policies(table)
    points = [line for line in ax.lines if line.get_marker() == "o"]
    shown = table[table["lost_p50"].notna()]
    assert [float(np.asarray(p.get_xdata())[0]) for p in points] == pytest.approx(list(shown["lost_p50"].dt.total_seconds()))
    assert [float(np.asarray(p.get_ydata())[0]) for p in points] == list(shown["peak_load"])
    assert len({to_hex(p.get_color()) for p in points}) == len(points)
    assert ax.get_xlabel() == "time lost by a delayed call: median, line to p95 (s)"
    assert ax.get_ylabel() == "peak load (requests per second)"
    assert "at most 7 (gave up 100%)" in ax.get_title()


def test_a_policy_is_named_with_what_it_gave_up_and_the_better_corner_is_said() -> None:
    ax = plot_policies(compared([10, 20], [5, 6], [0, 25]))
    assert [text.get_text() for text in ax.texts] == ["better", "policy 0", "policy 1 (gave up 25%)"]


def test_lines_reach_from_the_median_to_p95() -> None:
    ax = plot_policies(compared([10, 20], [5, 6]))
    assert [list(np.asarray(line.get_xdata())) for line in ax.lines if line.get_marker() != "o"] == [[10, 15], [20, 30]]


@pytest.mark.parametrize(("peak", "scale"), [([90, 100], "linear"), ([10, 1000], "log"), ([0, 1000], "linear")])
def test_loads_far_apart_are_drawn_on_a_logarithmic_axis(peak: list[int], scale: str) -> None:
    assert plot_policies(compared([1, 2], peak)).get_yscale() == scale


def test_nothing_to_compare_is_said() -> None:
    assert plot_policies(compared([], [])).texts[0].get_text() == "no policies compared"
    assert plot_policies(compared([None], [3], [100], ["a"])).texts[0].get_text() == "no delayed call succeeded:\na (gave up 100%)"


def test_times_far_apart_are_drawn_on_a_logarithmic_axis() -> None:
    ax = plot_policies(compared([1, 1300], [2, 3]))
    ax.figure.draw_without_rendering()
    assert ax.get_xscale() == "log"
    assert {"1 s", "10 s", "1 min", "10 min"} <= {label.get_text() for label in ax.get_xticklabels()}
    assert ax.get_xlim()[0] < 1
    assert ax.get_xlim()[1] > 1950


def test_points_take_their_looks_by_any_name() -> None:
    ax = plot_policies(compared([10, 20], [5, 6]), c="k", markersize=3)
    assert {(p.get_color(), p.get_markersize()) for p in ax.lines if p.get_marker() == "o"} == {("k", 3)}


@pytest.mark.parametrize("inches", [4.0, 6.4, 12.0])
def test_policies_that_gave_up_every_call_are_named_within_the_figure(inches: float) -> None:
    names = ["kept trying", *(f"at most {n} attempts" for n in range(1, 10))]
    figure = plt.figure(figsize=(inches, 4), layout="constrained")
    ax = plot_policies(compared([10, *[None] * 9], [3] * 10, [0, *[100] * 9], names), ax=figure.subplots())
    figure.canvas.draw()
    box = ax.title.get_window_extent()
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert box.y1 <= figure.bbox.y1
    said = ax.get_title().replace("\n", " ")
    assert said.startswith("no delayed call succeeded: at most 1 attempts (gave up 100%), at most 2")
    assert said.endswith("and 3 more")
    assert not any(line.endswith("(gave") for line in ax.get_title().split("\n"))


def test_where_no_call_was_delayed_that_is_said() -> None:
    ax = plot_policies(compared([None, None], [0, 0], [0, 100], ["idle", "strict"]))
    assert ax.texts[0].get_text() == "no delayed call succeeded:\nstrict (gave up 100%)\nno call was delayed: idle"


def test_hostile_names_of_policies_are_escaped() -> None:
    ax = plot_policies(compared([1, 2], [1, 2], names=["$x^2$", "y" * 300]))
    ax.figure.draw_without_rendering()
    assert ax.texts[1].get_text() == r"\$x^2\$"
    assert len(ax.texts[2].get_text()) == 28


@settings(max_examples=20)  # a picture each
@given(
    st.lists(st.tuples(st.floats(1, 100), st.integers(1, 2000), st.integers(0, 50)), min_size=1, max_size=10),
    st.sampled_from([(6.4, 4.8), (5.0, 4.0), (10.0, 6.0)]),
)
def test_no_label_covers_another_or_leaves_the_axes(points: list[tuple[float, int, int]], inches: tuple[float, float]) -> None:
    figure, ax = plt.subplots(figsize=inches, layout="constrained")
    plot_policies(compared([x for x, _, _ in points], [y for _, y, _ in points], [g for _, _, g in points]), ax=ax)
    figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in ax.texts]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert box.x0 >= ax.bbox.x0 - 1
        assert box.x1 <= ax.bbox.x1 + 1
        assert box.y0 >= ax.bbox.y0 - 1
        assert box.y1 <= ax.bbox.y1 + 1
    plt.close(figure)


def test_labels_find_new_places_when_the_figure_changes_its_size() -> None:
    figure, ax = plt.subplots(figsize=(9, 6), layout="constrained")
    plot_policies(compared([50, 51, 52], [100, 100, 100]), ax=ax)
    figure.canvas.draw()
    before = [text.get_position() for text in ax.texts[1:]]
    figure.set_size_inches(5, 4)
    figure.canvas.draw()
    assert [text.get_position() for text in ax.texts[1:]] != before
    boxes = [Text.get_window_extent(text) for text in ax.texts[1:]]
    assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])


@pytest.mark.parametrize("every", [np.int64(30), np.float64(30), 30, "30s"])
def test_a_number_of_any_library_is_a_length_in_seconds(every: Any) -> None:
    assert plot_load(recorded(60), every=every).get_xlabel().startswith("time (UTC), by 30 s")


def test_true_is_no_length() -> None:
    with pytest.raises(UsageError, match=r"plot_load\(every=True\): give a length"):
        plot_load(recorded(5), every=True)
