"""Labels that cover nothing: a legend in a free corner; names beside points, whose places are sought when the figure is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text

from chatkit.analysis.arrays import Floats
from chatkit.analysis.figures.drawing import inches

POINT = 6.0
"""Half the width that a point takes, in typographic points, with some air."""
AIR = 2.0
GRID = 48
"""So many places are tried in a row and in a column."""
OUTSIDE = 1e3
"""What a point's length beyond the axes costs, in square points of overlap."""
LAYOUT = 0.95
"""What a layout leaves of the axes, about."""
MARGIN = 0.1
"""Inches around a legend."""
MOST = 0.7
"""Of the axes' height, that a legend gets to itself at most."""


def free_legend(ax: Axes, handles: Sequence[Any], names: Sequence[str], columns: int = 1) -> None:
    """A legend in the upper corner that is freer, and a y axis that reaches so far up that it covers neither a line nor a band."""
    legend = ax.legend(handles, names, loc="upper left", ncols=columns, fontsize="small")
    box, dpi = legend.get_window_extent(), ax.figure.dpi
    wide, tall = ((length / dpi + MARGIN) / (LAYOUT * whole) for length, whole in zip((box.width, box.height), inches(ax), strict=True))
    drawn = [(line.get_xydata(), line.get_drawstyle() == "default") for line in ax.lines]
    drawn += [(path.vertices, False) for each in ax.collections for path in each.get_paths()]
    across, up = (axis.get_transform() for axis in (ax.xaxis, ax.yaxis))
    left, right = across.transform(np.array(ax.get_xlim()))
    bottom = up.transform(np.array(ax.get_ylim()))[0]
    highest, below = bottom, [bottom, bottom]
    for points, slanting in drawn:
        x, y = np.asarray(points, dtype=np.float64).T
        x, y = (across.transform(x) - left) / (right - left), up.transform(y)
        for corner, inside in enumerate((x <= wide, x >= 1 - wide)):
            near = inside.copy()
            near[:-1] |= inside[1:]  # the step on which the corner begins
            near[1:] |= inside[:-1] & slanting  # where a line that leaves it goes
            below[corner] = np.fmax(below[corner], np.nanmax(y, initial=bottom, where=near))
        highest = np.fmax(highest, np.nanmax(y, initial=bottom))
    legend.set_loc("upper right" if below[1] < below[0] else "upper left")
    top = max((highest - bottom) * 1.05, (min(below) - bottom) / (1 - min(tall, MOST)))
    ax.set_ylim(top=float(up.inverted().transform(bottom + (top or 1))))


def label_points(ax: Axes, x: Floats, y: Floats, ends: Floats, labels: Sequence[str], corner: tuple[float, float]) -> None:
    """Write each label beside its point; one that finds no place there stands farther off, with a line to it.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where the points are.
    x, y, ends : numpy.ndarray
        The points, in data coordinates, and where the lines end that go from them to the right.
    labels : sequence of str
        Fit for a figure, as `words` makes them.
    corner : tuple of float
        Width and height of the lower left corner that stays free, as shares of the axes.
    """
    line = {"arrowstyle": "-", "lw": 0.6, "color": mpl.rcParams["text.color"], "shrinkB": 4}
    notes = [
        ax.annotate(label, (px, py), (0, 12), textcoords="offset points", ha="center", va="center", fontsize="small", arrowprops=line)
        for label, px, py in zip(labels, x, y, strict=True)
    ]
    ax.add_artist(_Places(notes, np.column_stack([x, y]), np.column_stack([ends, y]), corner))


class _Places(Artist):
    """Drawn before the labels; shows nothing, and moves each to its place."""

    def __init__(self, notes: list[Annotation], points: Floats, ends: Floats, corner: tuple[float, float]) -> None:
        super().__init__()
        self.set_zorder(-1)
        self.set_in_layout(False)
        self._notes, self._points, self._ends, self._corner = notes, points, ends, corner

    def draw(self, renderer: Any) -> None:
        """Find the places, in typographic points from the lower left corner of the axes."""
        axes: Any = self.axes
        to_points = 72 / axes.figure.dpi
        frame = axes.bbox
        size = np.array([frame.width, frame.height]) * to_points
        points, ends = ((axes.transData.transform(data) - frame.p0) * to_points for data in (self._points, self._ends))
        corner = np.array([[0, 0, *(size * self._corner)]])
        taken = np.concatenate([corner, np.hstack([points - POINT, points + POINT]), np.hstack([points - 2, ends + 2])])
        for i in np.argsort(-points[:, 0], kind="stable"):  # those at the right edge have the least choice
            note = self._notes[i]
            box = Text.get_window_extent(note, renderer)
            half = np.array([box.width, box.height]) * to_points / 2 + AIR
            centres = _candidates(points[i], half, size)
            boxes = np.hstack([centres - half, centres + half])
            beyond = (np.maximum(-boxes[:, :2], 0) + np.maximum(boxes[:, 2:] - size, 0)).sum(axis=1)
            best = int(np.argmin(_overlap(boxes, taken) + OUTSIDE * beyond))  # of equals the first, which is the nearest
            taken = np.concatenate([taken, boxes[best : best + 1]])
            note.set_position((centres[best] - points[i]).tolist())
            if note.arrow_patch is not None:
                note.arrow_patch.set_visible(bool(np.any(np.abs(centres[best] - points[i]) > half + POINT + 3)))


def _candidates(point: Floats, half: Floats, size: Floats) -> Floats:
    """Centres of a label: right of the point, left, above, below, then anywhere, the nearest first."""
    near = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)]) * (half + POINT) + point
    anywhere = np.stack(np.meshgrid(*(np.linspace(half[i], max(size[i] - half[i], half[i]), GRID) for i in (0, 1))), axis=-1).reshape(-1, 2)
    gap = np.maximum(np.abs(anywhere - point) - half, 0)
    found: Floats = np.concatenate([near, anywhere[np.argsort(np.hypot(*gap.T), kind="stable")]])
    return found


def _overlap(boxes: Floats, taken: Floats) -> Floats:
    """For each box, the area that it shares with those that are taken."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    area: Floats = np.prod(np.maximum(high - low, 0), axis=2).sum(axis=1)
    return area
