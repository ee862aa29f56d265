"""Which replica a consumer reads from: KIP-392."""

from __future__ import annotations

import pytest

from barnabas.replication.replica_selector import SELECTORS, Consumer, ReplicaView, rack_aware
from barnabas.security.principal import ANONYMOUS
from barnabas.types import TopicPartition

LEADER = ReplicaView(1, "a", 100, 0)


@pytest.mark.parametrize(
    ("rack", "followers", "chosen"),
    [
        pytest.param("", [ReplicaView(2, "b", 100, 9)], 1, id="no rack"),
        pytest.param("a", [ReplicaView(2, "a", 100, 9)], 1, id="the leader's rack"),
        pytest.param("c", [ReplicaView(2, "b", 100, 9)], 1, id="nobody's rack"),
        pytest.param("b", [ReplicaView(2, None, 100, 9)], 1, id="a rack that is not known"),
        pytest.param("b", [ReplicaView(2, "b", 90, 1)], 2, id="one in its rack"),
        pytest.param(
            "b",
            [ReplicaView(2, "b", 90, 9), ReplicaView(3, "b", 91, 1), ReplicaView(4, "c", 99, 9)],
            3,
            id="the one with more records",
        ),
        pytest.param(
            "b", [ReplicaView(3, "b", 90, 9), ReplicaView(2, "b", 90, 8)], 2, id="caught up later"
        ),
        pytest.param(
            "b", [ReplicaView(3, "b", 90, 9), ReplicaView(2, "b", 90, 9)], 3, id="the greater id"
        ),
    ],
)
def test_rack_aware(rack: str, followers: list[ReplicaView], chosen: int) -> None:
    choice = rack_aware(Consumer(rack, "client", "::1", ANONYMOUS, "PLAINTEXT"))
    if choice is None:
        assert (rack, chosen) == ("", LEADER.broker_id)
        return
    found = choice(TopicPartition("t", 0), LEADER, followers)
    assert found is not None
    assert found.broker_id == chosen


def test_kafkas_names_and_ours_mean_the_same() -> None:
    kafka = "org.apache.kafka.common.replica."
    assert SELECTORS[f"{kafka}RackAwareReplicaSelector"] is SELECTORS["rack-aware"] is rack_aware
    assert SELECTORS[f"{kafka}LeaderSelector"] is SELECTORS["leader"] is SELECTORS[""] is None
