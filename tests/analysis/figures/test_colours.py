"""Colours that every eye tells apart, and those of the person's own style."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from chatkit.analysis.figures.drawing import GREY, OK, SERIES, kind_colour, series_colours
from chatkit.errors import KINDS, RETRYABLE_KINDS

SEEN = {
    "usual": np.eye(3),
    "no red": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "no green": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]),
    "no blue": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]]),
}
"""How eyes see linear RGB (Machado, Oliveira and Fernandes, 2009)."""


def far(vision: str, *pair: str) -> float:
    """How far apart two colours are for an eye, in CIE's Lab; one that looks for it sees 2."""
    one, other = (_lab(SEEN[vision] @ _linear(np.array(to_rgb(colour)))) for colour in pair)
    return float(np.linalg.norm(one - other))


def _linear(rgb: Any) -> Any:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _lab(linear: Any) -> Any:
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])
    x, y, z = to_xyz @ np.clip(linear, 0, 1) / (0.95047, 1, 1.08883)
    x, y, z = (np.cbrt(each) if each > 0.008856 else 7.787 * each + 16 / 116 for each in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_kinds_have_colours_of_their_own() -> None:
    colours = [kind_colour(kind) for kind in KINDS]
    assert len(set(colours)) == len(colours)
    assert kind_colour("of another library") == kind_colour(None) == kind_colour(np.nan) == GREY


@pytest.mark.parametrize("vision", SEEN)
def test_no_eye_takes_one_kind_for_another_or_for_a_success(vision: str) -> None:
    colours = {**{kind: kind_colour(kind) for kind in KINDS}, "ok": OK}
    apart = {pair: far(vision, *(colours[name] for name in pair)) for pair in combinations(colours, 2)}
    assert {pair for pair, distance in apart.items() if distance < 12} == set()


@pytest.mark.parametrize("vision", SEEN)
def test_no_eye_takes_one_line_for_another(vision: str) -> None:
    assert min(far(vision, *pair) for pair in combinations(SERIES, 2)) > 15


def test_kinds_that_are_retried_differ_in_lightness() -> None:
    """As a grey picture has them, and so as nearly every eye does."""
    light = sorted(np.dot(to_rgb(kind_colour(kind)), (0.299, 0.587, 0.114)) for kind in RETRYABLE_KINDS)
    assert min(np.diff(light)) > 0.005


def test_lines_have_the_colours_of_the_persons_style() -> None:
    assert series_colours(9) == [*SERIES, *SERIES[:2]]
    with plt.rc_context({"axes.prop_cycle": plt.cycler(color=["#111111", "#222222"])}):
        assert series_colours(3) == ["#111111", "#222222", "#111111"]
    with plt.rc_context({"axes.prop_cycle": plt.cycler(linestyle=["-", "--"])}):
        assert series_colours(2) == list(SERIES[:2])
