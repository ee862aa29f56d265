"""Requests of the matrix that name topics: records, positions, metadata, settings."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from tests.authorizer.matrix import NOBODY, Body, Case, Setup, World
from tests.authorizer.messages import (
    MISSING,
    M,
    T,
    config,
    described,
    fetch,
    partitions,
    produce,
)

from barnabas.protocol.api import ApiKey as Api


def of_topic(tag: str, t: str) -> Iterator[Case]:
    """Cases for a topic that exists and for one that does not."""

    def topic_id(world: World) -> uuid.UUID:
        return world.ids.get(t, NOBODY)

    def case(name: str, api: Api, version: int, body: Body, setup: Setup | None = None) -> Case:
        return Case(name.format(tag), api, version, body, setup)

    for version in (3, 11):
        yield case("{} topic, acks=1", Api.PRODUCE, version, lambda w, i: produce(t))
    yield case(
        "{} topic, idempotent batch (producer id 4000)",
        Api.PRODUCE,
        9,
        lambda w, i: produce(
            t, acks=-1, producer_id=4000 + sum(map(ord, i)), producer_epoch=0, base_sequence=0
        ),
    )
    yield case(
        "{} topic, transactional batch",
        Api.PRODUCE,
        9,
        lambda w, i: produce(
            t,
            acks=-1,
            name="tx",
            producer_id=4000,
            producer_epoch=0,
            base_sequence=0,
            transactional=True,
        ),
    )
    yield case("{} topic, by name", Api.FETCH, 12, lambda w, i: fetch(t))
    yield case(
        "{} topic, as follower (replica id 2)", Api.FETCH, 12, lambda w, i: fetch(t, replica_id=2)
    )
    yield case("{} topic, by id", Api.FETCH, 16, lambda w, i: fetch(topic_id(w)))
    for version in (1, 7):
        yield case(
            "{} topic",
            Api.LIST_OFFSETS,
            version,
            lambda w, i: M(replica_id=-1, topics=[partitions(t, timestamp=-1)]),
        )
    no_creation = {"allow_auto_topic_creation": False}
    yield case(
        "{} topic by name, no auto-creation",
        Api.METADATA,
        12,
        lambda w, i: M(topics=[M(name=t)], **no_creation),
    )
    yield case(
        "{} topic by id",
        Api.METADATA,
        12,
        lambda w, i: M(topics=[M(name=None, topic_id=topic_id(w))], **no_creation),
    )
    committed = partitions(t, committed_offset=1)
    yield case(
        "{} topic, group g",
        Api.OFFSET_COMMIT,
        8,
        lambda w, i: M(group_id="g", topics=[committed]),
    )
    positions = [M(name=t, partition_indexes=[0])]
    yield case(
        "{} topic, group g",
        Api.OFFSET_FETCH,
        7,
        lambda w, i: M(group_id="g", topics=positions),
    )
    yield case(
        "{} topic, group g",
        Api.OFFSET_FETCH,
        9,
        lambda w, i: M(groups=[M(group_id="g", topics=positions)]),
    )
    yield case(
        "{} topic",
        Api.DELETE_RECORDS,
        2,
        lambda w, i: M(topics=[partitions(t, offset=0)], timeout=5000),
    )
    yield case(
        "{} topic",
        Api.OFFSET_FOR_LEADER_EPOCH,
        4,
        lambda w, i: M(
            replica_id=-1, topics=[M(topic=t, partitions=[M(partition=0, leader_epoch=0)])]
        ),
    )
    yield case(
        "{} topic, transactional id tx",
        Api.ADD_PARTITIONS_TO_TXN,
        3,
        lambda w, i: M(
            v3_and_below_transactional_id="tx",
            v3_and_below_producer_id=1,
            v3_and_below_topics=[M(name=t, partitions=[0])],
        ),
    )
    yield case(
        "{} topic, transactional id tx, group g",
        Api.TXN_OFFSET_COMMIT,
        3,
        lambda w, i: M(transactional_id="tx", group_id="g", producer_id=1, topics=[committed]),
    )
    key = "retention.ms"
    yield case("topic resource, {}", Api.DESCRIBE_CONFIGS, 4, lambda w, i: described(2, t, key))
    for api, version in ((Api.ALTER_CONFIGS, 2), (Api.INCREMENTAL_ALTER_CONFIGS, 1)):
        yield case("topic resource, {}", api, version, lambda w, i: config(2, t, key, "100000000"))
    yield case(
        "{} topic",
        Api.DESCRIBE_PRODUCERS,
        0,
        lambda w, i: M(topics=[M(name=t, partition_indexes=[0])]),
    )
    yield case(
        "{} topic, existing group",
        Api.OFFSET_DELETE,
        0,
        lambda w, i: M(group_id="od-" + i, topics=[partitions(t)]),
        lambda w, i: w.group("od-" + i),
    )
    yield case(
        "{} topic",
        Api.ELECT_LEADERS,
        2,
        lambda w, i: M(
            election_type=0, topic_partitions=[M(topic=t, partitions=[0])], timeout=5000
        ),
    )
    yield case(
        "{} topic",
        Api.ALTER_PARTITION_REASSIGNMENTS,
        0,
        lambda w, i: M(timeout=5000, topics=[partitions(t, replicas=[1])]),
    )
    yield case(
        "{} topic",
        Api.LIST_PARTITION_REASSIGNMENTS,
        0,
        lambda w, i: M(timeout=5000, topics=[M(name=t, partition_indexes=[0])]),
    )
    yield case(
        "{} topic", Api.DESCRIBE_LOG_DIRS, 4, lambda w, i: M(topics=[M(topic=t, partitions=[0])])
    )
    yield case(
        "{} topic",
        Api.WRITE_TXN_MARKERS,
        1,
        lambda w, i: M(
            markers=[
                M(
                    producer_id=99,
                    producer_epoch=0,
                    transaction_result=False,
                    topics=[M(name=t, partition_indexes=[0])],
                )
            ]
        ),
    )


def of_topics() -> Iterator[Case]:
    """What else names topics."""
    yield Case(
        "list of an existing and a missing topic, acks=1, one answer",
        Api.PRODUCE,
        9,
        lambda w, i: produce(MISSING, T),
    )
    yield Case("existing topic, acks=0", Api.PRODUCE, 9, lambda w, i: produce(T, acks=0))
    yield Case(
        "existing topic, as follower with cluster action (replica state 2)",
        Api.FETCH,
        17,
        lambda w, i: fetch(w.ids[T], replica_state=M(replica_id=2, replica_epoch=1)),
    )
    no_creation = {"allow_auto_topic_creation": False}
    yield Case("all topics (null)", Api.METADATA, 12, lambda w, i: M(topics=None, **no_creation))
    yield Case("all topics (v0, empty list)", Api.METADATA, 0, lambda w, i: M(topics=[]))
    yield Case(
        "missing topic by name, auto-creation",
        Api.METADATA,
        12,
        lambda w, i: M(topics=[M(name="auto-" + i)], allow_auto_topic_creation=True),
    )
    yield Case(
        "existing and missing topic, v0",
        Api.METADATA,
        0,
        lambda w, i: M(topics=[M(name=T), M(name=MISSING)]),
    )
    yield Case(
        "existing topic with authorized operations",
        Api.METADATA,
        10,
        lambda w, i: M(
            topics=[M(name=T)],
            include_topic_authorized_operations=True,
            include_cluster_authorized_operations=True,
            **no_creation,
        ),
    )
    for api, version in ((Api.LEADER_AND_ISR, 7), (Api.STOP_REPLICA, 4), (Api.UPDATE_METADATA, 8)):
        yield Case(
            "controller to broker", api, version, lambda w, i: M(controller_id=1, broker_epoch=-1)
        )
    yield Case(
        "broker 99", Api.CONTROLLED_SHUTDOWN, 3, lambda w, i: M(broker_id=99, broker_epoch=-1)
    )
