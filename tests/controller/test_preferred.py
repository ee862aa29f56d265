"""Tools ask for preferred leaders one after the other: none is passed over."""

from __future__ import annotations

import uuid
from typing import Any

from tests.controller import asking
from tests.controller.kit import Cluster, run

from barnabas.errors import ErrorCode
from barnabas.protocol.message import Message
from barnabas.types import TopicPartition
from barnabas.zk import paths
from barnabas.zk.znodes import encode_preferred_election


def test_a_request_that_comes_as_the_last_one_is_removed() -> None:
    """Faster than the watch for it is set."""

    async def main() -> None:
        cluster = Cluster()
        await cluster.start(1)
        for number, topic in enumerate(("t", "u"), start=1):
            cluster.create_topic(topic, {0: (2, 1)}, number)
        await cluster.settle()
        await cluster.start(2)
        for number, topic in enumerate(("t", "u"), start=1):
            await _join(cluster, topic, number)
            assert _led(cluster, topic) == 1
        path, again = paths.PREFERRED_REPLICA_ELECTION, [True]
        client = cluster.clients[1]
        submit = client.submit

        def asked_again(op: Any) -> Any:
            answer = submit(op)
            if again and path not in cluster.zookeeper.tree.nodes and _led(cluster, "t") == 2:
                again.pop()
                body = encode_preferred_election([TopicPartition("u", 0)])
                cluster.zookeeper.create(path, body)
            return answer

        client.submit = asked_again  # type: ignore[method-assign]
        cluster.zookeeper.create(path, encode_preferred_election([TopicPartition("t", 0)]))
        await cluster.settle(10)
        assert not again
        assert path not in cluster.zookeeper.tree.nodes
        assert (_led(cluster, "t"), _led(cluster, "u")) == (2, 2)
        await cluster.stop()

    run(main)


async def _join(cluster: Cluster, topic: str, number: int) -> None:
    """Broker 2 joins the ISR that broker 1 leads."""
    state = cluster.state(topic)
    members = [Message(broker_id=b, broker_epoch=cluster.brokers[b].epoch) for b in (1, 2)]
    partition = Message(
        partition_index=0,
        leader_epoch=state.leader_epoch,
        partition_epoch=state.partition_epoch,
        new_isr_with_epochs=members,
        leader_recovery_state=0,
    )
    topics = [Message(topic_id=uuid.UUID(int=number << 64), partitions=[partition])]
    epoch = cluster.brokers[1].epoch
    request = Message(broker_id=1, broker_epoch=epoch, topics=topics)
    answer = await asking.alter_partition(cluster.controllers[1], request)
    assert answer.topics[0].partitions[0].error_code == ErrorCode.NONE


def _led(cluster: Cluster, topic: str) -> int:
    return int(cluster.state(topic).leader)
