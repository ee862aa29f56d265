"""ControllerBrokerRequestBatch: what one step of the controller tells the brokers. Pure.

Partitions are collected per broker and turned into at most one LeaderAndIsr, one UpdateMetadata and
one StopReplica for each, in this order (reference 2.7). UpdateMetadata goes to every broker
and names every partition that changed; each names all live brokers.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from barnabas.controller.context import ControllerContext, PartitionInfo
from barnabas.protocol.api import ApiKey
from barnabas.protocol.inter_broker import CURRENT, InterBrokerVersions
from barnabas.protocol.message import Shared
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrRequest
from barnabas.protocol.messages.stop_replica import StopReplicaRequest
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest
from barnabas.types import (
    EPOCH_DURING_DELETE,
    LEADER_DURING_DELETE,
    NO_EPOCH,
    Broker,
    LeaderAndIsr,
    TopicPartition,
)

STEP: Final = 256
"""Partitions between two pauses: about a millisecond."""
SECURITY_PROTOCOL_IDS: Final = {"PLAINTEXT": 0, "SSL": 1, "SASL_PLAINTEXT": 2, "SASL_SSL": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """One request for one broker."""

    broker_id: int
    message: LeaderAndIsrRequest | UpdateMetadataRequest | StopReplicaRequest
    version: int
    """The version it is sent in. The controller does not negotiate it (reference 4)."""
    deletes: tuple[TopicPartition, ...] = ()
    """Replicas that a StopReplica deletes: its answer matters to the topics' deletion."""

    @property
    def api_key(self) -> ApiKey:
        """Which of the three it is."""
        return self.message.API_KEY


