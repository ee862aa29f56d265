"""ClientQuotaManager, ClientRequestQuotaManager, ControllerMutationQuotaManager: how much of each
quota is used (KIP-13, KIP-55, KIP-124, KIP-599). Pure; times are in ms of the loop's clock.

Use is counted only for users and client ids that have a quota; without one there is no cost. Their
names come from clients. So their number is bounded, and one that was idle for an hour is forgotten.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

from barnabas.errors import ErrorCode, KafkaError
from barnabas.quotas.entities import (
    ABSENT,
    CONSUMER_BYTE_RATE,
    CONTROLLER_MUTATION_RATE,
    DEFAULT,
    PRODUCER_BYTE_RATE,
    REQUEST_PERCENTAGE,
    Entity,
)
from barnabas.quotas.rate import (
    THROTTLE_MS_MAX,
    Average,
    Rate,
    TokenBucket,
    Window,
    rounded_ms,
)

IDLE_MS_MAX: Final = 3_600_000
"""The use of a sharer that recorded nothing for this long is forgotten."""
KEPT_MAX: Final = 10_000
"""The most sharers whose use is kept; the one that recorded longest ago is forgotten first."""

NAME_MAX: Final = 256
"""In characters, user and client id together: a longer pair is kept by the hash of each part."""
_HASH_CHARS: Final = 64

S = TypeVar("S")


class Use(NamedTuple):
    """What one sharer of a quota uses."""

    user: str
    """Empty: the quota is of a client id, whoever the user is."""
    client_id: str
    """Empty: it is of a user, whatever the client id is."""
    value: float
    """The rate per second; of creations and deletions, the tokens that are left."""
    throttle_ms: float
    """The mean of the waits that were asked for in the last samples."""


class _Sharer:
    """The waits that a sharer was asked for."""

    __slots__ = ("_waits", "_window")

    def __init__(self, window: Window) -> None:
        self._window = window
        self._waits: Average | None = None
        """None: it never had to wait."""

    def waited(self, wait_ms: int, now_ms: int) -> int:
        """Note what it is asked for, and return it."""
        if wait_ms:
            if self._waits is None:
                self._waits = Average(self._window)
            self._waits.record(wait_ms, now_ms)
        return wait_ms

    def mean_wait_ms(self, now_ms: int) -> float:
        """Of the last samples."""
        return 0.0 if self._waits is None else self._waits.measure(now_ms)


class _Measured(_Sharer):
    """The rate of a sharer as well."""

    __slots__ = ("rate",)

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.rate = Rate(window)


class _Bucket(_Sharer):
    """The tokens of a sharer as well."""

    __slots__ = ("quota", "tokens")

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.quota = 0.0
        """When tokens were last taken."""
        self.tokens = TokenBucket(window)


class Limits:
    """The quotas of one kind by entity, and which of them applies to a user and client id."""

    def __init__(self) -> None:
        self._quotas: dict[tuple[str | None, str | None], float] = {}
        self._found: dict[tuple[str, str], tuple[tuple[str, str], float] | None] = {}
        """Results of earlier look-ups."""

    def __bool__(self) -> bool:
        return bool(self._quotas)

    def set(self, entity: Entity, quota: float | None) -> None:
        """Set, or with None remove, an entity's quota."""
        self._found.clear()
        if quota is None:
            self._quotas.pop(entity[:2], None)
        else:
            self._quotas[entity[:2]] = quota

    def of(self, user: str, client_id: str) -> tuple[tuple[str, str], float] | None:
        """(who shares it, quota per second) for a request; None if there is none.

        A user's quota is one budget for all client ids of that user. A client id's quota is one
        budget for all its users. A default gives each user, client id or pair its own budget."""
        asked = user, client_id
        try:
            return self._found[asked]
        except KeyError:
            found = self._look_up(user, client_id)
        if len(user) + len(client_id) <= NAME_MAX:
            if len(self._found) >= KEPT_MAX:
                self._found.clear()
            self._found[asked] = found
        return found

    def quota_of(self, key: tuple[str, str]) -> float | None:
        """The quota of those who share it; None if there is none."""
        found = self.of(*key)
        return None if found is None else found[1]

    def _look_up(self, user: str, client_id: str) -> tuple[tuple[str, str], float] | None:
        get = self._quotas.get
        for entity, key in _levels(user, client_id):
            quota = get(entity)
            if quota is not None:
                return key, quota
        return None


