"""Requests of the matrix that name groups and transactional ids."""

from __future__ import annotations

from collections.abc import Iterator

from tests.authorizer.matrix import Case
from tests.authorizer.messages import (
    MISSING,
    M,
    T,
    partitions,
)

from barnabas.protocol.api import ApiKey as Api


def of_groups() -> Iterator[Case]:
    committed = partitions(T, committed_offset=1)
    yield Case(
        "missing group",
        Api.OFFSET_COMMIT,
        8,
        lambda w, i: M(group_id="nog-" + i, topics=[committed]),
    )
    everything = "topic list null (all)"
    yield Case(
        f"group g, {everything}", Api.OFFSET_FETCH, 7, lambda w, i: M(group_id="g", topics=None)
    )
    yield Case(
        f"group g, {everything}",
        Api.OFFSET_FETCH,
        9,
        lambda w, i: M(groups=[M(group_id="g", topics=None)]),
    )
    yield Case(
        "missing group, topic list null",
        Api.OFFSET_FETCH,
        7,
        lambda w, i: M(group_id="nog", topics=None),
    )
    yield Case(
        "missing and existing group in one batch",
        Api.OFFSET_FETCH,
        8,
        lambda w, i: M(groups=[M(group_id=g, topics=None) for g in ("nog", "g")]),
    )
    find = Api.FIND_COORDINATOR
    for version in (0, 3):
        yield Case("group g", find, version, lambda w, i: M(key="g", key_type=0))
    yield Case("group g", find, 4, lambda w, i: M(key_type=0, coordinator_keys=["g"]))
    yield Case("transactional id tx", find, 3, lambda w, i: M(key="tx", key_type=1))
    yield Case("transactional id tx", find, 4, lambda w, i: M(key_type=1, coordinator_keys=["tx"]))
    yield Case(
        "empty member id",
        Api.JOIN_GROUP,
        9,
        lambda w, i: M(
            group_id="join-" + i,
            session_timeout=10_000,
            rebalance_timeout=10_000,
            protocol_type="consumer",
            protocols=[M(name="range", metadata=b"")],
        ),
    )
    member = {"group_id": "g", "generation_id": 1, "member_id": "m"}
    yield Case("unknown member", Api.HEARTBEAT, 4, lambda w, i: M(**member))
    yield Case(
        "unknown member",
        Api.LEAVE_GROUP,
        5,
        lambda w, i: M(group_id="g", members=[M(member_id="m")]),
    )
    yield Case(
        "unknown member",
        Api.SYNC_GROUP,
        5,
        lambda w, i: M(protocol_type="consumer", protocol_name="range", **member),
    )
    yield Case(
        "existing and missing group", Api.DESCRIBE_GROUPS, 5, lambda w, i: M(groups=["g", "nog"])
    )
    yield Case(
        "existing group with authorized operations",
        Api.DESCRIBE_GROUPS,
        5,
        lambda w, i: M(groups=["g"], include_authorized_operations=True),
    )
    yield Case("all groups", Api.LIST_GROUPS, 5, lambda w, i: M())


def of_transactions() -> Iterator[Case]:
    init = Api.INIT_PRODUCER_ID
    for name, prefix in (("no transactional id", None), ("transactional id", "init-")):
        yield Case(
            name,
            init,
            4,
            lambda w, i, prefix=prefix: M(  # type: ignore[misc]
                transactional_id=prefix and prefix + i, transaction_timeout=10_000
            ),
        )
    yield Case(
        "existing topic, as follower (replica id 2)",
        Api.OFFSET_FOR_LEADER_EPOCH,
        4,
        lambda w, i: M(
            replica_id=2, topics=[M(topic=T, partitions=[M(partition=0, leader_epoch=0)])]
        ),
    )
    yield Case(
        "batch of two, verify only",
        Api.ADD_PARTITIONS_TO_TXN,
        5,
        lambda w, i: M(
            transactions=[
                M(
                    transactional_id="tx",
                    producer_id=1,
                    producer_epoch=0,
                    verify_only=True,
                    topics=[M(name=T, partitions=[0])],
                )
            ]
        ),
    )
    yield Case(
        "mixed topics: existing and missing",
        Api.ADD_PARTITIONS_TO_TXN,
        3,
        lambda w, i: M(
            v3_and_below_transactional_id="tx",
            v3_and_below_producer_id=1,
            v3_and_below_topics=[M(name=t, partitions=[0]) for t in (T, MISSING)],
        ),
    )
    tx = {"transactional_id": "tx", "producer_id": 1}
    yield Case(
        "transactional id tx, group g",
        Api.ADD_OFFSETS_TO_TXN,
        3,
        lambda w, i: M(group_id="g", **tx),
    )
    yield Case("transactional id tx", Api.END_TXN, 3, lambda w, i: M(**tx))
