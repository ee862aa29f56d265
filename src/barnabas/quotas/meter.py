"""RequestHandlerHelper: what one request uses of its sender's quotas. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from barnabas.quotas.client_quotas import ClientQuotas, MutationQuota

UNSEEN_S: Final = 0.00002
"""Processor time to receive a request and to send its answer, which no stopwatch measures."""


class Meter:
    """Counts what one request uses. ``clock``: the stopwatch, in seconds."""

    __slots__ = (
        "_began",
        "_client_id",
        "_clock",
        "_quotas",
        "_until_ms",
        "_used_s",
        "_user",
        "is_charged",
        "is_exempt",
        "mutation",
    )

    def __init__(
        self, quotas: ClientQuotas, user: str, client_id: str, clock: Callable[[], float]
    ) -> None:
        self._quotas = quotas
        self._user = user
        self._client_id = client_id
        self._clock = clock
        self._used_s = UNSEEN_S
        self._began: float | None = None
        self._until_ms = 0
        self.is_exempt = False
        """A broker's request: its time is counted, but nobody has to wait for it."""
        self.is_charged = False
        """Whether its time has been charged."""
        self.mutation: MutationQuota | None = None

    # Time

    def begin(self) -> None:
        """Work on the request begins."""
        self._began = self._clock()

    def end(self, more_s: float = 0.0) -> None:
        """Work on it ends; ``more_s`` is added for work that the stopwatch did not see."""
        self._used_s = self._seconds() + more_s
        self._began = None

    def _seconds(self) -> float:
        return self._used_s + (0.0 if self._began is None else self._clock() - self._began)

    # Charges; each returns how long the sender has to wait in all from now, in ms

    def produced(self, size: int, now_ms: int) -> int:
        """Charge a Produce of ``size`` bytes, header included."""
        wait_ms = self._quotas.produce.record(self._user, self._client_id, size, now_ms)
        return self._wait(wait_ms, now_ms)

    def fetched(self, size: int, now_ms: int) -> int:
        """Charge the time of a Fetch, and its answer of ``size`` bytes.

        If the sender has to wait, an empty answer must be sent, so the bytes are not charged."""
        quota = self._quotas.fetch
        self.charge_time(now_ms)
        self._wait(quota.record(self._user, self._client_id, size, now_ms), now_ms)
        wait_ms = self._wait(0, now_ms)
        if wait_ms:
            quota.unrecord(self._user, self._client_id, size, now_ms)
        return wait_ms

    def charge_time(self, now_ms: int) -> int:
        """Charge the time of the request, which is about to be answered. Once only."""
        if self.is_charged:
            return self._wait(0, now_ms)
        self.is_charged = True
        wait_ms = 0 if self.mutation is None else self.mutation.throttle_ms(now_ms)
        if self._quotas.request.limits:
            percents = 100 * self._seconds()
            if self.is_exempt:
                self._quotas.exempt_time.record(percents, now_ms)
            else:
                told = self._quotas.request.record(self._user, self._client_id, percents, now_ms)
                wait_ms = max(wait_ms, told)
        return self._wait(wait_ms, now_ms)

    def _wait(self, wait_ms: int, now_ms: int) -> int:
        self._until_ms = max(self._until_ms, now_ms + wait_ms)
        return self._until_ms - now_ms

    # What else a handler asks

    def most_to_fetch(self) -> float | None:
        """The most bytes of a Fetch answer that the quota can ever allow; None: any."""
        return self._quotas.fetch.most_at_once(self._user, self._client_id)

    def mutate(self, *, strict: bool, told: bool = True) -> MutationQuota:
        """The account for partitions that this request creates or deletes; ``told``: whether its
        answer carries the wait for them."""
        quotas = self._quotas.mutation
        mutation = MutationQuota(quotas, self._user, self._client_id, strict=strict)
        if told:
            self.mutation = mutation
        return mutation
