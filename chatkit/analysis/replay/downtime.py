"""When each provider was down, as arrays that answer for many moments at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from chatkit.analysis.arrays import UNKNOWN, Bools, Ints
from chatkit.errors import KINDS, RETRYABLE_KINDS

FINAL_KINDS = tuple(kind for kind in KINDS if kind not in RETRYABLE_KINDS and kind != "unknown")
"""What no policy tries again."""
_IS_FINAL = np.array([kind in FINAL_KINDS for kind in KINDS] + [False])  # the last place is for a kind that isn't known
_UNEXPLAINED = np.array([kind == "unknown" for kind in KINDS] + [False])


@dataclass(frozen=True, eq=False)
class Downtime:
    """The outages of all providers: sorted by provider and start, disjoint for each. Times are microseconds since 1970.

    Attributes
    ----------
    provider : numpy.ndarray
        The number of the provider.
    started, stopped : numpy.ndarray
        A request that begins in [started, stopped) fails.
    back : numpy.ndarray
        When the provider is back: the end of the last of the outages that touch each other.
    kind : numpy.ndarray
        The place of the failure in `KINDS`, -1 where it isn't known.
    hint : numpy.ndarray
        Milliseconds that the server asks to wait, `UNKNOWN` where it asks for nothing.
    """

    provider: Ints
    started: Ints
    stopped: Ints
    back: Ints
    kind: Ints
    hint: Ints

    @classmethod
    def of(cls, provider: Ints, started: Ints, ended: Ints, kind: Ints, hint: Ints, *, closed: bool) -> Downtime:
        """Of outages in any order. Where two of a provider overlap, the one that began first holds to its end.

        `closed` ones include their last microsecond: a failure of a record that took no time is an outage too.
        """
        order = np.lexsort((started, provider))
        order = order[ended[order] + closed > started[order]]
        provider, started, stopped = provider[order], started[order], ended[order] + closed
        reached = pd.Series(stopped).groupby(provider).cummax().groupby(provider).shift(fill_value=UNKNOWN).to_numpy()
        begins = np.maximum(started, reached)
        kept = np.flatnonzero(begins < stopped)
        provider, begins, stopped, reached, order = provider[kept], begins[kept], stopped[kept], reached[kept], order[kept]
        group = np.cumsum(begins > reached)  # before a provider's first is `UNKNOWN`: it begins a group
        back = stopped[np.flatnonzero(np.diff(group, append=-1))] - closed
        return cls(provider, begins, stopped, back[group - 1], kind[order], hint[order])

    def at(self, provider: Ints, ts: Ints) -> Ints:
        """The outage in which each of these moments lies, -1 where the provider is up."""
        if not len(self.started):
            return np.full(len(ts), -1)
        ranks, width = np.sort(self.started), len(self.started) + 1  # ranks in place of times: so provider and time fit into one key
        own = self.provider * width + np.searchsorted(ranks, self.started, side="right")
        place = np.searchsorted(own, provider * width + np.searchsorted(ranks, ts, side="right"), side="right") - 1
        found = np.maximum(place, 0)
        inside = (place >= 0) & (self.provider[found] == provider) & (ts < self.stopped[found])
        return np.where(inside, found, -1)

    @property
    def is_final(self) -> Bools:
        """The outages whose failure no policy tries again."""
        return np.asarray(_IS_FINAL[self.kind])

    @property
    def is_unexplained(self) -> Bools:
        """The outages whose failure nothing explains."""
        return np.asarray(_UNEXPLAINED[self.kind])
