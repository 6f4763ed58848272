"""Recorded failures, or outages of your own, replayed under another policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from chatkit.analysis.columns import UNKNOWN, Ints, categories, integers, timedeltas, utc
from chatkit.analysis.frames import COLUMNS
from chatkit.analysis.readable import ReadableFrame
from chatkit.analysis.replay.rounds import Requests, difference, play
from chatkit.analysis.replay.scenarios import Scenario, scenario_of
from chatkit.errors import KINDS, UsageError
from chatkit.retries.backoff import RetryPolicy
from chatkit.retries.log import VERSION

_COST_DTYPES = {
    **dict.fromkeys(("calls", "ok", "gave_up", "requests", "peak_load", "delayed"), "Int64"),
    "requests_per_call": "Float64",
    **dict.fromkeys(("lost", "lost_p50", "lost_p95", "lost_max", "late_p50", "late_p95"), "timedelta64[us]"),
}


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
    """Replay recorded failures, or outages of your own, under a policy, and give the log that it would have written.

    Parameters
    ----------
    df_or_outages : pandas.DataFrame
        *A frame of attempts*, with the columns of `COLUMNS` except ``status_code``, ``request_id`` and ``v``. A provider is down while an
        attempt fails (with a kind that `outages` counts) and between failures that are at most 60 s apart; it is up as soon as an attempt
        begins that succeeded. Every one of the `calls` begins when it did in the record. A row without a call begins a call of its own if
        its ``attempt`` is 1 or null. Calls that failed for a reason that no policy retries (such as ``auth``) and rows without a time are
        left out, and counted in ``attrs``.

        *A frame of outages*, as `outages` gives it or of your own: it has ``started``, but no ``attempt``. It needs ``started`` and
        ``ended`` (or ``duration``); ``provider``, ``kind`` and ``hint`` are optional. Times are datetimes (UTC if they have no zone), or
        numbers of seconds or timedeltas since 1970-01-01 UTC. When an outage starts, `clients` calls begin. A failure without a kind is
        retried.
    policy : RetryPolicy
        The policy of all calls. ``max_elapsed="auto"`` sets no limit here, as in a notebook that the user watches.
    clients : int, default 1
        The number of clients that make each call.
    seed : int, default 0
        The seed of jitter and spread. The same seed gives the same frame, and gives a client the same random draws under every policy.
    spread : float, default 0.0
        Seconds. Each call begins at a random time within `spread` of its own time.
    latency : float, optional
        Seconds that every request takes, rounded to milliseconds. The default is the median duration of the provider's failed attempts,
        and of its successful ones, in the record; 0 where it isn't known.
    hints : bool, default True
        Whether the server says how long to wait.

    Returns
    -------
    pandas.DataFrame
        A frame of attempts, with the columns and dtypes of `COLUMNS`: one row per simulated request, sorted by ``ts``. Every function that
        takes a log takes it. ``call`` is the recorded id, ``row 1`` and so on for rows without a call, or ``outage 1`` and so on for
        outages; with several clients it ends in ``#1`` and so on. ``attrs["simulated"]`` has the policy, the number of calls, clients and
        outages, the seed, and what was left out.

    Raises
    ------
    UsageError
        A column is missing, an outage has no end, a number is out of range, or there would be more than 10 million requests (about 2 GB)
        or 600,000 of one call.

    Notes
    -----
    The model is simple. A request that *begins* within [started, ended) of an outage of its provider fails, with that outage's kind and
    hint; any other request succeeds. Where outages of a provider overlap, the one that began first holds to its end. After a failure the
    policy decides as it does in a real call, and waits are rounded to milliseconds.

    So the number of requests doesn't slow the server down, and an outage is total: if you give the result of `outages`, the attempts that
    succeeded during an outage fail in the simulation. A record shows an outage only from its first failed attempt to its last; the provider
    may have been down for longer. To see how well the model fits, replay a record under the policy with which it was made. Failed requests
    cost nothing here, so ``max_paid_failures`` only limits failures of kind ``unknown``. No call is stopped by a user.

    Examples
    --------
    >>> import pandas as pd
    >>> from chatkit import RetryPolicy
    >>> from chatkit.analysis import simulate
    >>> outage = pd.DataFrame({"started": [0], "ended": [5], "kind": ["overloaded"]})
    >>> simulate(outage, RetryPolicy())[["attempt", "waited", "outcome", "delay"]]
       attempt waited outcome delay
    0        1    0 s   retry   1 s
    1        2    1 s   retry   2 s
    2        3    2 s   retry   4 s
    3        4    4 s      ok     –
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
        **scenario.left_out,
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
    """Compare what each policy would have cost: the time lost, the requests, and the load on the recovering server.

    Parameters
    ----------
    df_or_outages : pandas.DataFrame
        A frame of attempts or of outages, as in `simulate`.
    policies : mapping of str to RetryPolicy, or iterable of RetryPolicy
        The policies by name. A policy of a list is named after the fields in which it differs from the default.
    clients : int, default 1
    seed : int, default 0
    spread : float, default 0.0
    latency : float, optional
    hints : bool, default True
        As in `simulate`.

    Returns
    -------
    pandas.DataFrame
        One row per policy, in the order given, with the index ``policy``:

        ===================================  ===============  ===================================================================
        column                               dtype            description
        ===================================  ===============  ===================================================================
        ``calls``, ``ok``, ``gave_up``       Int64            all calls, those that succeeded, and those that gave up
        ``requests``                         Int64            attempts of all calls
        ``requests_per_call``                Float64          null where there is no call
        ``peak_load``                        Int64            the most requests that one provider got in one second while it was
                                                              up; the requests before an outage don't count
        ``lost``                             timedelta64[us]  the time from a call's first request to the start of the one that
                                                              succeeded, summed over all calls that succeeded
        ``lost_p50``, ``_p95``, ``_max``     timedelta64[us]  quantiles of the time lost by one of the ``delayed`` calls
        ``late_p50``, ``_p95``               timedelta64[us]  quantiles of the time from the end of the last outage that a
                                                              ``delayed`` call met to the start of the request that succeeded
        ``delayed``                          Int64            calls whose first request failed, and that succeeded
        ===================================  ===============  ===================================================================

    Raises
    ------
    UsageError
        As in `simulate`; or two policies have the same name.

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
    return ReadableFrame(rows, index=pd.Index(list(named), name="policy")).astype(_COST_DTYPES)


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
    """The requests as a frame of attempts, sorted by time, then by attempt and call."""
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
    return ReadableFrame({**known, **absent}, columns=list(COLUMNS), copy=False)


def _of_milliseconds(milliseconds: Ints) -> pd.TimedeltaIndex:
    unknown = milliseconds == UNKNOWN
    return timedeltas(np.where(unknown, UNKNOWN, np.where(unknown, 0, milliseconds) * 1000))


def _missing(dtype: str, rows: int) -> Any:
    array: Any = pd.array  # the stubs have an overload for each dtype's name alone
    return array([None], dtype=dtype).take(np.zeros(rows, dtype=np.int64))


def _costs(scenario: Scenario, requests: Requests) -> dict[str, Any]:
    """The columns of a policy's row; times in microseconds."""
    well = requests.outage < 0
    call, ts = requests.call[well], requests.ts[well]
    met = np.full(len(scenario.began), -1)
    met[requests.call[~well]] = requests.outage[~well]  # of several outages, the last one is kept
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
