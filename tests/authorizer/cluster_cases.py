"""Requests of the matrix that are about the cluster: topics, ACLs, settings, disks, tokens."""

from __future__ import annotations

from collections.abc import Iterator

from tests.api.kit import create_message
from tests.authorizer.matrix import NOBODY, Case
from tests.authorizer.messages import (
    MISSING,
    M,
    T,
    acl,
    acl_filter,
    config,
    described,
    partitions,
)

from barnabas.protocol.api import ApiKey as Api


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