def _levels(
    user: str, client_id: str
) -> Iterator[tuple[tuple[str | None, str | None], tuple[str, str]]]:
    """The entities whose quota may apply, the most specific first, and who shares it."""
    pair, alone, client = (user, client_id), (user, ABSENT), (ABSENT, client_id)
    if client_id != ABSENT:
        yield pair, pair
        yield (user, DEFAULT), pair
    yield alone, alone
    if client_id != ABSENT:
        yield (DEFAULT, client_id), pair
        yield (DEFAULT, DEFAULT), pair
    yield (DEFAULT, ABSENT), alone
    if client_id != ABSENT:
        yield client, client
        yield (ABSENT, DEFAULT), client


class Kept(Generic[S]):
    """The use of each sharer, ordered by when it was last recorded (the latest is last)."""

    def __init__(self, make: Callable[[Window], S], window: Window) -> None:
        self._make: Callable[[Window], S] = make
        self._window = window
        self._stats: OrderedDict[tuple[str, str], tuple[S, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._stats)

    def at(self, key: tuple[str, str], now_ms: int) -> S:
        """The use of ``key``, which is about to be added to."""
        if len(key[0]) + len(key[1]) > NAME_MAX:
            key = _short(key[0]), _short(key[1])
        found = self._stats.get(key)
        if found is None or now_ms - found[1] >= IDLE_MS_MAX:
            self._make_room(now_ms)
            stat = self._make(self._window)
        else:
            stat = found[0]
        self._stats[key] = stat, now_ms
        self._stats.move_to_end(key)
        return stat

    def latest(self, most: int, now_ms: int) -> list[tuple[tuple[str, str], S]]:
        """Those that were recorded last, the very last one first."""
        return [
            (key, stat)
            for key, (stat, last_ms) in islice(reversed(self._stats.items()), most)
            if now_ms - last_ms < IDLE_MS_MAX
        ]

    def _make_room(self, now_ms: int) -> None:
        stats = self._stats
        while stats:
            key, (_, last_ms) = next(iter(stats.items()))
            if len(stats) < KEPT_MAX and now_ms - last_ms < IDLE_MS_MAX:
                return
            del stats[key]


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest() if len(name) > NAME_MAX // 4 else name


def _is_short(key: tuple[str, str]) -> bool:
    """Whether a name may be one that ``_short`` has made."""
    return any(len(name) == _HASH_CHARS for name in key)


class RateQuotas:
    """A kind of quota that is a rate: of bytes, or of percents of a processor's time."""

    def __init__(self, window: Window, most_ms: int = THROTTLE_MS_MAX) -> None:
        """``most_ms``: the longest wait that is ever asked for."""
        self.limits = Limits()
        self._window = window
        self._most_ms = most_ms
        self._kept: Kept[_Measured] = Kept(_Measured, window)

    def __len__(self) -> int:
        """How many sharers' use is kept."""
        return len(self._kept)

    def record(self, user: str, client_id: str, value: float, now_ms: int) -> int:
        """Record what was used. Returns how long the sender must wait, in ms."""
        limit = self.limits.of(user, client_id)
        if limit is None:
            return 0
        stat = self._kept.at(limit[0], now_ms)
        stat.rate.record(value, now_ms)
        return stat.waited(stat.rate.throttle_ms(limit[1], now_ms, self._most_ms), now_ms)

    def latest(self, most: int, now_ms: int) -> list[Use]:
        """The use of those who recorded last, at most ``most`` of them. What was idle for an hour
        is left out."""
        return [
            Use(*key, stat.rate.measure(now_ms), stat.mean_wait_ms(now_ms))
            for key, stat in self._kept.latest(most, now_ms)
        ]

    def unrecord(self, user: str, client_id: str, value: float, now_ms: int) -> None:
        """Subtract what was recorded, because it is not used after all."""
        limit = self.limits.of(user, client_id)
        if limit is not None:
            self._kept.at(limit[0], now_ms).rate.record(-value, now_ms)

    def most_at_once(self, user: str, client_id: str) -> float | None:
        """The most that can be used at once without a wait after a long idle time; None: any."""
        limit = self.limits.of(user, client_id)
        if limit is None:
            return None
        return limit[1] * (self._window.samples - 1) * (self._window.sample_ms / 1000)


class MutationQuotas:
    """How many partitions a user may have created or deleted per second: a bucket of tokens."""

    def __init__(self, window: Window) -> None:
        self.limits = Limits()
        self._kept: Kept[_Bucket] = Kept(_Bucket, window)

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, user: str, client_id: str, count: float, now_ms: int, *, strict: bool) -> int:
        """Charge ``count`` partitions. Returns how long the sender must wait, in ms.

        ``strict``: with a debt from before, nothing is charged and the caller must refuse them."""
        limit = self.limits.of(user, client_id)
        if limit is None:
            return 0
        key, quota = limit
        if not math.isfinite(quota):
            return 0
        stat = self._kept.at(key, now_ms)
        stat.quota = quota
        bucket = stat.tokens
        if not strict:
            bucket.take(count, quota, now_ms)
        debt = -bucket.tokens(quota, now_ms)
        wait_ms = 0
        if debt > 0:
            wait_ms = rounded_ms(debt / quota * 1000 if quota > 0 else THROTTLE_MS_MAX)
        if strict and not wait_ms:  # Whoever waited as long as told has no debt that counts.
            bucket.take(count, quota, now_ms)
        return stat.waited(wait_ms, now_ms)

    def latest(self, most: int, now_ms: int) -> list[Use]:
        """As of a rate; without those whose quota has gone. A name that is kept by its hash cannot
        be looked up: it is shown while there is any quota."""
        found = []
        for key, stat in self._kept.latest(most, now_ms):
            limit = self.limits.quota_of(key)
            if (limit is not None and math.isfinite(limit)) or (self.limits and _is_short(key)):
                left = stat.tokens.left(stat.quota, now_ms)
                found.append(Use(*key, left, stat.mean_wait_ms(now_ms)))
        return found


