"""What another policy would have done: the recorded failures, or outages of your own, replayed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.aggregates.grouping import failed, require
from chatkit.analysis.arrays import UNKNOWN, Ints, categories, integers, moments, timedeltas, utc
from chatkit.analysis.frames import COLUMNS
from chatkit.analysis.replay.rounds import Requests, difference, play
from chatkit.analysis.replay.scenarios import Scenario, scenario_of
from chatkit.errors import KINDS, UsageError
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.log import VERSION

MOST_BINS = 5_000_000
_STEPS = ("1s", "10s", "1min", "10min", "1h", "6h", "1D", "7D", "30D", "365D")


def simulate(
    df_or_outages: pd.DataFrame,
    policy: RetryPolicy,
    *,
    clients: int = 1,
    seed: int = 0,
    spread: float = 0.0,
    latency: float | None = None,
    hints: bool = True,
) -> pd.DataFrame:
    """Replay recorded failures, or outages of your own, under a policy: the log that it would have written.

    Parameters
    ----------
    df_or_outages : pandas.DataFrame
        *A frame of attempts*, with the columns of `COLUMNS` but for ``status_code``, ``request_id`` and ``v``. A provider is down while an
        attempt fails (with a kind that `outages` counts), and from there to the next that fails where at most 60 s lie between; it is up
        as soon as an attempt begins that succeeded. Each of the `calls` begins when it did. A row that belongs to no call begins one of
        its own where its ``attempt`` is 1 or null. Left out, and counted in ``attrs``, are calls that failed for a reason that no policy
        tries again (such as ``auth``), and what has no time.

        *A frame of outages*, known by ``started`` and no ``attempt``: as `outages` gives it, or your own. It needs ``started`` and
        ``ended`` (or ``duration``); ``provider``, ``kind`` and ``hint`` may be missing. Times are datetimes (UTC where no zone is given),
        or numbers or timedeltas: seconds since 1970-01-01 UTC. Each outage is met by `clients` calls that begin as it starts. A failure
        without a kind is worth another try.
    policy : RetryPolicy
        ``max_elapsed="auto"`` is no limit here: somebody watches.
    clients : int, default 1
        How many make each call.
    seed : int, default 0
        Of jitter and spread. The same seed gives the same frame, and each client the same luck under every policy.
    spread : float, default 0.0
        Seconds: each call begins at random within [its time, its time + spread).
    latency : float, optional
        Seconds that every request takes. Unless given: the medians of the provider's failed and successful attempts in the record; 0
        where there are none. To the millisecond.
    hints : bool, default True
        Whether the server says how long to wait.

    Returns
    -------
    pandas.DataFrame
        A frame of attempts, with the columns and dtypes of `COLUMNS`, one row a simulated request, sorted by ``ts``: what takes a log
        takes it. ``call`` is the recorded id, ``row 1`` … for rows without a call, ``outage 1`` … for outages, and ends in ``#1`` … where
        there is more than one client. ``attrs["simulated"]`` says what was simulated and what was left out.

    Raises
    ------
    UsageError
        A column is missing; an outage has no end; a number makes no sense; or there would be more than 10 million requests (about 2 GB),
        or 600,000 of one call.

    Notes
    -----
    The model is simple. A request that *begins* within [started, ended) of an outage of its provider fails, with that outage's kind and
    hint; any other succeeds. Where outages of a provider overlap, the first holds to its end. Then the policy decides as it does in a
    real call, and waits are rounded to the millisecond.

    So requests don't crowd each other out, however many come at once, and an outage is total: give one of `outages` as it stands, and
    what succeeded within fails. A record shows an outage only from its first failed attempt to its last: the provider may have been down
    for longer. To see how far the model holds, replay a record under the policy that it was made with. Failures cost nothing here, so
    ``max_paid_failures`` bounds those of kind ``unknown`` alone. Nobody loses patience.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import simulate
    >>> outage = pd.DataFrame({"started": [0], "ended": [5], "kind": ["overloaded"]})
    >>> simulate(outage, RetryPolicy())[["attempt", "waited", "outcome", "delay"]]
       attempt          waited outcome           delay
    0        1 0 days 00:00:00   retry 0 days 00:00:01
    1        2 0 days 00:00:01   retry 0 days 00:00:02
    2        3 0 days 00:00:02   retry 0 days 00:00:04
    3        4 0 days 00:00:04      ok             NaT
    """
    what = "simulate()"
    _check_policy(policy, what)
    scenario = scenario_of(df_or_outages, clients=clients, seed=seed, spread=spread, latency=latency, what=what)
    frame = _frame(scenario, play(scenario, policy, hints=hints, what=what), hints=hints)
    frame.attrs["simulated"] = {
        "policy": difference(policy),
        "calls": len(scenario.began),
        "clients": int(clients),
        "seed": int(seed),
        "outages": len(scenario.downtime.started),
        **scenario.facts,
    }
    return frame


def compare_policies(
    df_or_outages: pd.DataFrame,
    policies: Mapping[str, RetryPolicy] | Iterable[RetryPolicy],
    *,
    clients: int = 1,
    seed: int = 0,
    spread: float = 0.0,
    latency: float | None = None,
    hints: bool = True,
) -> pd.DataFrame:
    """What each policy would have cost: time lost, requests, and the load on the server that recovers.

    Parameters
    ----------
    df_or_outages : pandas.DataFrame
        As in `simulate`, and so are the other parameters.
    policies : mapping of str to RetryPolicy, or iterable of RetryPolicy
        Those of a list are named by what they have that the default hasn't.
    clients : int, default 1
    seed : int, default 0
    spread : float, default 0.0
    latency : float, optional
    hints : bool, default True

    Returns
    -------
    pandas.DataFrame
        A row a policy, in the order given, the index named ``policy``:

        ===================================  ===============  ===================================================================
        column                               dtype            what it is
        ===================================  ===============  ===================================================================
        ``calls``, ``ok``, ``gave_up``       Int64            calls, those that succeeded, those that gave up
        ``requests``                         Int64            attempts of all calls
        ``requests_per_call``                Float64          null where there is no call
        ``peak_load``                        Int64            the most requests in one second that one provider got while it was
                                                              up. The rush as it went down doesn't count
        ``lost``                             timedelta64[us]  from a call's first request to the start of the one that
                                                              succeeded, over all calls that succeeded
        ``lost_p50``, ``_p95``, ``_max``     timedelta64[us]  the same of one call, over the `delayed` ones
        ``late_p50``, ``_p95``               timedelta64[us]  from the end of the last outage that it met to the start of the
                                                              request that succeeded, over the `delayed` ones
        ``delayed``                          Int64            calls whose first request failed, and that succeeded
        ===================================  ===============  ===================================================================

    Raises
    ------
    UsageError
        As `simulate`; or two policies have one name.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import compare_policies
    >>> outage = pd.DataFrame({"started": [0], "ended": [600]})
    >>> compared = compare_policies(outage, [RetryPolicy(), RetryPolicy(jitter="full")], clients=1000)
    >>> compared[["ok", "requests", "peak_load"]].reset_index()
            policy    ok  requests  peak_load
    0      default  1000     16000       1000
    1  jitter=full  1000     26656         39
    """
    what = "compare_policies()"
    named = _named(policies, what)
    scenario = scenario_of(df_or_outages, clients=clients, seed=seed, spread=spread, latency=latency, what=what)
    rows = [_costs(scenario, play(scenario, policy, hints=hints, what=what)) for policy in named.values()]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return pd.DataFrame({name: _cost_column(name, values) for name, values in columns.items()}, index=pd.Index(list(named), name="policy"))


def load_over_time(df: pd.DataFrame, every: str | float | timedelta = "1s") -> pd.DataFrame:
    """How many requests begin in each stretch of time, of a real log or a simulated one.

    Parameters
    ----------
    df : pandas.DataFrame
        A row an attempt, in any order. Needs the columns ``ts`` and ``outcome``.
    every : str, float or timedelta, default "1s"
        The length of a stretch, such as ``"10s"``, ``"1min"``, or a number of seconds. They are counted from 1970-01-01 UTC.

    Returns
    -------
    pandas.DataFrame
        Every stretch from the first request to the last, by its start: the index ``ts`` (datetime64[us, UTC]), ``requests`` and ``failed``
        (Int64). Rows without a time are left out, and ``attrs["rows_without_time"]`` says how many they are.

    Raises
    ------
    UsageError
        A column is missing; `every` is no length of time; or there would be more than 5 million rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import load_over_time, simulate
    >>> outage = pd.DataFrame({"started": [0], "ended": [2]})
    >>> load_over_time(simulate(outage, RetryPolicy(), clients=50)).reset_index()
                             ts  requests  failed
    0 1970-01-01 00:00:00+00:00        50      50
    1 1970-01-01 00:00:01+00:00        50      50
    2 1970-01-01 00:00:02+00:00         0       0
    3 1970-01-01 00:00:03+00:00        50       0
    """
    require(df, "ts", "outcome", what="load_over_time()")
    length = bin_length(every, "load_over_time")
    ts, failure = moments(df, "ts"), failed(df).to_numpy()
    known = ts != UNKNOWN
    place = ts[known] // length
    first, count = (int(place.min()), int(place.max()) - int(place.min()) + 1) if place.size else (0, 0)
    if count > MOST_BINS:
        fitting = next((step for step in _STEPS if count * length <= 100_000 * bin_length(step, "load_over_time")), _STEPS[-1])
        raise UsageError(f"load_over_time(): {count:,} rows, one every {every}: at most {MOST_BINS:,}, so give every={fitting!r}")
    loads = [np.bincount(place[chosen] - first, minlength=count) for chosen in (slice(None), failure[known])]
    index = utc((first + np.arange(count)) * length).rename("ts")
    load = pd.DataFrame({name: integers(counts) for name, counts in zip(("requests", "failed"), loads, strict=True)}, index=index)
    load.attrs["rows_without_time"] = int(len(df) - np.count_nonzero(known))
    return load


def bin_length(every: str | float | timedelta, what: str) -> int:
    """The length of a stretch of time, in microseconds; `what` is the function that asks."""
    try:
        if isinstance(every, bool):
            raise TypeError("no length")
        length = pd.Timedelta(every, unit="s") if isinstance(every, int | float | np.number) else pd.Timedelta(every)
        microseconds = length // pd.Timedelta(1, unit="us")
    except (TypeError, ValueError, OverflowError):
        microseconds = 0
    if not microseconds >= 1:  # NaT gives NaN
        raise UsageError(f"{what}(every={every!r}): give a length of time such as '1s', '10min', or a number of seconds")
    return int(microseconds)


def _check_policy(policy: Any, what: str) -> None:
    if not isinstance(policy, RetryPolicy):
        raise UsageError(f"{what} takes a RetryPolicy such as RetryPolicy(jitter='full'); found a {type(policy).__name__}")


def _named(policies: Any, what: str) -> dict[str, RetryPolicy]:
    if isinstance(policies, RetryPolicy):
        policies = [policies]
    if not isinstance(policies, Iterable):
        raise UsageError(f"{what} takes policies by name, or a list of them; found a {type(policies).__name__}")
    pairs = list(policies.items()) if isinstance(policies, Mapping) else [(None, policy) for policy in policies]
    if not pairs:
        raise UsageError(f"{what}: there is no policy: give one or more")
    named: dict[str, RetryPolicy] = {}
    for given, policy in pairs:
        _check_policy(policy, what)
        name = difference(policy) if given is None else str(given)
        if name in named:
            raise UsageError(f"{what}: two policies are called {name!r}: give them as a dict, by names of your own")
        named[name] = policy
    return named


def _frame(scenario: Scenario, requests: Requests, *, hints: bool) -> pd.DataFrame:
    """The requests as a frame of attempts, by time; those of one moment by attempt, then by call."""
    order = np.argsort(requests.ts, kind="stable")
    call, outage, delay = requests.call[order], requests.outage[order], requests.delay[order]
    down, provider = scenario.downtime, scenario.provider[call]
    well = outage < 0
    kind = np.where(well, -1, np.append(down.kind, -1)[outage])
    hint = np.where(well | (not hints), UNKNOWN, np.append(down.hint, UNKNOWN)[outage])
    ending = np.where(well, 1, np.where(delay == UNKNOWN, 0, 2))
    known: dict[str, Any] = {name: scenario.who[name].array.take(call) for name in scenario.who.columns}
    known |= {
        "ts": utc(requests.ts[order]),
        "attempt": integers(requests.attempt[order], "Int32"),
        "waited": timedeltas(requests.waited[order] * 1000),
        "duration": timedeltas(np.where(well, scenario.succeeds_after[provider], scenario.fails_after[provider])),
        "outcome": categories(ending, pd.Index(["failed", "ok", "retry"])),
        "delay": _of_milliseconds(delay),
        "hint": _of_milliseconds(hint),
        "kind": categories(kind, pd.Index(KINDS)),
        "v": integers(np.full(len(call), VERSION), "Int16"),
    }
    absent = {name: _missing(dtype, len(call)) for name, dtype in COLUMNS.items() if name not in known}
    return pd.DataFrame({**known, **absent}, columns=list(COLUMNS), copy=False)


def _of_milliseconds(milliseconds: Ints) -> pd.TimedeltaIndex:
    unknown = milliseconds == UNKNOWN
    return timedeltas(np.where(unknown, UNKNOWN, np.where(unknown, 0, milliseconds) * 1000))


def _missing(dtype: str, rows: int) -> Any:
    array: Any = pd.array  # the stubs have an overload for each dtype's name alone
    return array([None], dtype=dtype).take(np.zeros(rows, dtype=np.int64))


def _costs(scenario: Scenario, requests: Requests) -> dict[str, Any]:
    """The row of one policy; times in microseconds."""
    well = requests.outage < 0
    call, ts = requests.call[well], requests.ts[well]
    met = np.full(len(scenario.began), -1)
    met[requests.call[~well]] = requests.outage[~well]  # attempts are in order: of several the last one stands
    lost = ts - scenario.began[call]
    delayed = met[call] >= 0
    late = ts[delayed] - scenario.downtime.back[met[call[delayed]]]
    seconds = pd.DataFrame({"provider": scenario.provider[call], "second": ts // 1_000_000})
    calls, count = len(scenario.began), len(requests.ts)
    return {
        "calls": calls,
        "ok": len(call),
        "gave_up": calls - len(call),
        "requests": count,
        "requests_per_call": count / calls if calls else None,
        "peak_load": int(seconds.groupby(["provider", "second"]).size().max()) if len(call) else 0,
        "lost": int(lost.sum()),
        "lost_p50": _quantile(lost[delayed], 0.5),
        "lost_p95": _quantile(lost[delayed], 0.95),
        "lost_max": _quantile(lost[delayed], 1.0),
        "late_p50": _quantile(late, 0.5),
        "late_p95": _quantile(late, 0.95),
        "delayed": int(np.count_nonzero(delayed)),
    }


def _quantile(times: Ints, share: float) -> int:
    return int(np.rint(np.quantile(times, share))) if len(times) else UNKNOWN


def _cost_column(name: str, values: list[Any]) -> Any:
    if name.startswith(("lost", "late")):
        return timedeltas(np.array(values, dtype=np.int64))
    array: Any = pd.array
    return array(values, dtype="Float64" if name == "requests_per_call" else "Int64")
