"""The requests of the measured authorization matrix, in the order of its recording.

Each case is asked by somebody without any ACL, by one user for each ACL that there can be, and by a
super user. ``who`` tells their requests apart where the first would leave nothing for the next.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.api.kit import Client, create_message
from tests.authorizer.messages import (
    MISSING,
    M,
    T,
    acl,
    acl_filter,
    config,
    described,
    fetch,
    partitions,
    produce,
)

from barnabas.protocol.api import ApiKey as Api

ADMIN = "as admin"
NOBODY = uuid.UUID(int=77)
GRANTS = [
    f"{kind} {operation}"
    for kind, operations in {
        "TOPIC": "READ WRITE CREATE DELETE ALTER DESCRIBE DESCRIBE_CONFIGS ALTER_CONFIGS",
        "GROUP": "READ DELETE DESCRIBE DESCRIBE_CONFIGS ALTER_CONFIGS",
        "CLUSTER": "CREATE ALTER DESCRIBE CLUSTER_ACTION DESCRIBE_CONFIGS ALTER_CONFIGS"
        " IDEMPOTENT_WRITE",
        "TRANSACTIONAL_ID": "WRITE DESCRIBE",
        "DELEGATION_TOKEN": "DESCRIBE",
        "USER": "CREATE_TOKENS DESCRIBE_TOKENS",
    }.items()
    for operation in operations.split()
]


@dataclass
class World:
    """What the requests speak of."""

    client: Client
    ids: dict[str, uuid.UUID] = field(default_factory=dict)
    hmac: bytes = b""
    """Of a token that ``User:owner`` has."""

    async def admin(self, api: Api, version: int, message: M) -> Any:
        return await self.client.ask(api, version, message, client_id=ADMIN)

    async def topic(self, name: str) -> None:
        """Create one; its id."""
        answer = await self.admin(Api.CREATE_TOPICS, 7, create_message(name))
        assert answer.topics[0].error_code == 0, answer
        self.ids[name] = answer.topics[0].topic_id

    async def group(self, name: str) -> None:
        """A group with a position in the topic t."""
        partition = M(partition_index=0, committed_offset=1)
        topics = [M(name=T, partitions=[partition])]
        while True:
            await self.admin(Api.FIND_COORDINATOR, 3, M(key=name, key_type=0))
            answer = await self.admin(Api.OFFSET_COMMIT, 8, M(group_id=name, topics=topics))
            if answer.topics[0].partitions[0].error_code == 0:
                return


Body = Callable[[World, str], M]
Setup = Callable[[World, str], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """One request; ``name`` and the rest are the key of its row in the recording."""

    name: str
    api: Api
    version: int
    body: Body
    setup: Setup | None = None


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


def of_connections() -> Iterator[Case]:
    yield Case(
        "handshake after authentication",
        Api.SASL_HANDSHAKE,
        1,
        lambda w, i: M(mechanism="PLAIN"),
    )
    yield Case(
        "versions",
        Api.API_VERSIONS,
        3,
        lambda w, i: M(client_software_name="a", client_software_version="1"),
    )


def of_administration() -> Iterator[Case]:
    create = Api.CREATE_TOPICS
    yield Case("new topic", create, 7, lambda w, i: create_message("new-" + i))
    yield Case(
        "new topic, validate only",
        create,
        7,
        lambda w, i: create_message("new2-" + i, validate_only=True),
    )
    yield Case("topic that exists", create, 5, lambda w, i: create_message(T))
    yield Case(
        "invalid replication factor", create, 5, lambda w, i: create_message("newx-" + i, 1, 9)
    )
    delete = Api.DELETE_TOPICS
    yield Case(
        "existing topic by name",
        delete,
        6,
        lambda w, i: M(topics=[M(name="del-" + i)], timeout=5000),
        lambda w, i: w.topic("del-" + i),
    )
    yield Case(
        "existing topic by name",
        delete,
        5,
        lambda w, i: M(topic_names=["delo-" + i], timeout=5000),
        lambda w, i: w.topic("delo-" + i),
    )
    yield Case(
        "missing topic by name", delete, 6, lambda w, i: M(topics=[M(name=MISSING)], timeout=5000)
    )
    yield Case(
        "existing topic by id",
        delete,
        6,
        lambda w, i: M(topics=[M(name=None, topic_id=w.ids["deli-" + i])], timeout=5000),
        lambda w, i: w.topic("deli-" + i),
    )
    yield Case(
        "missing topic by id",
        delete,
        6,
        lambda w, i: M(topics=[M(name=None, topic_id=NOBODY)], timeout=5000),
    )


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


def of_acls() -> Iterator[Case]:
    yield Case("any filter", Api.DESCRIBE_ACLS, 3, lambda w, i: acl_filter(1, None, 1))
    yield Case(
        "one ACL",
        Api.CREATE_ACLS,
        3,
        lambda w, i: M(creations=[acl("User:z", "TOPIC READ", "zz")]),
    )
    yield Case("one filter", Api.DELETE_ACLS, 3, lambda w, i: M(filters=[acl_filter(2, "zz", 3)]))


def of_settings() -> Iterator[Case]:
    for kind, name, resource in (
        (4, "broker", "1"),
        (4, "broker default", ""),
        (8, "broker logger", "1"),
        (32, "group", "g"),
        (16, "client metrics", "cm"),
    ):
        key, value = "log.cleaner.threads", "1"
        where = (kind, resource)
        yield Case(
            f"{name} resource",
            Api.DESCRIBE_CONFIGS,
            4,
            lambda w, i, where=where: described(*where, "log.cleaner.threads"),  # type: ignore[misc, call-arg]
        )
        yield Case(
            f"{name} resource",
            Api.ALTER_CONFIGS,
            2,
            lambda w, i, where=where: config(  # type: ignore[misc, call-arg]
                *where, "log.cleaner.threads", "1", validate_only=True
            ),
        )
        if kind == 8:
            key, value = "kafka.x", "INFO"
        pair = (key, value)
        yield Case(
            f"{name} resource",
            Api.INCREMENTAL_ALTER_CONFIGS,
            1,
            lambda w, i, where=where, pair=pair: config(  # type: ignore[misc]
                *where, *pair, validate_only=True
            ),
        )


def of_disks() -> Iterator[Case]:
    yield Case(
        "existing partition",
        Api.ALTER_REPLICA_LOG_DIRS,
        2,
        lambda w, i: M(dirs=[M(path="/data", topics=[M(name=T, partitions=[0])])]),
    )
    yield Case("all (null)", Api.DESCRIBE_LOG_DIRS, 4, lambda w, i: M(topics=None))
    yield Case("all (null), v1", Api.DESCRIBE_LOG_DIRS, 1, lambda w, i: M(topics=None))
    yield Case(
        "when already authenticated (re-authentication off)",
        Api.SASL_AUTHENTICATE,
        2,
        lambda w, i: M(auth_bytes=b"\0nobody\0pw"),
    )
    yield Case(
        "existing topic",
        Api.CREATE_PARTITIONS,
        3,
        lambda w, i: M(topics=[M(name="parts-" + i, count=2, assignments=[])], timeout=5000),
        lambda w, i: w.topic("parts-" + i),
    )
    yield Case(
        "missing topic",
        Api.CREATE_PARTITIONS,
        3,
        lambda w, i: M(topics=[M(name=MISSING, count=2)], timeout=5000),
    )


def of_others() -> Iterator[Case]:
    yield Case(
        "existing group",
        Api.DELETE_GROUPS,
        2,
        lambda w, i: M(groups_names=["del-" + i]),
        lambda w, i: w.group("del-" + i),
    )
    yield Case("missing group", Api.DELETE_GROUPS, 2, lambda w, i: M(groups_names=["nog"]))
    yield Case(
        "all partitions (null)",
        Api.ELECT_LEADERS,
        2,
        lambda w, i: M(election_type=0, topic_partitions=None, timeout=5000),
    )
    yield Case(
        "all (null)",
        Api.LIST_PARTITION_REASSIGNMENTS,
        0,
        lambda w, i: M(timeout=5000, topics=None),
    )
    yield Case(
        "group missing",
        Api.OFFSET_DELETE,
        0,
        lambda w, i: M(group_id="nog", topics=[partitions(T)]),
    )
    yield Case("all", Api.DESCRIBE_CLIENT_QUOTAS, 1, lambda w, i: M(components=[], strict=False))
    yield Case(
        "user x",
        Api.ALTER_CLIENT_QUOTAS,
        1,
        lambda w, i: M(
            validate_only=True,
            entries=[
                M(
                    entity=[M(entity_type="user", entity_name="x")],
                    ops=[M(key="producer_byte_rate", value=1000.0, remove=False)],
                )
            ],
        ),
    )
    scram = Api.DESCRIBE_USER_SCRAM_CREDENTIALS
    yield Case("all (null)", scram, 0, lambda w, i: M(users=None))
    yield Case("one user", scram, 0, lambda w, i: M(users=[M(name="nobody")]))
    yield Case(
        "deletion of one",
        Api.ALTER_USER_SCRAM_CREDENTIALS,
        0,
        lambda w, i: M(deletions=[M(name="x", mechanism=1)], upsertions=[]),
    )
    isr = [M(broker_id=1, broker_epoch=-1)]
    yield Case(
        "broker 1",
        Api.ALTER_PARTITION,
        3,
        lambda w, i: M(
            broker_id=1,
            broker_epoch=-1,
            topics=[
                M(topic_id=w.ids[T], partitions=[M(partition_index=0, new_isr_with_epochs=isr)])
            ],
        ),
    )
    yield Case(
        "one feature",
        Api.UPDATE_FEATURES,
        1,
        lambda w, i: M(
            validate_only=True,
            timeout=5000,
            feature_updates=[M(feature="metadata.version", max_version_level=1, upgrade_type=1)],
        ),
    )
    yield Case(
        "any",
        Api.ENVELOPE,
        0,
        lambda w, i: M(
            request_data=b"\0\x12\0\0\0\0\0\1\0\1x",
            request_principal=b"",
            client_host_address=b"\x7f\0\0\1",
        ),
    )
    yield Case(
        "with authorized operations",
        Api.DESCRIBE_CLUSTER,
        1,
        lambda w, i: M(include_cluster_authorized_operations=True),
    )
    yield Case("without authorized operations", Api.DESCRIBE_CLUSTER, 1, lambda w, i: M())
    yield Case(
        "existing and missing id",
        Api.DESCRIBE_TRANSACTIONS,
        0,
        lambda w, i: M(transactional_ids=["tx", "notx"]),
    )
    yield Case("all", Api.LIST_TRANSACTIONS, 1, lambda w, i: M())
    yield Case(
        "broker 1",
        Api.ALLOCATE_PRODUCER_IDS,
        0,
        lambda w, i: M(broker_id=1, broker_epoch=-1),
    )
    yield Case(
        "group g2",
        Api.CONSUMER_GROUP_HEARTBEAT,
        0,
        lambda w, i: M(
            group_id="g2",
            member_epoch=0,
            rebalance_timeout=5000,
            subscribed_topic_names=[T],
            topic_partitions=[],
        ),
    )
    yield Case("group g", Api.CONSUMER_GROUP_DESCRIBE, 0, lambda w, i: M(group_ids=["g"]))


def of_tokens() -> Iterator[Case]:
    create, renew = Api.CREATE_DELEGATION_TOKEN, Api.RENEW_DELEGATION_TOKEN
    describe = Api.DESCRIBE_DELEGATION_TOKEN
    owner = {"principal_type": "User", "principal_name": "owner"}
    of_another = {f"owner_{name}": value for name, value in owner.items()}
    yield Case("for oneself", create, 3, lambda w, i: M(renewers=[], max_lifetime=-1))
    yield Case(
        "for another owner", create, 3, lambda w, i: M(renewers=[], max_lifetime=-1, **of_another)
    )
    yield Case("somebody else's token", renew, 2, lambda w, i: M(hmac=w.hmac, renew_period=1000))
    yield Case("unknown token", renew, 2, lambda w, i: M(hmac=b"unknown", renew_period=1000))
    yield Case(
        "somebody else's token",
        Api.EXPIRE_DELEGATION_TOKEN,
        2,
        lambda w, i: M(hmac=w.hmac, expiry_time_period=1000),
    )
    yield Case("all owners (null)", describe, 3, lambda w, i: M(owners=None))
    yield Case("owner owner", describe, 3, lambda w, i: M(owners=[M(**owner)]))


CASES = [
    *of_topic("existing", T),
    *of_topic("missing", MISSING),
    *of_topics(),
    *of_groups(),
    *of_connections(),
    *of_administration(),
    *of_transactions(),
    *of_acls(),
    *of_settings(),
    *of_disks(),
    *of_others(),
    *of_tokens(),
]
