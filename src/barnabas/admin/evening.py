"""Spreads units over brokers: as evenly as possible, and with the cheapest moves that do so. Pure.

What is spread (replicas, or preferred leaders) and where a unit may go is a ``Spread``. This is
a flow of least cost: brokers are nodes, and an edge from ``a`` to ``b`` is the cheapest unit
that can go from ``a`` to ``b``. A further node, the ground, stands for the loads: the first unit of
a broker costs 1, the next one 3, the next 5, so that all units together cost the sum of the squares
of the loads. A circle of edges whose costs are negative in sum is a change for the better, and
without such circles a flow has the least cost there is (Klein 1967). So the result is the optimum,
not a guess, and what is optimal already is left as it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final, Protocol

Step = tuple[int, int, int]
"""An item, the broker that it leaves, and the one that it goes to."""

GROUND: Final = -1


class Spread(Protocol):
    """Which items are on which brokers: partitions, of which each has one or more units."""

    def __len__(self) -> int:
        """The number of items."""

    def holders(self, item: int) -> Collection[int]:
        """The brokers from which one of the item's units can go to others."""

    def cost(self, item: int, giver: int, taker: int) -> int | None:
        """What one such move costs, negative if it takes back what was moved before; None if it is
        not possible now."""

    def move(self, item: int, giver: int, taker: int) -> None:
        """Do it."""


def even_out(
    spread: Spread,
    brokers: Sequence[int],
    fixed: Mapping[int, int],
    *,
    cost_max: int,
    only_needed: bool = False,
) -> None:
    """Move units until the sum of the squares of all loads is the least possible, and among those
    results the costs; with ``only_needed`` the costs come first, then the loads.

    ``fixed``: units on brokers that do not move. ``cost_max``: a bound for the costs of all moves
    together."""
    _Evening(spread, brokers, fixed, cost_max, only_needed).run()


