"""ZkMetadataCache: the cluster as UpdateMetadata last described it (reference 4.4).

It never decides a partition's role. It answers clients, and three decisions use it: whether a
follower starts to fetch (its leader must be alive), whether a replica may join an ISR (KIP-841),
and leader hints. UpdateMetadata has no broker epochs. Topic ids are also learnt from LeaderAndIsr:
a follower's first fetch may arrive before the leader's UpdateMetadata, and should not fail for that
(reference 14).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from barnabas.errors import KafkaError
from barnabas.names import is_number, is_topic
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest
from barnabas.protocol.order_entries import announced_problem, name_problem, topics_of
from barnabas.types import (
    LEADER_DURING_DELETE,
    NO_LEADER,
    ZERO_UUID,
    Endpoint,
    LeaderAndIsr,
    TopicPartition,
)

log = logging.getLogger("kafka.server")

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


class PartitionMetadata(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One partition as the controller announced it."""

    partition: int
    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    replicas: tuple[int, ...]
    offline_replicas: tuple[int, ...]
    partition_epoch: int
    controller_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBroker:
    """A registered broker and its listeners."""

    id: int
    endpoints: tuple[Endpoint, ...]
    rack: str | None

    def endpoint(self, listener: str) -> Endpoint | None:
        """Where it listens under this name."""
        for endpoint in self.endpoints:  # for each partition of an answer: no generator
            if endpoint.listener == listener:
                return endpoint
        return None


DEPARTED_S = 3.0
"""How long answers still contain a broker that is no longer registered."""


