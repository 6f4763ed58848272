"""The dashboard: six figures on one page, that shows itself once and leaves nothing behind."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chatkit.analysis.aggregates.summaries import summarize
from chatkit.analysis.figures.dashboards import dashboard
from chatkit.errors import UsageError
from tests.analysis.attempt_rows import at, frame, row
from tests.analysis.pictures import foreign, recorded
from tests.kernels import running_kernel

KEPT = "from chatkit.analysis import attempts_frame, dashboard; df = attempts_frame([])"


def test_a_dashboard_has_six_panels_and_the_facts() -> None:
    df = recorded(60)
    figure = dashboard(df)
    assert [ax.get_title() for ax in figure.axes] == [
        "40 of 60 calls: those that waited longest",
        "requests",
        "time spent waiting",
        "failures",
        "backoff",
        "attempts until success",
    ]
    whole = summarize(df, by=None).iloc[0]
    known = f"{whole['success_rate']:.0%} of {whole['success_of']} calls succeeded"
    minutes = whole["waited"].total_seconds() / 60
    assert (
        figure.get_suptitle()
        == f"60 calls · {len(df)} attempts · {minutes:.3g} min waited ({whole['waiting_share']:.0%} of the calls' time) · {known}"
    )
    assert figure.get_size_inches().tolist() == [12, 8]


def test_a_title_stands_above_the_facts() -> None:
    title, facts = dashboard(recorded(5), title="My $1 run").get_suptitle().split("\n")
    assert title == r"My \$1 run"
    assert facts.startswith("5 calls · ")


def test_of_an_empty_frame_every_panel_says_so() -> None:
    figure = dashboard(recorded(0))
    assert figure.get_suptitle() == "no attempts recorded"
    assert all(len(ax.texts) == 1 and ax.texts[0].get_text().startswith("no ") for ax in figure.axes)


def test_of_a_foreign_log_only_what_is_known_is_said() -> None:
    facts = dashboard(foreign()).get_suptitle()
    assert facts.startswith("30 failed attempts · ")
    assert facts.endswith(" waited")


def test_lines_without_any_time_are_no_error() -> None:
    figure = dashboard(frame([row(provider="openai", delay_ms=500, attempt=1)] * 3))
    figure.savefig(BytesIO())
    assert figure.get_suptitle() == "3 failed attempts · 1.5 s waited"


def test_pyplot_holds_no_figure_after_thirty_dashboards() -> None:
    before = plt.get_fignums(), dict(mpl.rcParams)
    for _ in range(30):
        assert type(dashboard(recorded(3))) is Figure
    assert (plt.get_fignums(), dict(mpl.rcParams)) == before


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_a_dashboard_can_be_saved(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"retries.{form}"
    dashboard(recorded(20)).savefig(path)
    assert path.stat().st_size > 5000


@pytest.mark.parametrize("letters", [7, 10, 16])
@pytest.mark.parametrize(("calls", "apart"), [(60, 7.0), (6, 7.0), (300, 500.0)])
def test_nothing_on_a_dashboard_is_cut_off_and_no_panel_covers_another(calls: int, apart: float, letters: int) -> None:
    with plt.style.context(["default", {"font.size": letters}]):
        figure = dashboard(recorded(calls, apart=apart), title="A title")
        FigureCanvasAgg(figure).draw()
    page = figure.bbox
    assert figure.texts[0].get_window_extent().y1 <= page.y1
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    for i, box in enumerate(boxes):
        assert box
        assert box.x0 >= page.x0 - 1
        assert box.y0 >= page.y0 - 1
        assert box.x1 <= page.x1 + 1
        assert box.y1 <= figure.texts[0].get_window_extent().y0 + 1  # the facts
        assert not any(box.padded(-2).overlaps(other) for other in boxes[:i] if other)
    for ax in figure.axes:
        legend = ax.get_legend()
        assert legend is None or legend.get_window_extent().x1 <= ax.bbox.x1 + 1
        assert legend is None or legend.get_window_extent().x0 >= ax.bbox.x0 - 1


def test_a_missing_column_is_named() -> None:
    with pytest.raises(UsageError, match="'kind'"):
        dashboard(recorded(3).drop(columns="kind"))


def test_a_frame_is_never_changed() -> None:
    df = recorded(30)
    dashboard(df)
    pd.testing.assert_frame_equal(df, recorded(30))


def test_one_attempt_is_a_dashboard() -> None:
    figure = dashboard(frame([row(ts=at(0), call="a", attempt=1, waited_ms=0, duration_ms=10, outcome="ok")]))
    figure.savefig(BytesIO())
    assert figure.get_suptitle() == "1 call · 1 attempt · 0 s waited (0% of the calls' time) · 100% of 1 call succeeded"


def test_a_dashboard_shows_itself_exactly_once_in_a_notebook() -> None:
    with running_kernel() as kernel:
        images = [
            ["image/png" in bundle for bundle in cell.outputs]
            for cell in [
                kernel.run(code)
                for code in (
                    KEPT,
                    "dashboard(df)",
                    "fig = dashboard(df)",
                    "fig",
                    "for _ in range(30): dashboard(df)",
                    "dashboard(df).savefig('/dev/null', format='png')",
                )
            ]
        ]
        warned = kernel.run("import matplotlib.pyplot as plt; print(plt.get_fignums())")
        vector = kernel.run("%config InlineBackend.figure_format = 'svg'\nfig")
    assert images == [[], [True], [], [True], [], []]
    assert (warned.text, warned.errors) == ("[]\n", "")
    assert ["image/svg+xml" in bundle for bundle in vector.outputs] == [True]


def test_a_dashboard_shows_itself_under_another_backend_too() -> None:
    with running_kernel() as kernel:
        cells = [kernel.run(code) for code in ("%matplotlib agg", KEPT, "dashboard(df)")]
    assert ["image/png" in bundle for bundle in cells[-1].outputs] == [True]
