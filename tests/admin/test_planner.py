"""Plans of moves: against all possible plans in small clusters, and by rules in larger ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barnabas.admin.planner import (
    BrokerLoad,
    PlacedPartition,
    PlannedMove,
    loads_of,
    plan_moves,
)
from barnabas.errors import ConfigError
from barnabas.types import TopicPartition

Racks = dict[int, str | None]
Sets = Sequence[frozenset[int]]


def racks_needed(replication_factor: int, racks: Collection[str | None]) -> int:
    """In how many racks a partition's replicas are; ``racks``: those of all brokers."""
    return 1 if None in racks else min(replication_factor, len(set(racks)))


@st.composite
def clusters(
    draw: st.DrawFn, brokers: int, partitions: int, replicas: int
) -> tuple[Racks, list[PlacedPartition], dict[str, Any]]:
    """Brokers that may hold replicas, partitions that may be on others too, and what is wished."""
    ids = draw(st.lists(st.integers(1, brokers + 2), min_size=1, max_size=brokers, unique=True))
    racks: Racks = dict.fromkeys(ids)
    if draw(st.booleans()):
        racks = {b: draw(st.sampled_from("abc")) for b in ids}
    placed = []
    for number in range(draw(st.integers(0, partitions))):
        most = min(replicas, len(ids))
        held = draw(st.lists(st.integers(1, brokers + 3), min_size=1, max_size=most, unique=True))
        placed.append(_placed(number, held, draw(st.integers(0, 3))))
    wish: dict[str, Any] = {"only_needed": draw(st.booleans())}
    if draw(st.booleans()):
        wish["replication_factor"] = draw(st.integers(1, min(replicas, len(ids))))
    return racks, placed, wish


def _placed(number: int, replicas: Sequence[int], size: int = 1) -> PlacedPartition:
    tp = TopicPartition("t", number)
    return PlacedPartition(partition=tp, replicas=tuple(replicas), size=size)


def _after(
    placed: Sequence[PlacedPartition], moves: Sequence[PlannedMove]
) -> list[PlacedPartition]:
    changed = {m.partition: m.after for m in moves}
    return [
        PlacedPartition(
            partition=p.partition, replicas=changed.get(p.partition, p.replicas), size=p.size
        )
        for p in placed
    ]


def _rack_count(replicas: Sequence[int] | frozenset[int], racks: Mapping[int, str | None]) -> int:
    return len({racks[r] for r in replicas})


def _squares(counts: Counter[int]) -> int:
    return sum(n * n for n in counts.values())


def _possible(p: PlacedPartition, factor: int, racks: Racks) -> list[frozenset[int]]:
    needed = racks_needed(factor, list(racks.values()))
    chosen = map(frozenset, combinations(sorted(racks), factor))
    plain = None in racks.values()
    return [c for c in chosen if plain or _rack_count(c, racks) >= needed]


def _score(placed: Sequence[PlacedPartition], sets: Sets, only_needed: bool) -> tuple[int, ...]:
    """What a plan costs, the most important first."""
    squares = _squares(Counter(b for s in sets for b in s))
    added = [len(s - {*p.replicas}) for p, s in zip(placed, sets, strict=True)]
    copied = sum(n * p.size for n, p in zip(added, placed, strict=True))
    dropped = sum(p.replicas[0] not in s for p, s in zip(placed, sets, strict=True))
    moved = (copied, sum(added), dropped)
    return (*moved, squares) if only_needed else (squares, *moved)


def _leader_score(
    placed: Sequence[PlacedPartition], leaders: Sequence[int], only_needed: bool
) -> tuple[int, int]:
    squares = _squares(Counter(leaders))
    changed = sum(p.replicas[0] != leader for p, leader in zip(placed, leaders, strict=True))
    return (changed, squares) if only_needed else (squares, changed)


