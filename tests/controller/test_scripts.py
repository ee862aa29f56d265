"""Scripted golden tests: each file in ``scripts/`` is a list of steps (``> ...``) and what follows:
writes to ZooKeeper (``zk``), requests to brokers (``2 <-``), answers (``->``) and notes (``*``).
Run with ``BARNABAS_REWRITE=1`` to write down what happens now, and read the difference.

Where the recordings of Kafka 3.9.1 (``tests/golden``) have the same situation, the comments of a
script
say which step that is and what differs.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path

import pytest
from tests.controller import asking
from tests.controller.kit import Cluster, run

from barnabas.controller.requested_elections import RequestedElection
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.message import Message
from barnabas.types import ZERO_UUID, TopicPartition
from barnabas.zk import paths
from barnabas.zk.znodes import (
    TopicZNode,
    decode_topic,
    encode_config,
    encode_log_dir_event,
    encode_preferred_election,
    encode_reassignment,
    encode_topic,
)

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_script(path: Path) -> None:
    expected = path.read_text()
    actual = run(lambda: _play(expected))
    if os.environ.get("BARNABAS_REWRITE"):
        path.write_text(actual)
    assert actual == expected


async def _play(script: str) -> str:
    stage = Stage()
    out = []
    for line in script.splitlines():
        if line.startswith("> "):
            out.append(line)
            command, *words = line[2:].split()
            await getattr(stage, "do_" + command.replace("-", "_"))(*words)
            await stage.cluster.settle()
            out += stage.cluster.recorder.take()
            out.append("")
        elif line.startswith("#"):
            out.append(line)
    await stage.cluster.stop()
    return "\n".join(out).rstrip() + "\n"


class Stage:
    """The steps that a script can take."""

    def __init__(self) -> None:
        self.cluster = Cluster()

    async def do_start(self, *brokers: str) -> None:
        """Register brokers and start their controllers, one after the other."""
        await self.cluster.start(*map(int, brokers))

    async def do_register(self, broker: str, *flags: str) -> None:
        """Only register (again): the port opens (or is ``closed``), the epoch is new."""
        self.cluster.register(int(broker), unclean="unclean" in flags)
        if "closed" in flags:
            self.cluster.brokers[int(broker)].mode = "refuse"

    async def do_bounce(self, broker: str, *flags: str) -> None:
        """The process dies and is back before anybody looks."""
        await self.cluster.crash(int(broker))
        self.cluster.register(int(broker), unclean="unclean" in flags)

    async def do_settle_doubt(self, broker: str) -> None:
        """All logs of the broker are level again; its registration says so."""
        self.cluster.settle_doubt(int(broker))

    async def do_controller(self, broker: str) -> None:
        self.cluster.start_controller(int(broker))

    async def do_crash(self, *brokers: str) -> None:
        """Kill; sessions end at once, in this order."""
        for broker in brokers:
            await self.cluster.crash(int(broker))

    async def do_kill(self, broker: str) -> None:
        """Kill; the session lives on."""
        await self.cluster.crash(int(broker), session_ends=False)

    async def do_end_session(self, broker: str) -> None:
        self.cluster.end_session(int(broker))

    async def do_port(self, broker: str, mode: str) -> None:
        """up, refuse, hang, unreachable; open connections are reset unless it hangs."""
        if mode in ("refuse", "unreachable"):
            self.cluster.brokers[int(broker)].kill()
        self.cluster.brokers[int(broker)].mode = mode

    async def do_wait(self, ms: str) -> None:
        await asyncio.sleep(int(ms) / 1000)

    async def do_topic(self, name: str, *assignment: str) -> None:
        """``topic t 0:1,2,3 1:2,3,1``"""
        number = len(self.cluster.zookeeper.tree.nodes[paths.TOPICS].children) + 1
        self.cluster.create_topic(name, _assignment(assignment), number)

    async def do_config(self, topic: str, setting: str) -> None:
        name, _, value = setting.partition("=")
        path = paths.config_path(paths.topic_entity(topic))
        self.cluster.zookeeper.create(path, encode_config({name: value}))
        for controller in self.cluster.controllers.values():
            controller.on_unclean_election_setting(topic)

    async def do_partitions(self, name: str, *added: str) -> None:
        """CreatePartitions."""
        path = paths.topic_path(name)
        znode = decode_topic(path, self.cluster.zookeeper.read(path))
        assignment = {**znode.partitions, **_assignment(added)}
        body = encode_topic(TopicZNode(partitions=assignment, topic_id=znode.topic_id))
        self.cluster.zookeeper.set(path, body)

    async def do_was_reassigning(
        self, name: str, partition: str, adding: str, removing: str
    ) -> None:
        """A topic whose znode says that a partition is on the move."""
        path = paths.topic_path(name)
        znode = decode_topic(path, self.cluster.zookeeper.read(path))
        number = int(partition)
        both = (*_ids(adding), *znode.partitions[number])
        body = encode_topic(
            TopicZNode(
                partitions={**znode.partitions, number: both},
                topic_id=znode.topic_id,
                adding={number: _ids(adding)},
                removing={number: _ids(removing)},
            )
        )
        self.cluster.zookeeper.set(path, body)

    async def do_delete_topic(self, name: str) -> None:
        self.cluster.zookeeper.create(paths.delete_topic_path(name))

    async def do_prefer(self, *partitions: str) -> None:
        """A tool asks for preferred leaders."""
        body = encode_preferred_election([_tp(p) for p in partitions])
        self.cluster.zookeeper.create(paths.PREFERRED_REPLICA_ELECTION, body)

    async def do_elect(self, kind: str, *partitions: str) -> None:
        """``elect preferred t-0`` or ``elect unclean t-0``: ElectLeaders."""
        asked = RequestedElection(
            partitions=tuple(_tp(p) for p in partitions), unclean=kind == "unclean"
        )
        results = await asking.elect_leaders(self.cluster.active, asked)
        assert results is not None
        said = [
            f"{tp}:{r.code.name}" if isinstance(r, KafkaError) else f"{tp}:L{r}"
            for tp, r in results.items()
        ]
        self.cluster.recorder.lines.append("-> " + " ".join(said))

    async def do_reassign(self, *moves: str) -> None:
        """``reassign t-0:3,2 t-1:cancel``: AlterPartitionReassignments."""
        topics = []
        for move in moves:
            tp, _, target = move.partition(":")
            wanted = None if target == "cancel" else _ids(target) if target else ()
            asked = Message(partition_index=_tp(tp).partition, replicas=wanted)
            topics.append(Message(name=_tp(tp).topic, partitions=[asked]))
        answer = await asking.alter_partition_reassignments(
            self.cluster.active, Message(topics=topics)
        )
        said = [
            f"{t.name}-{p.partition_index}:{ErrorCode(p.error_code).name}"
            for t in answer.responses
            for p in t.partitions
        ]
        self.cluster.recorder.lines.append(f"-> error={int(answer.error_code)} " + " ".join(said))

    async def do_reassigning(self, *partitions: str) -> None:
        """ListPartitionReassignments."""
        topics = None
        if partitions:
            asked = [_tp(p) for p in partitions]
            topics = [Message(name=tp.topic, partition_indexes=[tp.partition]) for tp in asked]
        answer = await asking.list_partition_reassignments(
            self.cluster.active, Message(topics=topics)
        )
        said = [
            f"{t.name}-{p.partition_index}:{list(p.replicas)} adding={list(p.adding_replicas)} "
            f"removing={list(p.removing_replicas)}"
            for t in answer.topics
            for p in t.partitions
        ]
        self.cluster.recorder.lines.append("-> " + (", ".join(said) or "nothing moves"))

    async def do_tool_reassigns(self, *moves: str) -> None:
        """An old tool writes ``/admin/reassign_partitions``."""
        targets = {_tp(tp): _ids(ids) for tp, _, ids in (m.partition(":") for m in moves)}
        self.cluster.zookeeper.create(paths.REASSIGN_PARTITIONS, encode_reassignment(targets))

    async def do_tool_writes(self, body: str) -> None:
        self.cluster.zookeeper.create(paths.REASSIGN_PARTITIONS, body.encode())

    async def do_log_dir_fails(self, broker: str, *partitions: str) -> None:
        for p in partitions:
            tp = _tp(p)
            self.cluster.brokers[int(broker)].partition_errors[tp.topic, tp.partition] = 56
        path = paths.LOG_DIR_EVENT_PREFIX + "0000000000"
        self.cluster.zookeeper.create(path, encode_log_dir_event(int(broker)))

    async def do_stop_error(self, broker: str, code: str) -> None:
        """What the broker answers to every StopReplica from now on."""
        self.cluster.brokers[int(broker)].stop_error = int(code)

    async def do_alter(self, leader: str, partition: str, isr: str, *fields: str) -> None:
        """``alter 1 t-0 1,2 e0 v0``: AlterPartition v3; members as ``2@epoch`` carry an epoch."""
        tp = _tp(partition)
        numbers = {
            f[0]: int(f[1:]) for f in fields if f[0] in "evrb" and f[1:].lstrip("-").isdigit()
        }
        path = paths.topic_path(tp.topic)
        topic_id = ZERO_UUID
        if path in self.cluster.zookeeper.tree.nodes:
            topic_id = decode_topic(path, self.cluster.zookeeper.read(path)).topic_id or ZERO_UUID
        if "unknown-id" in fields:
            topic_id = uuid.UUID(int=99)
        members = []
        for member in isr.split(","):
            broker, _, epoch = member.partition("@")
            members.append(Message(broker_id=int(broker), broker_epoch=int(epoch or -1)))
        request = Message(
            broker_id=int(leader),
            broker_epoch=numbers.get("b", self.cluster.brokers[int(leader)].epoch),
            topics=[
                Message(
                    topic_id=topic_id,
                    partitions=[
                        Message(
                            partition_index=tp.partition,
                            leader_epoch=numbers["e"],
                            new_isr_with_epochs=members,
                            leader_recovery_state=numbers.get("r", 0),
                            partition_epoch=numbers["v"],
                        )
                    ],
                )
            ],
        )
        answer = await asking.alter_partition(self.cluster.active, request)
        said = [f"error={int(answer.error_code)}"]
        for topic in answer.topics:
            for p in topic.partitions:
                said.append(f"p{p.partition_index} error={int(p.error_code)}")
                if not p.error_code:
                    isr_text = ",".join(map(str, p.isr))
                    said.append(
                        f"leader={p.leader_id} e{p.leader_epoch} isr=[{isr_text}] "
                        f"v{p.partition_epoch}"
                    )
        self.cluster.recorder.lines.append("-> " + " ".join(said))

    async def do_shutdown(self, broker: str, *epoch: str) -> None:
        """ControlledShutdown."""
        given = int(epoch[0]) if epoch else self.cluster.brokers[int(broker)].epoch
        answer = await asking.controlled_shutdown(
            self.cluster.active, Message(broker_id=int(broker), broker_epoch=given)
        )
        left = [f"{p.topic_name}-{p.partition_index}" for p in answer.remaining_partitions]
        self.cluster.recorder.lines.append(f"-> error={int(answer.error_code)} remaining={left}")

    async def do_producer_ids(self, broker: str) -> None:
        answer = await asking.allocate_producer_ids(
            self.cluster.active,
            Message(broker_id=int(broker), broker_epoch=self.cluster.brokers[int(broker)].epoch),
        )
        said = f"-> error={int(answer.error_code)}"
        if not answer.error_code:
            said += f" start={answer.producer_id_start} len={answer.producer_id_len}"
        self.cluster.recorder.lines.append(said)

    async def do_lose_answers(self, broker: str, count: str) -> None:
        """The next writes of this broker's controller are applied, their answers lost."""
        self.cluster.clients[int(broker)].lose_answers = int(count)

    async def do_expire(self, broker: str) -> None:
        """The session of a living broker expires; it registers in a new one."""
        number = int(broker)
        self.cluster.clients[number].expired = True
        self.cluster.controllers[number].on_session_expired()
        self.cluster.end_session(number)
        await self.cluster.settle()
        self.cluster.register(number)
        client = self.cluster.clients[number]
        client.expired, client.session_id = False, self.cluster.brokers[number].session
        self.cluster.controllers[number].on_new_session()

    async def do_late_write(self, partition: str, isr: str) -> None:
        """What a controller that has died since had sent: the state as it is, with this ISR."""
        self.cluster.patch_state(*_tp(partition), isr=_ids(isr))

    async def do_other_controller(self, epoch: str) -> None:
        """Somebody else has become controller, and we have not heard of it yet."""
        self.cluster.zookeeper.set(paths.CONTROLLER_EPOCH, epoch.encode())

    async def do_show(self, *partitions: str) -> None:
        """The states in ZooKeeper."""
        for p in partitions:
            state = self.cluster.state(*_tp(p))
            isr = ",".join(map(str, state.isr))
            doubt = " recovering" if state.recovering else ""
            self.cluster.recorder.lines.append(
                f"{p}: leader={state.leader} e{state.leader_epoch} isr=[{isr}] "
                f"v{state.partition_epoch} c{state.controller_epoch}{doubt}"
            )


def _ids(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _assignment(words: tuple[str, ...]) -> dict[int, tuple[int, ...]]:
    return {int(number): _ids(ids) for number, _, ids in (w.partition(":") for w in words)}


def _tp(text: str) -> TopicPartition:
    topic, _, number = text.rpartition("-")
    return TopicPartition(topic, int(number))
