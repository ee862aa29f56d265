"""Random histories of deaths, restarts, bounces, lost sessions, reassignments and requested
elections; what holds after each step."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.controller import asking
from tests.controller.kit import Cluster, run

from barnabas.controller.requested_elections import RequestedElection
from barnabas.protocol.message import Message
from barnabas.types import LeaderAndIsr, TopicPartition
from barnabas.zk import paths
from barnabas.zk.znodes import TopicZNode, decode_topic

ASSIGNMENT = {0: (1, 2, 3), 1: (2, 3, 1), 2: (3, 1), 3: (2,)}
ACTIONS = (
    "crash",
    "kill",
    "end_session",
    "start",
    "start_unclean",
    "bounce",
    "bounce_unclean",
    "refuse",
    "answer",
    "expire",
    "grow_isr",
    "lose_answer",
    "wait",
    "level",
    "reassign",
    "cancel",
    "elect",
)
STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(1, 3)), max_size=25)
TARGETS = {1: (2, 1), 2: (3, 2, 1), 3: (1, 3)}
"""Where partition 0 is moved to, by the number that was drawn; never to one replica, which is all
that can be had, whatever it may lack."""


class History:
    def __init__(self) -> None:
        self.cluster = Cluster()
        self.seen: dict[int, LeaderAndIsr] = {}
        self.grown: dict[int, set[int]] = {}
        self.registered: dict[int, bool] = {}
        self.running: dict[int, bool] = {}
        self.full = {number: set(replicas) for number, replicas in ASSIGNMENT.items()}
        """Who has everything that was acknowledged; a crash of its machine takes that away."""
        self.doubt: dict[int, bool] = {}
        """Whose machine crashed, and whose logs have not all been level with their leaders since.
        It is on the disk: every registration says it until then."""
        self.checked = 0

    async def begin(self) -> None:
        for broker in (1, 2, 3):
            await self.start(broker)
        self.cluster.create_topic("t", ASSIGNMENT, 1)
        await self.cluster.settle()

    async def start(self, broker: int, unclean: bool = False) -> None:
        if self.registered.get(broker):
            return
        self.doubt[broker] = unclean or self.doubt.get(broker, False)
        self.cluster.register(broker, unclean=self.doubt[broker])
        self.cluster.start_controller(broker)
        self.registered[broker] = self.running[broker] = True
        for full in self.full.values() if unclean else ():
            full.discard(broker)

    def level(self, broker: int) -> None:
        """Its followers fetch as much as they can; if all are level, there is no doubt any more."""
        level = True
        for number in ASSIGNMENT:
            if broker not in self.replicas(number):
                continue
            leader = self.leader_of(number, broker)
            level = level and leader is not None
            # In the ISR nothing is acknowledged without it from now on; else it is not in sync.
            in_sync = broker in self.cluster.state("t", number).isr
            if leader in self.full[number] and in_sync:
                self.full[number].add(broker)
        if level and self.doubt[broker]:
            self.doubt[broker] = False
            self.cluster.settle_doubt(broker)

    def znode(self) -> TopicZNode:
        path = paths.topic_path("t")
        return decode_topic(path, self.cluster.zookeeper.read(path))

    def replicas(self, number: int) -> tuple[int, ...]:
        """Where the partition lives now; during a move, the old and the new."""
        return self.znode().partitions[number]

    def leader_of(self, number: int, broker: int) -> int | None:
        """Whom this broker follows (or itself), if that is one who leads in the same epoch."""
        told = self.told(number, broker)
        if told is None or told.leader == -1 or told.leader == broker:
            return told.leader if told and told.leader == broker else None
        leader = told.leader
        theirs = self.told(number, leader) if self.running.get(leader) else None
        if theirs is None or (theirs.leader, theirs.leader_epoch) != (leader, told.leader_epoch):
            return None
        return leader if self.cluster.brokers[leader].mode == "up" else None

    def told(self, number: int, broker: int) -> Any:
        """The last role that this incarnation of the broker was given."""
        for receiver, api_key, message in reversed(self.cluster.requests):
            ours = receiver == broker and api_key == 4
            if ours and message.broker_epoch == self.cluster.brokers[broker].epoch:
                for topic in message.topic_states:
                    for p in topic.partition_states:
                        if p.partition_index == number:
                            return p
        return None

    async def act(self, action: str, broker: int) -> None:
        """One step; those that make no sense now do nothing."""
        cluster = self.cluster
        up = self.running.get(broker, False)
        if action == "start":
            await self.start(broker)
        elif action == "start_unclean":
            await self.start(broker, unclean=True)
        elif action == "wait":
            await asyncio.sleep(0.3)
        elif action in ("reassign", "cancel", "elect"):
            await self.ask(action, broker)
        elif action == "end_session" and self.registered.get(broker) and not up:
            cluster.end_session(broker)
            self.registered[broker] = False
        elif up:
            await self.act_on_running(action, broker)
        await cluster.settle()

    async def act_on_running(self, action: str, broker: int) -> None:
        cluster = self.cluster
        if action in ("crash", "kill", "bounce", "bounce_unclean"):
            await cluster.crash(broker, session_ends=action != "kill")
            self.running[broker] = False
            self.registered[broker] = action == "kill"
            if action.startswith("bounce"):
                await self.start(broker, unclean=action.endswith("unclean"))
        elif action == "refuse":
            cluster.brokers[broker].kill()
        elif action == "answer":
            cluster.brokers[broker].mode = "up"
        elif action == "lose_answer":
            cluster.clients[broker].lose_answers = 1
        elif action == "expire":
            cluster.clients[broker].expired = True
            cluster.controllers[broker].on_session_expired()
            cluster.end_session(broker)
            cluster.register(broker, unclean=self.doubt[broker])
            client = cluster.clients[broker]
            client.expired, client.session_id = False, cluster.brokers[broker].session
            cluster.controllers[broker].on_new_session()
        elif action == "grow_isr":
            await self.grow_isr(broker)
        elif action == "level" and cluster.brokers[broker].mode == "up":
            self.level(broker)

    async def ask(self, action: str, number: int) -> None:
        """What administrators want of partition 0; they do not mind being refused."""
        active = [c for b, c in self.cluster.controllers.items() if self.running[b] and c.is_active]
        if not active:
            return
        if action == "elect":
            election = RequestedElection(partitions=(TopicPartition("t", 0),), unclean=False)
            asked: Any = asking.elect_leaders(active[0], election)
        else:
            target = TARGETS[number] if action == "reassign" else None
            partition = Message(partition_index=0, replicas=target)
            request = Message(topics=[Message(name="t", partitions=[partition])])
            asked = asking.alter_partition_reassignments(active[0], request)
        answer = asyncio.ensure_future(asked)
        await self.cluster.settle(0.2)
        await answer

    async def grow_isr(self, leader: int) -> None:
        """As the leader of partition 0, propose all who are registered."""
        active = [c for b, c in self.cluster.controllers.items() if self.running[b] and c.is_active]
        state = self.cluster.state("t", 0)
        if not active or state.leader != leader:
            return
        isr = [*state.isr, *(r for r in self.replicas(0) if r not in state.isr)]
        topic_id = self.znode().topic_id
        epochs = {b: self.cluster.brokers[b].epoch for b in isr}
        answer = asyncio.ensure_future(
            asking.alter_partition(
                active[0],
                Message(
                    broker_id=leader,
                    broker_epoch=self.cluster.brokers[leader].epoch,
                    topics=[
                        Message(
                            topic_id=topic_id,
                            partitions=[
                                Message(
                                    partition_index=0,
                                    leader_epoch=state.leader_epoch,
                                    partition_epoch=state.partition_epoch,
                                    new_isr_with_epochs=[
                                        Message(broker_id=b, broker_epoch=epochs[b]) for b in isr
                                    ],
                                    leader_recovery_state=0,
                                )
                            ],
                        )
                    ],
                ),
            )
        )
        await self.cluster.settle(0.2)
        if (await answer).topics and not (await answer).topics[0].partitions[0].error_code:
            self.grown.setdefault(0, set()).update(isr)
            self.full[0].update(isr)

    # --- what must hold

    def check(self) -> None:
        active = [b for b, c in self.cluster.controllers.items() if self.running[b] and c.is_active]
        assert len(active) <= 1
        for broker, api_key, message in self.cluster.requests[self.checked :]:
            if api_key == 4:
                self.check_role(broker, message)
            elif api_key == 5:
                self.check_stop(broker, message)
        for number in ASSIGNMENT:
            self.check_state(number, self.replicas(number))
        self.checked = len(self.cluster.requests)

    def check_state(self, number: int, replicas: tuple[int, ...]) -> None:
        state = self.cluster.state("t", number)
        before = self.seen.get(number, state)
        assert state.isr
        assert len(set(state.isr)) == len(state.isr)
        assert set(state.isr) <= set(replicas)
        assert state.leader == -1 or state.leader in state.isr
        assert state.leader_epoch >= before.leader_epoch
        assert state.partition_epoch >= before.partition_epoch
        assert state.controller_epoch >= before.controller_epoch
        assert set(state.isr) <= set(before.isr) | self.grown.pop(number, set()), "unclean"
        if state.leader not in (-1, before.leader):
            assert state.leader_epoch > before.leader_epoch
        if state.leader != -1 and state.leader_epoch > before.leader_epoch:
            self.check_leader_has_everything(number, state.leader, before)
        self.seen[number] = state

    def check_leader_has_everything(self, number: int, leader: int, before: LeaderAndIsr) -> None:
        """KIP-966; what the leader lacks must be lost to every member of the ISR."""
        full = self.full[number]
        if leader not in full and len(ASSIGNMENT[number]) > 1:
            assert not full & set(before.isr)
            assert len(before.isr) > 1
            self.full[number] = {leader}
        self.full[number] &= set(self.cluster.state("t", number).isr)

    def check_role(self, broker: int, message: Any) -> None:
        """Nobody is told to lead by a state that is older than its registration."""
        for topic in message.topic_states:
            for p in topic.partition_states:
                if p.leader == broker:
                    path = paths.partition_state_path("t", p.partition_index)
                    node = self.cluster.zookeeper.tree.nodes[path]
                    if node.version == p.partition_epoch:
                        assert node.stat().mzxid > message.broker_epoch

    def check_stop(self, broker: int, message: Any) -> None:
        """Nobody deletes who is in the ISR, and what is deleted is gone."""
        for topic in message.topic_states:
            for p in topic.partition_states:
                if p.delete_partition:
                    assert broker not in self.cluster.state("t", p.partition_index).isr
                    self.full[p.partition_index].discard(broker)

    async def heal(self) -> None:
        """All come back cleanly: every partition is led again, unless its last member crashed."""
        for broker in (1, 2, 3):
            if not self.running.get(broker):
                if self.registered.get(broker):
                    self.cluster.end_session(broker)
                    self.registered[broker] = False
                await self.start(broker)
            self.cluster.brokers[broker].mode = "up"
            self.cluster.clients[broker].lose_answers = 0
        await self.cluster.settle(7)
        self.check()
        await self.check_move_ends()
        for number in ASSIGNMENT:
            replicas, state = self.replicas(number), self.cluster.state("t", number)
            held = len(replicas) > 1 and len(state.isr) == 1 and state.recovering
            assert state.leader != -1 or held
        await self.check_doubt_ends()

    async def check_move_ends(self) -> None:
        """Once all are in sync, the partition is where it was wanted, in ZooKeeper too."""
        if (leader := self.cluster.state("t", 0).leader) != -1:
            await self.grow_isr(leader)
            self.check()
            assert not self.znode().adding
            assert not self.znode().removing
            assert sorted(self.cluster.state("t", 0).isr) == sorted(self.replicas(0))
            context = self.cluster.active.context
            assert context is not None
            assert not context.reassigning

    async def check_doubt_ends(self) -> None:
        """All is well but for what is held: doubt lasts only where some partition is."""
        for broker in (1, 2, 3):
            self.level(broker)
            if self.doubt[broker]:
                numbers = [n for n in ASSIGNMENT if broker in self.replicas(n)]
                states = [self.cluster.state("t", n) for n in numbers]
                assert any(state.leader == -1 for state in states)
        await self.cluster.settle()
        self.check()


async def _play(steps: list[tuple[str, int]]) -> None:
    history = History()
    await history.begin()
    history.check()
    for action, broker in steps:
        await history.act(action, broker)
        history.check()
    await history.heal()
    await history.cluster.stop()


@settings(max_examples=150)
@given(STEPS)
@example([("crash", 3), ("kill", 1), ("bounce_unclean", 2), ("crash", 2)])
@example(  # all in doubt: who is elected has what is left, the others may have less
    [
        ("kill", 1),
        ("crash", 2),
        ("crash", 3),
        ("start_unclean", 2),
        ("start_unclean", 3),
        ("end_session", 1),
        ("start_unclean", 1),
        ("crash", 1),
    ]
)
@example(  # an ISR shrinks while its recorded leader is away: who stays may lack records
    [
        ("kill", 1),
        ("bounce_unclean", 3),
        ("crash", 2),
        ("end_session", 1),
        ("start_unclean", 2),
        ("bounce_unclean", 2),
    ]
)
def test_random_histories(steps: list[tuple[str, int]]) -> None:
    run(lambda: _play(steps))
