"""What all figures share: axes, styles, labels, units, and frames of every sort."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from chatkit.analysis.figures.drawing import (
    as_label,
    explain_empty,
    log_spans,
    percent,
    span,
    time_axis,
    unit_for,
)
from chatkit.analysis.figures.loads import plot_load, plot_policies
from chatkit.analysis.figures.plots import plot_attempts, plot_backoff, plot_kinds, plot_waiting
from chatkit.analysis.figures.timelines import plot_timeline
from chatkit.analysis.replay.simulation import compare_policies
from chatkit.errors import UsageError
from tests.analysis.attempt_rows import at, frame, row, rows
from tests.analysis.pictures import OUTAGE, POLICIES, foreign, recorded

PLOTS = [plot_waiting, plot_backoff, plot_kinds, plot_attempts, plot_load, plot_timeline]
plots = pytest.mark.parametrize("plot", PLOTS)
HOSTILE = [
    "x" * 300,
    "$x^2$ and $\\frac{1}",
    "$",
    "two\nlines\tand a tab",
    "שלום עליכם",
    "\u202egnorts\u202c",
    "🦙 llama",
    "_hidden",
    "模型",
    "",
    "\\alpha %s {0} <b>",
    "sk-proj-abcdefghijklmnop1234",
    "\ud800",
]


@pytest.fixture(autouse=True)
def _own_figures() -> Iterator[None]:
    with plt.style.context("default"):
        yield
    plt.close("all")


def png(figure: Any) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=50)
    return file.getvalue()


def said(ax: Axes) -> list[str]:
    """All that stands in the axes."""
    legend = ax.get_legend()
    return [text.get_text() for text in [*ax.texts, *(legend.get_texts() if legend else []), *ax.get_xticklabels(), *ax.get_yticklabels()]]


def all_of(df: pd.DataFrame) -> Iterator[Axes]:
    for plot in PLOTS:
        yield plot(df)


@plots
def test_a_given_ax_is_drawn_on_and_nothing_else_changes(plot: Callable[..., Axes]) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
    before = (
        dict(mpl.rcParams),
        png(Figure()),
        figure.get_size_inches().tolist(),
        right.get_xlim(),
        right.get_ylim(),
        right.get_position().bounds,
    )
    assert plot(recorded(20), ax=left) is left
    png(figure)
    after = (
        dict(mpl.rcParams),
        png(Figure()),
        figure.get_size_inches().tolist(),
        right.get_xlim(),
        right.get_ylim(),
        right.get_position().bounds,
    )
    assert before == after
    assert not right.has_data()
    assert not figure.texts
    assert figure.get_layout_engine() is None
    assert plt.get_fignums() == [figure.number]


@plots
def test_without_an_ax_a_figure_is_made(plot: Callable[..., Axes]) -> None:
    ax = plot(recorded(5))
    assert ax.figure is plt.gcf()
    assert plt.get_fignums() == [1]


@plots
def test_an_ax_that_is_none_is_a_usage_error(plot: Callable[..., Axes]) -> None:
    with pytest.raises(UsageError, match=r"ax: give matplotlib Axes.* not a Figure"):
        plot(recorded(5), ax=plt.figure())


@plots
def test_a_frame_is_never_changed(plot: Callable[..., Axes]) -> None:
    df = recorded(20)
    plot(df)
    pd.testing.assert_frame_equal(df, recorded(20))


@plots
def test_a_missing_column_is_named(plot: Callable[..., Axes]) -> None:
    with pytest.raises(UsageError, match=r"'ts'|'outcome'"):
        plot(recorded(5).drop(columns=["ts", "outcome"]))
    with pytest.raises(UsageError, match="found a list"):
        plot([1, 2])


@plots
@pytest.mark.parametrize(
    "df", [recorded(0), foreign(0), recorded(0)[["ts"]].reindex(columns=recorded(0).columns)], ids=["empty", "foreign", "objects"]
)
def test_an_empty_frame_gives_empty_axes_that_say_so(plot: Callable[..., Axes], df: pd.DataFrame) -> None:
    ax = plot(df)
    (text,) = ax.texts
    assert text.get_text().startswith("no ")
    assert text.get_text().endswith("recorded")
    assert ax.get_xlabel()
    assert not ax.has_data() or not ax.lines
    png(ax.figure)


@plots
def test_an_empty_frame_leaves_axes_alone_that_show_something(plot: Callable[..., Axes]) -> None:
    ax = plot(recorded(20))
    ticks = ax.get_xticks().tolist()
    plot(recorded(0), ax=ax)
    assert not any(text.get_text().startswith("no ") and text.get_text().endswith("recorded") for text in ax.texts)
    assert ax.get_xticks().tolist() == ticks


@plots
def test_rows_of_which_nothing_is_known_are_no_error(plot: Callable[..., Axes]) -> None:
    png(plot(frame([row(), row(), row(call="a")])).figure)
    png(plot(frame([row(ts=at(0))])).figure)


@plots
def test_other_dtypes_and_indexes_draw_the_same(plot: Callable[..., Axes]) -> None:
    df = recorded(20)
    text = df.astype(dict.fromkeys(("call", "chat", "operation", "provider", "model", "outcome", "kind", "error"), object))
    other = text.sample(frac=1, random_state=1).set_index(pd.Index([3] * len(df))).assign(note="mine")
    assert png(plot(other).figure) == png(plot(df).figure)


@plots
def test_every_axis_says_what_it_counts(plot: Callable[..., Axes]) -> None:
    ax = plot(recorded(30))
    assert ax.get_xlabel()
    assert ax.get_ylabel() or plot is plot_kinds  # the kinds name themselves


@plots
def test_in_a_dark_style_nothing_is_black(plot: Callable[..., Axes]) -> None:
    with plt.style.context("dark_background"):
        ax = plot(recorded(30))
        png(ax.figure)
    texts = [*ax.texts, *ax.get_xticklabels(), ax.xaxis.label, ax.yaxis.label, ax.title]
    texts += ax.get_legend().get_texts() if ax.get_legend() else []
    assert all(min(to_rgb(text.get_color())) > 0.5 for text in texts)
    assert all(max(to_rgb(line.get_color())) > 0.4 for line in ax.lines)
    assert ax.get_facecolor()[:3] == (0, 0, 0)


@plots
def test_the_size_of_a_font_is_the_persons(plot: Callable[..., Axes]) -> None:
    with plt.rc_context({"font.size": 20}):
        ax = plot(recorded(30))
        png(ax.figure)
        sizes = [
            label.get_fontsize()
            for label in [ax.xaxis.label, *ax.get_xticklabels(), *(ax.get_legend().get_texts() if ax.get_legend() else [])]
        ]
    assert min(sizes) > 16


@plots
def test_hostile_names_neither_warn_nor_fail_nor_run_on(plot: Callable[..., Axes]) -> None:
    df = frame(
        [
            row(
                ts=at(i),
                call=f"c{i}",
                provider=name,
                model=name,
                kind=name,
                outcome="retry",
                attempt=1,
                waited_ms=9,
                delay_ms=9,
                duration_ms=5,
            )
            for i, name in enumerate(HOSTILE)
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plot(df)
        png(ax.figure)
    assert max(map(len, said(ax))) < 60
    assert not any("abcdefgh" in text for text in said(ax))


@plots
def test_a_million_lines_of_one_moment_are_no_error(plot: Callable[..., Axes]) -> None:
    df = pd.concat([recorded(1)] * 3).assign(ts=pd.Timestamp("2026-11-20", tz="UTC"), call="one")
    png(plot(df).figure)


@settings(max_examples=15)  # six pictures each
@given(rows())
def test_any_rows_can_be_drawn(drawn: list[Any]) -> None:
    for ax in all_of(frame(drawn)):
        png(ax.figure)
        plt.close(ax.figure)


@pytest.mark.parametrize(
    "seconds", [0.002, 0.3, 2, 7, 9, 59, 150, 200, 430, 560, 1000, 5000, 9000, 40_000, 100_000, 200_000, 10**6, 4 * 10**6, 10**7, 10**8]
)
@pytest.mark.parametrize("inches", [2.0, 6.4, 12.0])
def test_an_axis_of_times_has_ticks_of_its_span(seconds: float, inches: float) -> None:
    figure = Figure(figsize=(inches, 2))
    ax = figure.subplots()
    begin = mpl.dates.date2num(np.datetime64("2026-11-20T09:00:07"))
    ax.plot([begin, begin + seconds / 86400], [0, 1])
    time_axis(ax, begin, begin + seconds / 86400)
    png(figure)
    low, high = ax.get_xlim()
    assert (high - low) * 86400 < max(seconds * 1.2, 15)
    assert (2 if inches > 3 else 1) <= sum(low <= tick <= high for tick in ax.get_xticks()) <= 12


@pytest.mark.parametrize("letters", [8, 10, 16])
@pytest.mark.parametrize("inches", [3.2, 6.4, 12.0])
@pytest.mark.parametrize("start", ["2026-11-20T09:00:07", "2026-12-30T22:11"])
def test_the_words_of_an_axis_of_times_stand_apart(start: str, inches: float, letters: int) -> None:
    for seconds in np.geomspace(0.5, 3e8, 40):
        with plt.rc_context({"font.size": letters}):
            figure = Figure(figsize=(inches, 2))
            ax = figure.subplots()
        begin = mpl.dates.date2num(np.datetime64(start))
        ax.plot([begin, begin + seconds / 86400], [0, 1])
        time_axis(ax, begin, begin + seconds / 86400)
        png(figure)
        low, high = ax.get_xlim()
        shown = [tick.label1.get_window_extent() for tick in ax.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
        assert all(left.x1 < right.x0 for left, right in pairwise(sorted(shown, key=lambda box: box.x0)))


def test_days_are_named_with_their_month() -> None:
    ax = plot_waiting(frame([row(ts=at(n * 86_400), provider="openai", waited_ms=1000) for n in range(5)]))
    png(ax.figure)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["Nov 21", "Nov 22", "Nov 23", "Nov 24"]
    assert ax.xaxis.get_offset_text().get_text() == "2026"


def test_times_are_utc_whatever_the_persons_zone_is() -> None:
    with plt.rc_context({"timezone": "Asia/Kolkata"}):
        ax = plot_waiting(recorded(40))
        png(ax.figure)
    assert ax.get_xticklabels()[0].get_text() == "09:00"
    assert ax.get_xlabel() == "time (UTC)"


@given(st.text(max_size=80))
def test_any_text_can_be_a_label(text: str) -> None:
    label = as_label(text)
    assert label
    assert len(label.replace(r"\$", "$")) <= 29
    assert label.isprintable()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = Figure(figsize=(2, 1))
        figure.text(0, 0.5, label)
        png(figure)


def test_a_letter_that_the_font_has_stays() -> None:
    assert as_label("Zürich → é") == "Zürich → é"
    assert as_label("模型-2") == "??-2"


@given(st.floats(0, 1e9))
def test_a_span_is_short_and_has_a_unit(value: float) -> None:
    number, unit = span(value).split()
    assert unit in ("ms", "s", "min", "h", "d")
    size = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}[unit]
    assert float(number.replace(",", "")) * size == pytest.approx(value, rel=0.01, abs=1e-6)
    assert len(number) <= 8


@given(st.floats(0, 1))
def test_a_share_is_never_rounded_to_all_or_nothing(share: float) -> None:
    assert (percent(share) == "100%") == (share == 1)
    assert (percent(share) == "0%") == (share == 0)


def test_a_unit_that_an_axis_has_is_kept() -> None:
    assert unit_for(9e4) == (3600.0, "h")
    assert unit_for(9e4, keep="waited, in all (min)") == (60.0, "min")
    assert [unit_for(most)[1] for most in (0, 100, 179, 180, 3600, 7199, 7200, 172_800, 1e6)] == [
        "s",
        "s",
        "s",
        "min",
        "min",
        "min",
        "h",
        "h",
        "d",
    ]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.8, 80, ["1 s", "3 s", "10 s", "30 s", "1 min"]), (0.005, 8000, ["10 ms", "100 ms", "1 s", "10 s", "1 min", "10 min", "1 h"])],
)
def test_a_logarithmic_axis_of_spans_has_plain_ticks(low: float, high: float, expected: list[str]) -> None:
    ax = Figure().subplots()
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    log_spans(ax.yaxis, low, high)
    ax.figure.draw_without_rendering()
    shown = [tick.label1.get_text() for tick in ax.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert shown == expected


def test_nothing_is_said_once() -> None:
    ax = explain_empty(explain_empty(Figure().subplots(), "no calls recorded"), "no waits recorded")
    assert [text.get_text() for text in ax.texts] == ["no calls recorded"]


def test_policies_have_the_manners_too() -> None:
    compared = compare_policies(OUTAGE, POLICIES, clients=20)
    before = dict(mpl.rcParams)
    ax = plot_policies(compared)
    assert dict(mpl.rcParams) == before
    with pytest.raises(UsageError, match="'peak_load'"):
        plot_policies(compared.drop(columns="peak_load"))
    with pytest.raises(UsageError, match="ax: give"):
        plot_policies(compared, ax=ax.figure)


def test_loading_the_figures_makes_no_figure_and_no_pyplot() -> None:
    code = "import sys, chatkit.analysis.figures.dashboards as d, chatkit.analysis.frames as f; d.dashboard(f.attempts_frame([])); print('matplotlib.pyplot' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]
