from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import RetryPolicy, UsageError, delay


def test_the_delays_double_from_one_second_to_sixty() -> None:
    assert [delay(n) for n in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(st.integers(0, 10**9))
def test_no_number_of_failures_overflows(n: int) -> None:
    assert delay(n) == min(2.0 ** min(n, 60), 60)


def test_failures_are_not_counted_backwards() -> None:
    with pytest.raises(UsageError, match="counted from 0"):
        delay(-1)


@given(st.integers(1, 40), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 300)))
def test_jitter_stays_in_its_range_and_a_hint_stays_a_minimum(failures: int, draw: float, hint: float | None) -> None:
    base, least = delay(failures - 1), hint or 0.0
    assert RetryPolicy().scheduled(failures, hint, draw) == max(base, least)
    assert least <= RetryPolicy(jitter="full").scheduled(failures, hint, draw) <= max(base, least)
    assert max(base / 2, least) <= RetryPolicy(jitter="equal").scheduled(failures, hint, draw) <= max(base, least)


def test_the_time_is_unlimited_only_where_somebody_watches() -> None:
    assert RetryPolicy().elapsed_limit(attended=True) is None
    assert RetryPolicy().elapsed_limit(attended=False) == 180
    assert RetryPolicy(max_elapsed=None).elapsed_limit(attended=False) is None
    assert RetryPolicy(max_elapsed=5).elapsed_limit(attended=True) == 5


@pytest.mark.parametrize(
    "numbers",
    [
        {"max_attempts": 0},
        {"max_elapsed": -1.0},
        {"max_elapsed": math.nan},
        {"max_paid_failures": 0},
        {"hint_ceiling": -1.0},
        {"hint_ceiling": math.nan},
        {"jitter": "lots"},
        {"max_elapsed": "never"},
    ],
)
def test_numbers_that_make_no_sense_are_refused(numbers: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="give"):
        RetryPolicy(**numbers)  # type: ignore[arg-type]
