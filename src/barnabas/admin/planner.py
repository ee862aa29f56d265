"""ReassignPartitionsCommand: where replicas go, evenly over brokers and racks, with the fewest
bytes moved. Pure.

First the brokers of each partition are chosen, then which of them comes first: the preferred
leader. Both are optimal (``evening.py``), in this order:

1. A partition is in as many racks as its number of replicas allows, on brokers that are allowed.
2. Replicas are spread evenly over the brokers: the sum of the squares of their numbers is the
   least. Without racks, or with racks of one size, no two brokers differ by more than one.
3. The fewest bytes are copied, then the fewest replicas, then the fewest partitions lose their
   preferred leader.
4. Preferred leaders are spread as evenly as these brokers allow, and as few as possible change.

With ``only_needed`` 3 comes before 2, and replicas move only where they must. A plan of a plan's
result is empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from barnabas.admin.evening import even_out
from barnabas.errors import ConfigError
from barnabas.types import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPartition:
    """A partition as it is: its replicas, preferred leader first."""

    partition: TopicPartition
    replicas: tuple[int, ...]
    size: int = 0
    """In bytes; 0 if it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMove:
    """One partition whose replicas, or their order, change."""

    partition: TopicPartition
    before: tuple[int, ...]
    after: tuple[int, ...]
    size: int

    @property
    def added(self) -> tuple[int, ...]:
        return tuple(r for r in self.after if r not in self.before)

    @property
    def copied(self) -> int:
        """The bytes to copy."""
        return self.size * len(self.added)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerLoad:
    """What a broker holds of some partitions."""

    replicas: int = 0
    leaders: int = 0
    """Partitions that it is the preferred leader of."""
    bytes: int = 0


def plan_moves(
    partitions: Sequence[PlacedPartition],
    brokers: Mapping[int, str | None],
    *,
    replication_factor: int | None = None,
    only_needed: bool = False,
    others: Sequence[PlacedPartition] = (),
) -> list[PlannedMove]:
    """The moves that put ``partitions`` on ``brokers`` (id to rack), evenly.

    ``replication_factor``: the new number of replicas; None keeps each partition's own. ``others``:
    partitions that stay, but count. Racks count only if all brokers have one. Raises ConfigError if
    there are fewer brokers than replicas."""
    factors = [replication_factor or len(p.replicas) for p in partitions]
    most = max(factors, default=0)
    if most > len(brokers):
        raise ConfigError(f"{most} replicas need {most} brokers; {len(brokers)} can hold them")
    ids = sorted(brokers)
    chosen = _Brokers(partitions, factors, brokers)
    chosen.fill(loads_of(others))
    held = Counter(r for p in others for r in p.replicas)
    even_out(chosen, ids, held, cost_max=chosen.cost_max, only_needed=only_needed)
    leaders = _Leaders(partitions, chosen.brokers_of)
    led = Counter(p.replicas[0] for p in others if p.replicas)
    even_out(leaders, ids, led, cost_max=len(partitions), only_needed=only_needed)
    moves = []
    for number, p in enumerate(partitions):
        after = _ordered(p.replicas, leaders.leader[number], chosen.brokers_of[number])
        if after != p.replicas:
            moves.append(
                PlannedMove(partition=p.partition, before=p.replicas, after=after, size=p.size)
            )
    return moves


def loads_of(
    partitions: Sequence[PlacedPartition], moves: Sequence[PlannedMove] = ()
) -> dict[int, BrokerLoad]:
    """What each broker holds, after these moves."""
    after = {m.partition: m.after for m in moves}
    replicas: Counter[int] = Counter()
    leaders: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    for p in partitions:
        placed = after.get(p.partition, p.replicas)
        leaders.update(placed[:1])
        replicas.update(placed)
        for broker in placed:
            sizes[broker] += p.size
    return {
        broker: BrokerLoad(replicas=count, leaders=leaders[broker], bytes=sizes[broker])
        for broker, count in sorted(replicas.items())
    }


