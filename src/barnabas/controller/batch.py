"""ControllerBrokerRequestBatch: what one step of the controller tells the brokers. Pure.

Partitions are collected per broker and turned into at most one LeaderAndIsr, one UpdateMetadata and
one StopReplica for each, in this order (reference 2.7). UpdateMetadata goes to every broker
and names every partition that changed; each names all live brokers.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from barnabas.controller.context import ControllerContext, PartitionInfo
from barnabas.protocol.api import ApiKey
from barnabas.protocol.inter_broker import CURRENT, InterBrokerVersions
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrRequest
from barnabas.protocol.messages.stop_replica import StopReplicaRequest
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest
from barnabas.types import (
    EPOCH_DURING_DELETE,
    LEADER_DURING_DELETE,
    NO_EPOCH,
    ZERO_UUID,
    Broker,
    LeaderAndIsr,
    TopicPartition,
)

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
    """Collects, then ``requests()`` once."""

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
        tp = p.topic_partition
        for broker_id in broker_ids:
            if broker_id in self._context.brokers:
                told = self._leader_and_isr.setdefault(broker_id, {})
                told[tp] = is_new or told.get(tp, False)
        self.metadata((p,))

    def metadata(
        self, partitions: Iterable[PartitionInfo], broker_ids: Iterable[int] | None = None
    ) -> None:
        """Tell brokers (all by default) the leaders of partitions; without partitions, only which
        brokers are live."""
        ids = self._context.brokers if broker_ids is None else broker_ids
        self._metadata_brokers.update(dict.fromkeys(ids))
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
        """In the order in which they are to be queued. Empties the batch."""
        out: list[ControlRequest] = []
        states: dict[tuple[TopicPartition, bool], LeaderAndIsrRequest.PartitionState] = {}
        for broker_id, told in sorted(self._leader_and_isr.items()):
            out.append(self._leader_and_isr_request(broker_id, told, states))
        if self._metadata_brokers:
            topics = self._metadata_topics()
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
                for b in sorted(self._metadata_brokers)
                if b in self._context.brokers
            ]
        for broker_id, stopped in sorted(self._stop.items()):
            out.append(self._stop_request(broker_id, stopped))
        self._leader_and_isr, self._stop = {}, {}
        self._metadata_brokers, self._metadata = {}, {}
        return out

    def _brokers(self) -> list[Broker]:
        return [self._context.brokers[b] for b in sorted(self._context.brokers)]

    def _leader_and_isr_request(
        self,
        broker_id: int,
        told: dict[TopicPartition, bool],
        states: dict[tuple[TopicPartition, bool], LeaderAndIsrRequest.PartitionState],
    ) -> ControlRequest:
        topics: dict[str, list[LeaderAndIsrRequest.PartitionState]] = {}
        leaders: dict[int, None] = {}
        for tp, is_new in told.items():
            p = self._context.partitions.get(tp)
            if p is None or p.leadership is None:
                continue
            state = states.get((tp, is_new))
            if state is None:
                state = states[tp, is_new] = _leader_and_isr_state(p, p.leadership, is_new)
            topics.setdefault(tp.topic, []).append(state)
            leaders[p.leadership.leader] = None
        message = LeaderAndIsrRequest(
            controller_id=self._controller_id,
            controller_epoch=self._context.epoch,
            broker_epoch=self._context.brokers[broker_id].epoch,
            topic_states=[
                LeaderAndIsrRequest.TopicState(
                    topic_name=name, topic_id=self._topic_id(name), partition_states=listed
                )
                for name, listed in topics.items()
            ],
            live_leaders=[
                LeaderAndIsrRequest.LiveLeader(broker_id=b.id, host_name=e.host, port=e.port)
                for b in self._brokers()
                if b.id in leaders and (e := b.endpoint(self._listener)) is not None
            ],
        )
        return ControlRequest(
            broker_id=broker_id, message=message, version=self._versions.leader_and_isr
        )

    def _metadata_topics(self) -> list[UpdateMetadataRequest.TopicState]:
        topics: dict[str, list[UpdateMetadataRequest.PartitionState]] = {}
        for tp, p in self._metadata.items():
            deleted = self._context.is_being_deleted(tp.topic)
            state = _metadata_state(p, self._context.offline_replicas(p), deleted)
            topics.setdefault(tp.topic, []).append(state)
        return [
            UpdateMetadataRequest.TopicState(
                topic_name=name, topic_id=self._topic_id(name), partition_states=listed
            )
            for name, listed in topics.items()
        ]

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

    def _topic_id(self, topic: str) -> uuid.UUID:
        info = self._context.topics.get(topic)
        return ZERO_UUID if info is None or info.topic_id is None else info.topic_id


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