class MetadataCache:
    """The latest view. ``version`` rises with every change, so answers can be kept per version."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._now = now
        self._departed: dict[int, tuple[float, LiveBroker]] = {}
        self.version = 0
        self.controller_id: int | None = None
        self.brokers: Mapping[int, LiveBroker] = {}
        self._topics: dict[str, dict[int, PartitionMetadata]] = {}
        self._ids: dict[str, uuid.UUID] = {}
        self._names: dict[uuid.UUID, str] = {}
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every change. Returns a function that ends that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    # Reading

    @property
    def is_announced(self) -> bool:
        """Whether a controller has said anything yet."""
        return self.version > 0

    def topics(self) -> list[str]:
        """All topic names, sorted."""
        return sorted(self._topics)

    def partitions(self, topic: str) -> Mapping[int, PartitionMetadata] | None:
        """The partitions of a topic, or None if it is unknown."""
        return self._topics.get(topic)

    def partition(self, partition: TopicPartition) -> PartitionMetadata | None:
        """One partition, or None."""
        topic = self._topics.get(partition.topic)
        return None if topic is None else topic.get(partition.partition)

    def __contains__(self, partition: TopicPartition) -> bool:
        return self.partition(partition) is not None

    def topic_id(self, topic: str) -> uuid.UUID | None:
        """The id of a topic, or None."""
        return self._ids.get(topic)

    def topic_name(self, topic_id: uuid.UUID) -> str | None:
        """The name of the topic with this id, or None."""
        return self._names.get(topic_id)

    def is_alive(self, broker_id: int) -> bool:
        """Whether the controller counts this broker among the registered ones."""
        return broker_id in self.brokers

    def announced_brokers(self) -> list[LiveBroker]:
        """Live brokers, and those that are gone for less than ``DEPARTED_S``.

        If a broker disappears in the same answer in which its partitions get new leaders,
        librdkafka drops it too early and asks again only after a second. If the broker disappears
        in a later answer, librdkafka uses the new leaders at once."""
        gone = [b for at, b in self._departed.values() if self._now() - at < DEPARTED_S]
        return [*self.brokers.values(), *gone]

    def endpoint(self, broker_id: int, listener: str) -> Endpoint | None:
        """Where a live broker listens under this name."""
        broker = self.brokers.get(broker_id)
        return None if broker is None else broker.endpoint(listener)

    def current_leader(self, partition: TopicPartition) -> tuple[int, int] | None:
        """(leader id, leader epoch) as announced, or None."""
        known = self.partition(partition)
        return None if known is None else (known.leader, known.leader_epoch)

    # Writing

    def learn_topic_id(self, topic: str, topic_id: uuid.UUID | None) -> None:
        """Add a topic id from a LeaderAndIsr."""
        if topic_id is None or topic_id == ZERO_UUID:
            return
        known = self._ids.get(topic)
        if known == topic_id:
            return
        if known is not None:
            self._names.pop(known, None)
        self._ids[topic] = topic_id
        self._names[topic_id] = topic

    def apply(
        self, request: Any, entries: Sequence[Announced] | None = None
    ) -> list[TopicPartition]:
        """Apply an UpdateMetadata request, which was checked before. Returns the deleted
        partitions.

        Its live brokers replace those known, its partitions are merged. A leader of -2 deletes a
        partition; a topic is deleted with its last one. ``entries``: what ``announced`` read from
        the request, if it was called before."""
        self.controller_id = request.controller_id if request.controller_id >= 0 else None
        live = [b for b in request.live_brokers if is_number(b.id)]
        before, self.brokers = self.brokers, {b.id: _broker(b) for b in live}
        for broker_id, broker in before.items():
            if broker_id not in self.brokers:
                self._departed[broker_id] = (self._now(), broker)
        for broker_id in self.brokers:
            self._departed.pop(broker_id, None)
        for topic, topic_id, _ in topics_of(request):
            if is_topic(topic):
                self.learn_topic_id(topic, topic_id)
        deleted = self._merge(list(announced(request)) if entries is None else entries)
        self._changed()
        return deleted

    def learn_leader(self, partition: TopicPartition, state: LeaderAndIsr) -> None:
        """Take over what ZooKeeper says of a partition, if it is newer than what was announced."""
        known = self.partition(partition)
        if known is None or known.leader_epoch >= state.leader_epoch:
            return
        self._topics[partition.topic][partition.partition] = replace(
            known,
            leader=state.leader if state.leader >= 0 else NO_LEADER,
            leader_epoch=state.leader_epoch,
            isr=state.isr,
            partition_epoch=state.partition_epoch,
            controller_epoch=state.controller_epoch,
        )
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        for listener in list(self._listeners):
            listener()

    def _merge(self, entries: Sequence[Announced]) -> list[TopicPartition]:
        deleted = []
        for name, state in entries:
            if state is None:
                self._delete(name.topic, name.partition)
                deleted.append(name)
            else:
                self._topics.setdefault(name.topic, {})[name.partition] = state
        return deleted

    def _delete(self, topic: str, partition: int) -> None:
        partitions = self._topics.get(topic)
        if partitions is not None:
            partitions.pop(partition, None)
            if partitions:
                return
            del self._topics[topic]
        topic_id = self._ids.pop(topic, None)
        if topic_id is not None:
            self._names.pop(topic_id, None)


Announced = tuple[TopicPartition, PartitionMetadata | None]
"""None: the partition was deleted."""


def announced(request: UpdateMetadataRequest) -> Iterator[Announced]:
    """The partitions in an UpdateMetadata request. Impossible entries are logged and left out."""
    refused: list[tuple[TopicPartition, KafkaError]] = []
    same: dict[tuple[int, ...], tuple[int, ...]] = {}
    for topic, _, states in topics_of(request):
        illegal = name_problem(topic)
        for state in states:
            name = TopicPartition(topic, state.partition_index)
            if (problem := illegal or announced_problem(name, state)) is not None:
                refused.append((name, problem))
            elif state.leader == LEADER_DURING_DELETE:
                yield name, None
            else:
                yield name, _partition(state, same)
    if refused:
        count, (name, problem) = len(refused), refused[0]
        text = "UpdateMetadata: %d entries are ignored, first %.300s: %s"
        log.error(text, count, name, problem)


def _partition(
    state: UpdateMetadataRequest.PartitionState, same: dict[tuple[int, ...], tuple[int, ...]]
) -> PartitionMetadata:
    """``same``: one object for all equal lists of brokers. Many partitions have the same."""
    isr, replicas = tuple(state.isr), tuple(state.replicas)
    return PartitionMetadata(
        partition=state.partition_index,
        leader=state.leader if state.leader >= 0 else NO_LEADER,
        leader_epoch=state.leader_epoch,
        isr=same.setdefault(isr, isr),
        replicas=same.setdefault(replicas, replicas),
        offline_replicas=tuple(state.offline_replicas),
        partition_epoch=state.zk_version,
        controller_epoch=state.controller_epoch,
    )


def _broker(broker: UpdateMetadataRequest.Broker) -> LiveBroker:
    endpoints = []
    for endpoint in broker.endpoints:
        if not 0 <= endpoint.security_protocol < len(_PROTOCOLS):
            log.error(
                "UpdateMetadata: broker %d has an endpoint of security protocol %d: ignored",
                *(broker.id, endpoint.security_protocol),
            )
            continue
        protocol = _PROTOCOLS[endpoint.security_protocol]
        listener = endpoint.listener or protocol
        endpoints.append(Endpoint(listener, protocol, endpoint.host, endpoint.port))
    if not endpoints and broker.v0_host:
        endpoints.append(Endpoint("PLAINTEXT", "PLAINTEXT", broker.v0_host, broker.v0_port))
    return LiveBroker(id=broker.id, endpoints=tuple(endpoints), rack=broker.rack or None)