class ControlBatch:
    """Collects, then ``requests()``, which empties it."""

    def __init__(
        self,
        context: ControllerContext,
        controller_id: int,
        listener: str,
        versions: InterBrokerVersions = CURRENT,
    ) -> None:
        self._versions = versions
        self._context = context
        self._controller_id = controller_id
        self._listener = listener
        self._leader_and_isr: dict[int, dict[TopicPartition, bool]] = {}
        self._stop: dict[int, dict[TopicPartition, tuple[int, bool]]] = {}
        self._metadata_brokers: dict[int, None] = {}
        self._metadata: dict[TopicPartition, PartitionInfo] = {}

    # --- collecting

    def lead_and_follow(
        self, broker_ids: Iterable[int], p: PartitionInfo, *, is_new: bool = False
    ) -> None:
        """Tell brokers their role in a partition, and all brokers its leader."""
        tp, brokers = p.topic_partition, self._context.brokers
        for broker_id in broker_ids:
            if broker_id in brokers:
                told = self._leader_and_isr.get(broker_id)
                if told is None:
                    told = self._leader_and_isr[broker_id] = {}
                told[tp] = is_new or told.get(tp, False)
        self.metadata((p,))

    def metadata(
        self, partitions: Iterable[PartitionInfo], broker_ids: Iterable[int] | None = None
    ) -> None:
        """Tell brokers (all by default) the leaders of partitions; without partitions, only which
        brokers are live."""
        told = self._metadata_brokers
        for broker_id in self._context.brokers if broker_ids is None else broker_ids:
            told[broker_id] = None
        for p in partitions:
            if p.leadership is not None:
                self._metadata[p.topic_partition] = p

    def stop(self, broker_ids: Iterable[int], p: PartitionInfo, *, delete: bool) -> None:
        """Stop a replica, with the present leader epoch."""
        tp = p.topic_partition
        epoch = NO_EPOCH if p.leadership is None else p.leadership.leader_epoch
        if self._context.is_being_deleted(tp.topic):
            epoch = EPOCH_DURING_DELETE
        for broker_id in broker_ids:
            if broker_id in self._context.brokers:
                told = self._stop.setdefault(broker_id, {})
                told[tp] = (epoch, delete or told.get(tp, (0, False))[1])

    # --- turning into requests

    def requests(self) -> list[ControlRequest]:
        """In the order in which they are to be queued."""
        steps = self.in_steps()
        while True:
            try:
                next(steps)
            except StopIteration as done:
                made: list[ControlRequest] = done.value
                return made

    def in_steps(self) -> Generator[None, None, list[ControlRequest]]:
        """``requests`` with pauses. What is collected in one is for the next requests."""
        out: list[ControlRequest] = []
        leader_and_isr, self._leader_and_isr = self._leader_and_isr, {}
        stop, self._stop = self._stop, {}
        metadata_brokers, self._metadata_brokers = self._metadata_brokers, {}
        metadata, self._metadata = self._metadata, {}
        roles = _Roles(self._context)
        for broker_id, wanted in sorted(leader_and_isr.items()):
            told = yield from roles.of(wanted)
            out.append(self._leader_and_isr_request(broker_id, told))
        if metadata_brokers:
            topics = yield from self._metadata_topics(metadata)
            brokers = [_metadata_broker(b) for b in self._brokers()]
            out += [
                ControlRequest(
                    broker_id=b,
                    message=UpdateMetadataRequest(
                        controller_id=self._controller_id,
                        controller_epoch=self._context.epoch,
                        broker_epoch=self._context.brokers[b].epoch,
                        topic_states=topics,
                        live_brokers=brokers,
                    ),
                    version=self._versions.update_metadata,
                )
                for b in sorted(metadata_brokers)
                if b in self._context.brokers
            ]
        for broker_id, stopped in sorted(stop.items()):
            out.append(self._stop_request(broker_id, stopped))
        return out

    def _brokers(self) -> list[Broker]:
        return [self._context.brokers[b] for b in sorted(self._context.brokers)]

    def _leader_and_isr_request(self, broker_id: int, told: _Told) -> ControlRequest:
        message = LeaderAndIsrRequest(
            controller_id=self._controller_id,
            controller_epoch=self._context.epoch,
            broker_epoch=self._context.brokers[broker_id].epoch,
            topic_states=told.topics,
            live_leaders=[
                LeaderAndIsrRequest.LiveLeader(broker_id=b.id, host_name=e.host, port=e.port)
                for b in self._brokers()
                if b.id in told.leaders and (e := b.endpoint(self._listener)) is not None
            ],
        )
        return ControlRequest(
            broker_id=broker_id, message=message, version=self._versions.leader_and_isr
        )

    def _metadata_topics(
        self, wanted: dict[TopicPartition, PartitionInfo]
    ) -> Generator[None, None, Shared[UpdateMetadataRequest.TopicState]]:
        topics: dict[str, list[UpdateMetadataRequest.PartitionState]] = {}
        for number, (tp, p) in enumerate(wanted.items(), 1):
            if number % STEP == 0:
                yield
            deleted = self._context.is_being_deleted(tp.topic)
            state = _metadata_state(p, self._context.offline_replicas(p), deleted)
            topics.setdefault(tp.topic, []).append(state)
        return Shared(
            UpdateMetadataRequest.TopicState(
                topic_name=name, topic_id=self._context.topic_id(name), partition_states=listed
            )
            for name, listed in topics.items()
        )

    def _stop_request(
        self, broker_id: int, stopped: dict[TopicPartition, tuple[int, bool]]
    ) -> ControlRequest:
        topics: dict[str, list[StopReplicaRequest.PartitionState]] = {}
        for tp, (epoch, delete) in stopped.items():
            topics.setdefault(tp.topic, []).append(
                StopReplicaRequest.PartitionState(
                    partition_index=tp.partition, leader_epoch=epoch, delete_partition=delete
                )
            )
        message = StopReplicaRequest(
            controller_id=self._controller_id,
            controller_epoch=self._context.epoch,
            broker_epoch=self._context.brokers[broker_id].epoch,
            topic_states=[
                StopReplicaRequest.TopicState(topic_name=name, partition_states=listed)
                for name, listed in topics.items()
            ],
        )
        return ControlRequest(
            broker_id=broker_id,
            message=message,
            version=self._versions.stop_replica,
            deletes=tuple(tp for tp, (_, delete) in stopped.items() if delete),
        )


