"""When a broker is ready."""

from __future__ import annotations

from typing import Any

from barnabas.monitor.health import Condition
from barnabas.types import TopicPartition


def condition(**changes: Any) -> Condition:
    known = {"broker_id": 1, "registered": True, "controller_id": 2, "offline": [], **changes}
    return Condition(**known)


def test_who_is_registered_and_knows_a_controller_is_ready() -> None:
    assert condition().document() == {
        "ready": True,
        "reasons": [],
        "broker": 1,
        "registered": True,
        "controller": 2,
        "offline_partitions": 0,
    }


def test_each_reason_is_told() -> None:
    found = condition(registered=False, controller_id=None, offline=[TopicPartition("t", 0)])
    assert found.reasons() == [
        "not registered in ZooKeeper",
        "no controller known",
        "partitions led here are offline: t-0",
    ]
    assert found.document()["ready"] is False


def test_few_of_many_partitions_are_named() -> None:
    (reason,) = condition(offline=[TopicPartition("t", n) for n in range(1_000)]).reasons()
    assert reason.endswith("t-19 and 980 more")
