"""The connection to ZooKeeper is lost at each single write of a story, before the write is applied
or after it; what was sent behind it is lost too. Then everything is as if nothing had been lost:
the same znodes, the same controller, and every broker was told the same in the end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.controller import asking
from tests.controller.kit import Cluster, FakeClient, run
from tests.controller.test_scripts import Stage

from barnabas.protocol.message import Message
from barnabas.types import TopicPartition
from barnabas.zk import paths
from barnabas.zk.znodes import TopicZNode, encode_topic
from barnabas.zookeeper.client.operations import Root
from barnabas.zookeeper.errors import ConnectionLoss
from barnabas.zookeeper.messages import OpCode

WRITES = (OpCode.CREATE, OpCode.SET_DATA, OpCode.DELETE, OpCode.MULTI)


class Cut:
    """One loss of a connection: at write ``number`` of the whole story (0: never)."""

    def __init__(self, number: int = 0, *, applied: bool = False) -> None:
        self.number = number
        self.applied = applied
        self.writes = 0
        self.kinds: dict[str, None] = {}


class CutClient(FakeClient):
    """After the loss nothing gets through until somebody waits for the connection."""

    cut: Cut
    connected_now = True

    def _apply(self, op: Any) -> Any:
        code, record = op.request(Root())
        if not self.connected_now:
            raise ConnectionLoss(op.path)
        if code not in WRITES:
            return super()._apply(op)
        self.cut.writes += 1
        self.cut.kinds[_kind(code, record)] = None
        if self.cut.writes != self.cut.number:
            return super()._apply(op)
        self.connected_now = False
        if self.cut.applied:
            super()._apply(op)
        raise ConnectionLoss(op.path)

    async def connected(self, timeout_ms: int | None = None) -> None:
        await super().connected(timeout_ms)
        self.connected_now = True


def _kind(code: int, record: Any) -> str:
    parts = record.ops if code == OpCode.MULTI else [(code, record)]
    words = [f"{OpCode(c).name.lower().removesuffix('_data')} {_general(p.path)}" for c, p in parts]
    return "; ".join(dict.fromkeys(words))


def _general(path: str) -> str:
    path = re.sub(r"^(/brokers/topics|/admin/delete_topics)/[^/]+", r"\1/T", path)
    return re.sub(r"(?<=[/_])\d+(?=/|$)", "N", path)


class Story(Stage):
    """Every kind of write that a controller makes, one after the other."""

    def __init__(self, cut: Cut) -> None:
        super().__init__()
        self.cut = cut

    async def play(self) -> dict[str, object]:
        """What is so at the end."""
        for broker in (1, 2, 3):
            self.cluster.register(broker)
            self.cluster.start_controller(broker)
            client = self.cluster.clients[broker]
            client.__class__ = CutClient
            client.cut = self.cut  # type: ignore[attr-defined]
            await self.rest()
        for step in (
            self.topics, self.isr, self.death, self.elections, self.moves, self.notifications,
            self.shutdown, self.producer_ids, self.deletion, self.usurped,
        ):  # fmt: skip
            await step()
            await self.rest()
        end = {**_tree(self.cluster), **_told(self.cluster)}
        await self.cluster.stop()
        return end

    async def rest(self) -> None:
        await self.cluster.settle(3.0)

    async def topics(self) -> None:
        await self.do_topic("t", "0:2,1,3", "1:3,2,1")
        await self.rest()
        await self.do_partitions("t", "2:1,3,2")
        await self.rest()
        by_hand = TopicZNode(partitions={0: (1, 2), 1: (2, 1)}, topic_id=None)
        self.cluster.zookeeper.create(paths.topic_path("old"), encode_topic(by_hand))

    async def isr(self) -> None:
        await self.propose(0, 2)
        await self.propose(0, 2, 1, 3)

    async def death(self) -> None:
        await self.do_crash("3")
        await self.rest()
        await self.do_register("3")

    async def usurped(self) -> None:
        self.cluster.zookeeper.delete(paths.CONTROLLER)

    async def elections(self) -> None:
        await self.propose(1, 2, 1, 3)
        await self.do_elect("preferred", "t-1")
        await self.propose(2, 1, 2, 3)
        await self.do_prefer("t-2")

    async def moves(self) -> None:
        await self.do_reassign("t-1:2,1")
        await self.rest()
        await self.do_reassign("t-1:3,2")
        await self.rest()
        await self.propose(1, 2, 1, 3)
        await self.rest()
        await self.do_tool_reassigns("t-2:2,3", "t-0:2,1")
        await self.rest()
        await self.do_tool_reassigns("t-2:2,3,1", "t-0:1,2")  # of which one is done at once
        await self.rest()
        await self.propose(2, 2, 3, 1)
        await self.rest()

    async def notifications(self) -> None:
        await self.do_log_dir_fails("2", "old-1")
        self.cluster.zookeeper.create(
            paths.ISR_CHANGE_PREFIX + "0000000000",
            b'{"version":1,"partitions":[{"topic":"t","partition":0}]}',
        )

    async def shutdown(self) -> None:
        request = Message(broker_id=2, broker_epoch=self.cluster.brokers[2].epoch)
        await asking.controlled_shutdown(self.cluster.active, request)

    async def producer_ids(self) -> None:
        await self.do_producer_ids("1")

    async def deletion(self) -> None:
        await self.do_bounce("2")  # after its shutdown
        await self.rest()
        await self.do_delete_topic("t")

    async def propose(self, partition: int, *isr: int) -> None:
        """The leader's AlterPartition, as often as it takes."""
        state = self.cluster.state("t", partition)
        members = ",".join(f"{b}@{self.cluster.brokers[b].epoch}" for b in isr)
        numbers = f"e{state.leader_epoch}", f"v{state.partition_epoch}"
        await self.do_alter(str(state.leader), f"t-{partition}", members, *numbers)
        assert self.cluster.state("t", partition).isr == isr
        await self.rest()


