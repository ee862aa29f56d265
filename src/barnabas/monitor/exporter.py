"""The series of danielqsj/kafka_exporter, for dashboards that are made for it.

That exporter asks a whole cluster. Here each series comes from one broker: those of a partition
from its leader, of a group from its coordinator, of the cluster from its controller. So all brokers
together give what the exporter gives. The lag of a group is missing where its coordinator has no
replica of the partition: the lag is counted from that replica's high watermark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from barnabas.monitor.families import Family, Sample, of_partitions
from barnabas.monitor.names import escaped, label_text
from barnabas.monitor.subject import Subject
from barnabas.replication.partition import Partition
from barnabas.types import NO_LEADER, TopicPartition


def _brokers(subject: Subject) -> Iterator[Sample]:
    if subject.services.controller.is_active:
        yield "", len(subject.services.metadata.brokers)


def _broker_info(subject: Subject) -> Iterator[Sample]:
    if not subject.services.controller.is_active:
        return
    for broker in subject.services.metadata.brokers.values():
        where = broker.endpoints[0] if broker.endpoints else None
        address = "" if where is None else f"{where.host}:{where.port}"
        yield label_text({"id": str(broker.id), "address": address}), 1


def _topic_partitions(subject: Subject) -> Iterator[Sample]:
    if not subject.services.controller.is_active:
        return
    metadata = subject.services.metadata
    for topic in metadata.topics():
        yield label_text({"topic": topic}), len(metadata.partitions(topic) or ())


def _led(value: Callable[[Partition], float]) -> Callable[[Subject], Iterator[Sample]]:
    return of_partitions(lambda p: value(p) if p.leadership is not None and p.log else None)


def _leader(subject: Subject) -> Iterator[Sample]:
    yield from _led(lambda p: p.leader_id)(subject)
    if subject.services.controller.is_active:
        metadata = subject.services.metadata
        for topic in metadata.topics():
            for number, known in (metadata.partitions(topic) or {}).items():
                if known.leader == NO_LEADER:
                    labels = {"topic": topic, "partition": str(number)}
                    yield label_text(labels), NO_LEADER


def _in_sync(partition: Partition) -> int:
    leadership = partition.leadership
    return 0 if leadership is None else len(leadership.state.committed)


def _of_positions(
    value: Callable[[Subject, TopicPartition, int], float | None],
) -> Callable[[Subject], Iterator[Sample]]:
    def samples(subject: Subject) -> Iterator[Sample]:
        _, groups = subject.services.groups.list()
        for group in groups:
            name = escaped(group.id)
            for place in list(group.offsets.committed):
                position = group.offsets.get(place)
                found = None if position is None else value(subject, place, position.offset)
                if found is not None:
                    labels = f'consumergroup="{name}",topic="{escaped(place.topic)}"'
                    yield f'{{{labels},partition="{place.partition}"}}', found

    return samples


def _lag(subject: Subject, place: TopicPartition, offset: int) -> float | None:
    partition = subject.services.replicas.get(place)
    if partition is None or partition.log is None:
        return None
    return max(0, partition.log.high_watermark - offset)


def _members(subject: Subject) -> Iterator[Sample]:
    _, groups = subject.services.groups.list()
    for group in groups:
        yield label_text({"consumergroup": group.id}), len(group.members)


EXPORTER: Final = (
    Family("kafka_brokers", "Live brokers.", "gauge", _brokers),
    Family("kafka_broker_info", "A live broker.", "gauge", _broker_info),
    Family("kafka_topic_partitions", "Partitions of a topic.", "gauge", _topic_partitions),
    Family("kafka_topic_partition_leader", "The leader; -1: none.", "gauge", _leader),
    *(
        Family(f"kafka_topic_partition_{name}", doc, "gauge", _led(value))
        for name, doc, value in (
            (
                "current_offset",
                "The offset of the next committed record.",
                lambda p: p.log.high_watermark,
            ),
            ("oldest_offset", "The first record.", lambda p: p.log.log_start_offset),
            ("in_sync_replica", "Replicas in sync.", _in_sync),
            ("replicas", "Replicas.", lambda p: len(p.replicas)),
            (
                "leader_is_preferred",
                "1 if the first replica leads.",
                lambda p: int(p.replicas[:1] == (p.leader_id,)),
            ),
            (
                "under_replicated_partition",
                "1 if some are not in sync.",
                lambda p: int(_in_sync(p) < len(p.replicas)),
            ),
        )
    ),
    Family(
        "kafka_consumergroup_current_offset",
        "The committed offset of a group.",
        "gauge",
        _of_positions(lambda subject, place, offset: offset),
    ),
    Family("kafka_consumergroup_lag", "Records behind the end.", "gauge", _of_positions(_lag)),
    Family("kafka_consumergroup_members", "Members of a group.", "gauge", _members),
)