class _Told(NamedTuple):
    """What a LeaderAndIsr says of partitions, and who leads them."""

    topics: Shared[LeaderAndIsrRequest.TopicState]
    leaders: dict[int, None]


class _Roles:
    """What brokers are told of their roles. Each partition is looked at once, and brokers that are
    told the same share it: where all replicas are everywhere, all brokers."""

    def __init__(self, context: ControllerContext) -> None:
        self._context = context
        self._states: dict[
            tuple[TopicPartition, bool], LeaderAndIsrRequest.PartitionState | None
        ] = {}
        self._before: list[tuple[dict[TopicPartition, bool], _Told]] = []

    def of(self, wanted: dict[TopicPartition, bool]) -> Generator[None, None, _Told]:
        """For these partitions; the value is whether it is new."""
        for same, told in self._before:
            if same == wanted:
                return told
        topics: dict[str, list[LeaderAndIsrRequest.PartitionState]] = {}
        leaders: dict[int, None] = {}
        for number, key in enumerate(wanted.items(), 1):
            if number % STEP == 0:
                yield
            state = self._states[key] if key in self._states else self._look(key)
            if state is not None:
                topics.setdefault(key[0].topic, []).append(state)
                leaders[state.leader] = None
        told = _Told(
            Shared(
                LeaderAndIsrRequest.TopicState(
                    topic_name=name, topic_id=self._context.topic_id(name), partition_states=listed
                )
                for name, listed in topics.items()
            ),
            leaders,
        )
        self._before.append((wanted, told))
        return told

    def _look(self, key: tuple[TopicPartition, bool]) -> LeaderAndIsrRequest.PartitionState | None:
        p, state = self._context.partitions.get(key[0]), None
        if p is not None and p.leadership is not None:
            state = _leader_and_isr_state(p, p.leadership, key[1])
        self._states[key] = state
        return state


def _leader_and_isr_state(
    p: PartitionInfo, leadership: LeaderAndIsr, is_new: bool
) -> LeaderAndIsrRequest.PartitionState:
    return LeaderAndIsrRequest.PartitionState(
        partition_index=p.topic_partition.partition,
        controller_epoch=leadership.controller_epoch,
        leader=leadership.leader,
        leader_epoch=leadership.leader_epoch,
        isr=leadership.isr,
        partition_epoch=leadership.partition_epoch,
        replicas=p.assignment.replicas,
        adding_replicas=p.assignment.adding,
        removing_replicas=p.assignment.removing,
        is_new=is_new,
        leader_recovery_state=1 if leadership.recovering else 0,
    )


def _metadata_state(
    p: PartitionInfo, offline: tuple[int, ...], deleted: bool
) -> UpdateMetadataRequest.PartitionState:
    leadership = p.leadership
    assert leadership is not None
    return UpdateMetadataRequest.PartitionState(
        partition_index=p.topic_partition.partition,
        controller_epoch=leadership.controller_epoch,
        leader=LEADER_DURING_DELETE if deleted else leadership.leader,
        leader_epoch=0 if deleted else leadership.leader_epoch,
        isr=leadership.isr,
        zk_version=0 if deleted else leadership.partition_epoch,
        replicas=p.assignment.replicas,
        offline_replicas=offline,
    )


def _metadata_broker(broker: Broker) -> UpdateMetadataRequest.Broker:
    return UpdateMetadataRequest.Broker(
        id=broker.id,
        endpoints=[
            UpdateMetadataRequest.Endpoint(
                port=e.port,
                host=e.host,
                listener=e.listener,
                security_protocol=SECURITY_PROTOCOL_IDS[e.security_protocol],
            )
            for e in broker.endpoints
        ],
        rack=broker.rack,
    )
