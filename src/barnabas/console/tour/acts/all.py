"""Which function does which lesson."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from barnabas.console.tour.acts import (
    controller_dies,
    in_sync,
    last_replica,
    leader_dies,
    leaders,
    no_zookeeper,
    rebalance,
)
from barnabas.console.tour.lesson import Seen
from barnabas.console.tour.stage import Stage

Act: TypeAlias = Callable[[Stage], Awaitable[list[Seen]]]

ACTS: Final[Mapping[str, Act]] = {
    "leaders": leaders.act,
    "in-sync": in_sync.act,
    "leader-dies": leader_dies.act,
    "controller-dies": controller_dies.act,
    "no-zookeeper": no_zookeeper.act,
    "last-replica": last_replica.act,
    "rebalance": rebalance.act,
}
