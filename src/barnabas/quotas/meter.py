"""RequestHandlerHelper, one request: what it has used of its sender's quotas. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from barnabas.quotas.client_quotas import ClientQuotas, MutationQuota

UNSEEN_S: Final = 0.00002
"""Of a processor, to receive a request and to send its answer, where no stopwatch runs."""


class Meter:
    """What one request is charged. ``clock``: the stopwatch, in seconds."""

    __slots__ = (
        "_began",
        "_client_id",
        "_clock",
        "_quotas",
        "_until_ms",
        "_used_s",
        "_user",
        "is_exempt",
        "is_settled",
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
        """Whether nobody waits for the time that it takes: a broker's request."""
        self.is_settled = False
        """Whether it has been charged its time."""
        self.mutation: MutationQuota | None = None

    # Time

    def begin(self) -> None:
        """It is worked on."""
        self._began = self._clock()

    def end(self, more_s: float = 0.0) -> None:
        """It is not any more; ``more_s`` were not seen by the stopwatch."""
        self._used_s = self._seconds() + more_s
        self._began = None

    def _seconds(self) -> float:
        return self._used_s + (0.0 if self._began is None else self._clock() - self._began)

    # Charges; each answers how long the sender has to wait in all from now, in ms

    def produced(self, size: int, now_ms: int) -> int:
        """A Produce of ``size`` bytes, header included."""
        wait_ms = self._quotas.produce.record(self._user, self._client_id, size, now_ms)
        return self._wait(wait_ms, now_ms)

    def fetched(self, size: int, now_ms: int) -> int:
        """An answer of ``size`` bytes to a Fetch, and the time of it. With a wait nothing of it may
        be sent, and it counts no more."""
        quota = self._quotas.fetch
        self.settle(now_ms)
        self._wait(quota.record(self._user, self._client_id, size, now_ms), now_ms)
        wait_ms = self._wait(0, now_ms)
        if wait_ms:
            quota.unrecord(self._user, self._client_id, size, now_ms)
        return wait_ms

    def settle(self, now_ms: int) -> int:
        """The request is about to be answered: charge its time."""
        if self.is_settled:
            return self._wait(0, now_ms)
        self.is_settled = True
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
        """Bytes that an answer to a Fetch may have so that it can ever be sent; None: any."""
        return self._quotas.fetch.most_at_once(self._user, self._client_id)

    def mutate(self, *, strict: bool, told: bool = True) -> MutationQuota:
        """The charges for partitions that this request creates or deletes; ``told``: whether it
        tells a wait for them."""
        quotas = self._quotas.mutation
        mutation = MutationQuota(quotas, self._user, self._client_id, strict=strict)
        if told:
            self.mutation = mutation
        return mutation