OF_STATES = "/brokers/topics/T/partitions/N/state"
KINDS = [
    f"check /controller_epoch; create /brokers/topics/T/partitions/N; create {OF_STATES}",
    "check /controller_epoch; create /brokers/topics/T/partitions;"
    f" create /brokers/topics/T/partitions/N; create {OF_STATES}",
    "check /controller_epoch; delete /admin/delete_topics/T",
    "check /controller_epoch; delete /admin/preferred_replica_election",
    "check /controller_epoch; delete /admin/reassign_partitions",
    f"check /controller_epoch; delete {OF_STATES}; delete /brokers/topics/T/partitions/N;"
    " delete /brokers/topics/T/partitions; delete /brokers/topics/T",
    "check /controller_epoch; delete /config/topics/t",
    "check /controller_epoch; delete /isr_change_notification/isr_change_N",
    "check /controller_epoch; delete /log_dir_event_notification/log_dir_event_N",
    "check /controller_epoch; set /admin/reassign_partitions",
    "check /controller_epoch; set /brokers/topics/T",
    f"check /controller_epoch; set {OF_STATES}",
    "create /controller; set /controller_epoch",
    "create /controller_epoch",
    "create /feature",
    "set /latest_producer_id_block",
]
UNLIKE = re.compile(r'"topic_id":"[^"]*"')
"""Drawn anew for a topic that has none."""


def _tree(cluster: Cluster) -> dict[str, object]:
    return {
        path: UNLIKE.sub("", (node.data or b"").decode())
        for path, node in cluster.zookeeper.tree.nodes.items()
        if path != paths.PRODUCER_ID_BLOCK  # a block may be wasted
    }


def _told(cluster: Cluster) -> dict[str, object]:
    """What each broker that lives was told last of each partition, by request."""
    told: dict[str, object] = {}
    for broker, api_key, message in cluster.requests:
        for topic in message.topic_states:
            for p in topic.partition_states:
                tp = TopicPartition(topic.topic_name, p.partition_index)
                if api_key == 4:
                    state: object = (p.leader, p.leader_epoch, tuple(p.isr), p.partition_epoch)
                elif api_key == 6:
                    state = (p.leader, p.leader_epoch, tuple(p.isr), p.zk_version)
                else:
                    state = (p.leader_epoch, p.delete_partition)
                told[f"{broker} of {tp} by {api_key}"] = state
    return told


def _played(cut: Cut) -> dict[str, object]:
    return run(lambda: Story(cut).play())


@pytest.fixture(scope="module")
def uncut() -> tuple[Cut, dict[str, object]]:
    cut = Cut()
    return cut, _played(cut)


def test_every_kind_of_write_is_in_the_story(uncut: tuple[Cut, dict[str, object]]) -> None:
    assert sorted(uncut[0].kinds) == KINDS


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_each_write_cut(uncut: tuple[Cut, dict[str, object]], applied: bool) -> None:
    cut, expected = uncut
    different = {}
    for number in range(1, cut.writes + 1):
        one = Cut(number, applied=applied)
        found = _played(one)
        unlike = {
            path: (expected.get(path), found.get(path))
            for path in {**expected, **found}
            if expected.get(path) != found.get(path)
        }
        if unlike:
            different[number] = unlike
    assert not different