class _Evening:
    def __init__(
        self,
        spread: Spread,
        brokers: Sequence[int],
        fixed: Mapping[int, int],
        cost_max: int,
        only_needed: bool,
    ) -> None:
        self._spread = spread
        self._brokers = brokers
        self._loads = {b: fixed.get(b, 0) for b in brokers}
        self._offers: dict[tuple[int, int], list[tuple[int, int]]] = {
            (a, b): [] for a in brokers for b in brokers if a != b
        }
        """For each two brokers a heap of costs and items. An entry may have become untrue."""
        for item in range(len(spread)):
            for giver in spread.holders(item):
                self._loads[giver] += 1
                for taker in brokers:
                    cost = None if giver == taker else spread.cost(item, giver, taker)
                    if cost is not None:
                        self._offers[giver, taker].append((cost, item))
        for offers in self._offers.values():
            heapq.heapify(offers)
        # One number orders what comes first, what second, and then the number of steps.
        step = len(brokers) + 2
        squares = sum(self._loads.values()) ** 2
        if only_needed:
            self._per_load, self._per_cost = step, step * 2 * (squares + 1)
        else:
            self._per_load, self._per_cost = step * 2 * (cost_max + 1), step
        self._only_needed = only_needed

    def run(self) -> None:
        if not self._only_needed:
            while self._directly():
                pass
        while (circle := self._better_circle()) is not None:
            self._apply(circle)

    # Offers

    def _best(self, giver: int, taker: int) -> tuple[int, int] | None:
        """The cheapest unit that can go from one broker to the other now: its cost and item."""
        offers = self._offers[giver, taker]
        while offers:
            cost, item = offers[0]
            if self._spread.cost(item, giver, taker) == cost:
                return cost, item
            heapq.heappop(offers)  # comes back when this item moves
        return None

    def _move(self, step: Step) -> None:
        item, giver, taker = step
        self._spread.move(item, giver, taker)
        self._loads[giver] -= 1
        self._loads[taker] += 1
        for holder in self._spread.holders(item):
            for other in self._brokers:
                cost = None if other == holder else self._spread.cost(item, holder, other)
                if cost is not None:
                    heapq.heappush(self._offers[holder, other], (cost, item))

    # Improvements

    def _directly(self) -> bool:
        """One unit from a fuller to an emptier broker, the cheapest. Most of the way is such."""
        loads = self._loads
        found = min(
            (
                (best[0], loads[b] - loads[a], a, b, best[1])
                for a in self._brokers
                for b in self._brokers
                if loads[a] - loads[b] > 1
                if (best := self._best(a, b)) is not None
            ),
            default=None,
        )
        if found is None:
            return False
        _, _, giver, taker, item = found
        self._move((item, giver, taker))
        return True

    def _better_circle(self) -> list[Step] | None:
        """Bellman and Ford's search for a circle of negative cost; None if there is none."""
        edges = self._edges()
        nodes = [*self._brokers, GROUND]
        distance = dict.fromkeys(nodes, 0)
        came: dict[int, tuple[int, int]] = {}
        while True:
            changed = False
            for a, b, cost, item in edges:
                if distance[a] + cost < distance[b]:
                    distance[b] = distance[a] + cost
                    came[b] = (a, item)
                    changed = True
            if not changed:
                return None
            if (circle := _circle(came)) is not None:
                return circle

    def _edges(self) -> list[tuple[int, int, int, int]]:
        edges = []
        for (a, b), offers in self._offers.items():
            best = self._best(a, b) if offers else None
            if best is not None:
                edges.append((a, b, best[0] * self._per_cost + 1, best[1]))
        for broker in self._brokers:
            load = self._loads[broker]
            edges.append((broker, GROUND, (2 * load + 1) * self._per_load, GROUND))
            edges.append((GROUND, broker, -(2 * load - 1) * self._per_load, GROUND))
        return edges

    def _apply(self, circle: list[Step]) -> None:
        """Do all steps of a circle, or of a smaller one in it."""
        while not self._is_possible(circle):
            circle = self._part_of(circle)
        for step in circle:
            if step[0] != GROUND:
                self._move(step)

    def _is_possible(self, circle: list[Step]) -> bool:
        """Whether all steps can be done one after the other; they are taken back."""
        spread, done = self._spread, []
        steps = [step for step in circle if step[0] != GROUND]
        for step in steps:
            if spread.cost(*step) is None:
                break
            spread.move(*step)
            done.append(step)
        for item, giver, taker in reversed(done):
            spread.move(item, taker, giver)
        return len(done) == len(steps)

    def _part_of(self, circle: list[Step]) -> list[Step]:
        """If two steps of the same item exclude each other, the circle is two circles that meet at
        this item. One of them alone is an improvement."""
        for i, j in combinations(range(len(circle)), 2):
            (item, a, b), (other, c, d) = circle[i], circle[j]
            if item != other or item == GROUND:
                continue
            outer = [*circle[:i], (item, a, d), *circle[j + 1 :]]
            inner = [(item, c, b), *circle[i + 1 : j]]
            for part in (outer, inner):
                kept = [step for step in part if step[1] != step[2]]
                cost = self._cost_of(kept)
                if cost is not None and cost < 0:
                    return kept
        raise AssertionError(f"a circle that cannot be applied: {circle}")

    def _cost_of(self, circle: Iterable[Step]) -> int | None:
        total = 0
        for item, a, b in circle:
            if a == GROUND:
                total -= (2 * self._loads[b] - 1) * self._per_load
            elif b == GROUND:
                total += (2 * self._loads[a] + 1) * self._per_load
            else:
                cost = self._spread.cost(item, a, b)
                if cost is None:
                    return None
                total += cost * self._per_cost + 1
        return total


def _circle(came: Mapping[int, tuple[int, int]]) -> list[Step] | None:
    """A circle among the edges by which nodes were reached last."""
    seen: dict[int, int] = {}
    for start in came:
        node = start
        while node in came and node not in seen:
            seen[node] = start
            node = came[node][0]
        if node in came and seen[node] == start:
            circle: list[Step] = []
            at = node
            while True:
                before, item = came[at]
                circle.append((item, before, at))
                at = before
                if at == node:
                    return circle[::-1]
    return None
