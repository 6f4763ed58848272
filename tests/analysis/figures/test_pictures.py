"""The figures as pictures: each looks as the stored one, which a person has looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.pictures import FOLDER, NAMES, PICTURES, difference

LARGEST = 60_000
"""Bytes."""


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_looks_as_it_is_stored(name: str, tmp_path: Path) -> None:
    assert difference(name, name, tmp_path) is None


@pytest.mark.parametrize(
    ("stored", "drawn"),
    [
        ("attempts", "attempts_by_provider"),
        ("backoff", "backoff_as_scheduled"),
        ("kinds", "attempts"),
        ("load", "loads"),
        ("policies", "backoff"),
        ("timeline", "timeline_of_one"),
        ("timeline_of_many", "timeline_without_calls"),
        ("waiting", "attempts"),
        ("dashboard", "empty"),
        ("dashboard_dark", "dashboard"),
    ],
)
def test_another_figure_is_out_of_tolerance(stored: str, drawn: str, tmp_path: Path) -> None:
    assert "RMS" in str(difference(stored, drawn, tmp_path))


def test_every_picture_is_stored_and_small() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(NAMES) >= set(PICTURES)
    assert all(path.stat().st_size < LARGEST for path in FOLDER.iterdir())