class MutationQuota:
    """The partitions charged to one request. ``strict``: what exceeds the quota is refused."""

    def __init__(self, quotas: MutationQuotas, user: str, client_id: str, *, strict: bool) -> None:
        self._quotas = quotas
        self._user, self._client_id = user, client_id
        self._strict = strict
        self._until_ms = 0

    def record(self, partitions: float, now_ms: int) -> None:
        """Charge partitions that are about to be created or deleted. Raises
        THROTTLING_QUOTA_EXCEEDED if they must not be."""
        wait_ms = self._quotas.take(
            self._user, self._client_id, partitions, now_ms, strict=self._strict
        )
        if wait_ms:
            self._until_ms = now_ms + wait_ms
            if self._strict:
                raise KafkaError(ErrorCode.THROTTLING_QUOTA_EXCEEDED)

    def throttle_ms(self, now_ms: int) -> int:
        """How long the sender has to wait from now."""
        return min(max(self._until_ms - now_ms, 0), THROTTLE_MS_MAX)


class ClientQuotas:
    """QuotaManagers: all kinds of quotas of users and client ids, on one broker."""

    def __init__(self, window: Window, mutation_window: Window) -> None:
        self.produce = RateQuotas(window)
        self.fetch = RateQuotas(window)
        self.request = RateQuotas(window, most_ms=window.sample_ms)
        self.mutation = MutationQuotas(mutation_window)
        self.exempt_time = Rate(window)
        """Processor time of brokers' own requests, in percent, counted while any quota is set."""
        self.in_force = False
        """Whether any quota is set: looked at for every request."""
        self._by_key: dict[str, Limits] = {
            PRODUCER_BYTE_RATE: self.produce.limits,
            CONSUMER_BYTE_RATE: self.fetch.limits,
            REQUEST_PERCENTAGE: self.request.limits,
            CONTROLLER_MUTATION_RATE: self.mutation.limits,
        }

    def use(self, limits: Mapping[str, Limits]) -> None:
        """Go by other limits from now on, those of a plug-in, by the four keys of quotas."""
        self.produce.limits = limits[PRODUCER_BYTE_RATE]
        self.fetch.limits = limits[CONSUMER_BYTE_RATE]
        self.request.limits = limits[REQUEST_PERCENTAGE]
        self.mutation.limits = limits[CONTROLLER_MUTATION_RATE]
        self._by_key = dict(limits)
        self.in_force = True

    def tracked(self) -> dict[str, int]:
        """How many users, client ids and pairs are kept account of, by kind of quota."""
        return {
            "Produce": len(self.produce),
            "Fetch": len(self.fetch),
            "Request": len(self.request),
            "ControllerMutation": len(self.mutation),
        }

    def update(self, entity: Entity, quotas: Mapping[str, float]) -> None:
        """Replace all quotas of an entity; they are named as in Kafka's settings."""
        for key, limits in self._by_key.items():
            limits.set(entity, quotas.get(key))
        self.in_force = any(self._by_key.values())