class _Brokers:
    """The brokers of each partition."""

    def __init__(
        self,
        partitions: Sequence[PlacedPartition],
        factors: Sequence[int],
        brokers: Mapping[int, str | None],
    ) -> None:
        self._factors = factors
        has_racks = None not in brokers.values()
        self._rack = {b: rack if has_racks else None for b, rack in brokers.items()}
        self._rack_count = len(set(self._rack.values()))
        self.brokers_of: list[set[int]] = []
        self._racks_of: list[Counter[str | None]] = []
        copy = len(partitions) + 1
        byte = copy * (sum(factors) + 1)
        self._prices: list[dict[int, int]] = []
        self._new: list[int] = []
        for p in partitions:
            # The preferred leader stays for nothing, the others nearly so.
            self._prices.append({r: int(i > 0) for i, r in enumerate(p.replicas)})
            self._new.append(p.size * byte + copy + 1)
            self.brokers_of.append(set())
            self._racks_of.append(Counter())
        self.cost_max = sum(f * new for f, new in zip(factors, self._new, strict=True))
        for number, p in enumerate(partitions):
            for replica in p.replicas:
                if replica in brokers and self._may_add(number, replica):
                    self._add(number, replica)

    def fill(self, others: Mapping[int, BrokerLoad]) -> None:
        """Add the replicas that are missing, each to the emptiest broker that may have it."""
        loads = Counter({b: others[b].replicas if b in others else 0 for b in self._rack})
        loads.update(b for placed in self.brokers_of for b in placed)
        for number, placed in enumerate(self.brokers_of):
            while len(placed) < self._factors[number]:
                free = (b for b in self._rack if self._may_add(number, b))
                chosen = min(free, key=lambda b: (self._price(number, b), loads[b], b))
                self._add(number, chosen)
                loads[chosen] += 1

    def _may_add(self, number: int, broker: int) -> bool:
        """Whether all racks that the partition needs can still be reached."""
        placed, racks = self.brokers_of[number], self._racks_of[number]
        if broker in placed or len(placed) == self._factors[number]:
            return False
        missing = min(self._factors[number], self._rack_count) - len(racks)
        is_new = self._rack[broker] not in racks
        return is_new or self._factors[number] - len(placed) > missing

    def _add(self, number: int, broker: int) -> None:
        self.brokers_of[number].add(broker)
        self._racks_of[number][self._rack[broker]] += 1

    def _price(self, number: int, broker: int) -> int:
        return self._prices[number].get(broker, self._new[number])

    # As a Spread

    def __len__(self) -> int:
        return len(self.brokers_of)

    def holders(self, item: int) -> Collection[int]:
        return self.brokers_of[item]

    def cost(self, item: int, giver: int, taker: int) -> int | None:
        placed = self.brokers_of[item]
        if giver not in placed or taker in placed:
            return None
        left, entered, racks = self._rack[giver], self._rack[taker], self._racks_of[item]
        if left != entered and racks[left] == 1 and racks[entered] > 0:
            return None  # one rack fewer
        return self._price(item, taker) - self._price(item, giver)

    def move(self, item: int, giver: int, taker: int) -> None:
        self.brokers_of[item].remove(giver)
        racks = self._racks_of[item]
        racks[self._rack[giver]] -= 1
        self._add(item, taker)
        if not racks[self._rack[giver]]:
            del racks[self._rack[giver]]


class _Leaders:
    """Which of its brokers comes first, for each partition."""

    def __init__(
        self, partitions: Sequence[PlacedPartition], brokers_of: Sequence[Collection[int]]
    ) -> None:
        self._brokers_of = brokers_of
        self._present = [p.replicas[0] if p.replicas else -1 for p in partitions]
        self.leader = [
            next((r for r in p.replicas if r in placed), min(placed, default=-1))
            for p, placed in zip(partitions, brokers_of, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.leader)

    def holders(self, item: int) -> Collection[int]:
        return (self.leader[item],) if self._brokers_of[item] else ()

    def cost(self, item: int, giver: int, taker: int) -> int | None:
        if self.leader[item] != giver or taker not in self._brokers_of[item]:
            return None
        return (taker != self._present[item]) - (giver != self._present[item])

    def move(self, item: int, giver: int, taker: int) -> None:
        self.leader[item] = taker


def _ordered(before: Sequence[int], leader: int, brokers: Collection[int]) -> tuple[int, ...]:
    """The preferred leader, then the others: each at its present place, new ones where others
    leave."""
    fresh = sorted(b for b in brokers if b not in before)
    rest = [r if r in brokers else fresh.pop(0) for r in before if r in brokers or fresh]
    rest += fresh
    return (leader, *(r for r in rest if r != leader))