def _every(choices: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    return product(*choices)


@given(clusters(brokers=4, partitions=4, replicas=3))
@settings(max_examples=300, deadline=None)
def test_no_plan_is_better(cluster: tuple[Racks, list[PlacedPartition], dict[str, Any]]) -> None:
    """Of all plans that keep to the racks, none is more even, and none as even moves less."""
    racks, placed, wish = cluster
    only_needed = wish["only_needed"]
    after = _after(placed, plan_moves(placed, racks, **wish))
    factor = wish.get("replication_factor")
    sets = [frozenset(p.replicas) for p in after]
    choices = [_possible(p, factor or len(p.replicas), racks) for p in placed]
    best = min(_score(placed, chosen, only_needed) for chosen in _every(choices))
    assert _score(placed, sets, only_needed) == best
    leaders = [p.replicas[0] for p in after]
    best_led = min(
        _leader_score(placed, chosen, only_needed) for chosen in _every([sorted(s) for s in sets])
    )
    assert _leader_score(placed, leaders, only_needed) == best_led


@given(clusters(brokers=9, partitions=40, replicas=4))
@settings(max_examples=150, deadline=None)
def test_rules(cluster: tuple[Racks, list[PlacedPartition], dict[str, Any]]) -> None:
    racks, placed, wish = cluster
    moves = plan_moves(placed, racks, **wish)
    after = _after(placed, moves)
    for before, p in zip(placed, after, strict=True):
        factor = wish.get("replication_factor") or len(before.replicas)
        assert len(set(p.replicas)) == len(p.replicas) == factor
        assert set(p.replicas) <= set(racks)
        if None not in racks.values():
            assert _rack_count(p.replicas, racks) == racks_needed(factor, list(racks.values()))
    if not wish["only_needed"] and None in racks.values():
        held = Counter(r for p in after for r in p.replicas)
        counts = [held[b] for b in racks]
        assert max(counts) - min(counts) <= 1
    assert all(m.before != m.after for m in moves)
    assert plan_moves(after, racks, **wish) == [], "a plan of the result is empty"
    loads = loads_of(placed, moves)
    assert sum(load.replicas for load in loads.values()) == sum(len(p.replicas) for p in after)
    assert sum(load.leaders for load in loads.values()) == len(placed)


def test_a_new_broker_gets_its_share_and_nothing_else_moves() -> None:
    placed = [_placed(n, [1 + n % 3, 1 + (n + 1) % 3, 1 + (n + 2) % 3]) for n in range(40)]
    moves = plan_moves(placed, dict.fromkeys(range(1, 5)))
    assert [m.added for m in moves if m.added] == [(4,)] * 30
    loads = loads_of(placed, moves)
    assert [(load.replicas, load.leaders) for load in loads.values()] == [(30, 10)] * 4


def test_the_smallest_partitions_move() -> None:
    placed = [_placed(n, [1], size) for n, size in enumerate([50, 1, 70, 2])]
    moves = plan_moves(placed, {1: None, 2: None})
    assert [(m.partition.partition, m.after, m.copied) for m in moves] == [
        (1, (2,), 1),
        (3, (2,), 2),
    ]


def test_racks_come_before_evenness() -> None:
    """The only broker of rack a has a replica of each partition."""
    placed = [_placed(n, [2, 3]) for n in range(6)]
    moves = plan_moves(placed, {1: "a", 2: "b", 3: "b", 4: "b"})
    loads = loads_of(placed, moves)
    assert [loads[b].replicas for b in (1, 2, 3, 4)] == [6, 2, 2, 2]
    assert sum(len(m.added) for m in moves) == 8
    # A broker without a rack: they do not count.
    assert not plan_moves(placed[:2], {2: "b", 3: "b", 4: None}, only_needed=True)


def test_partitions_that_stay_count() -> None:
    others = [_placed(n, [2, 3]) for n in range(1, 5)]
    moves = plan_moves([_placed(0, [1])], dict.fromkeys((2, 3, 4)), others=others)
    assert [m.after for m in moves] == [(4,)]


def test_replicas_are_added_and_removed_in_place() -> None:
    brokers = dict.fromkeys(range(1, 5))
    placed = [_placed(0, [3, 1, 2])]
    (move,) = plan_moves(placed, {1: None, 3: None, 4: None}, only_needed=True)
    assert move.after == (3, 1, 4)
    (move,) = plan_moves(placed, brokers, replication_factor=4, only_needed=True)
    assert move.after == (3, 1, 2, 4)
    (move,) = plan_moves(placed, brokers, replication_factor=1, only_needed=True)
    assert move.after == (3,), "the preferred leader stays"
    with pytest.raises(ConfigError, match="5 replicas need 5 brokers; 4"):
        plan_moves(placed, brokers, replication_factor=5)


def test_loads() -> None:
    placed = [_placed(0, [1, 2], 10), _placed(1, [2], 5)]
    assert loads_of(placed) == {
        1: BrokerLoad(replicas=1, leaders=1, bytes=10),
        2: BrokerLoad(replicas=2, leaders=1, bytes=15),
    }
