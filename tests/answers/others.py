"""Wrong inputs: transactions, producers, security, quotas, features, the cluster."""

from __future__ import annotations

from typing import Any

from tests.answers.case import GROUP, MISSING, PLAIN, Case, case

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def _init(txn: str | None, timeout: int = 60_000, producer: tuple[int, int] = (-1, -1)) -> Message:
    return Message(
        transactional_id=txn,
        transaction_timeout=timeout,
        producer_id=producer[0],
        producer_epoch=producer[1],
    )


_INITS: list[tuple[str, Message, int]] = [
    ("transactional id empty", _init(""), 4),
    ("transactional id empty", _init(""), 0),
    ("timeout 0", _init("answers-t", 0), 4),
    ("timeout -1", _init("answers-t", -1), 4),
    ("timeout an hour", _init("answers-t", 3_600_000), 4),
    ("unknown producer of an id", _init("answers-t", producer=(12345, 0)), 4),
    ("epoch without a producer", _init("answers-t", producer=(-1, 3)), 4),
    ("producer without an epoch", _init("answers-t", producer=(12345, -1)), 4),
    ("no id, epoch without a producer", _init(None, producer=(-1, 3)), 4),
    ("no id, producer without an epoch", _init(None, producer=(12345, -1)), 4),
]


def _add(txn: str, name: str, number: int = 0, producer: int = 12345) -> Message:
    topics = [Message(name=name, partitions=[number])]
    return Message(
        v3_and_below_transactional_id=txn,
        v3_and_below_producer_id=producer,
        v3_and_below_producer_epoch=0,
        v3_and_below_topics=topics,
        transactional_id=txn,
        producer_id=producer,
        producer_epoch=0,
        topics=topics,
    )


def _txn(txn: str, **fields: Any) -> Message:
    return Message(**{"transactional_id": txn, "producer_id": 12345, "producer_epoch": 0, **fields})


def _txn_commit(group: str, name: str, number: int = 0, **fields: Any) -> Message:
    parts = [
        Message(
            partition_index=number,
            committed_offset=1,
            committed_leader_epoch=-1,
            committed_metadata="",
        )
    ]
    return _txn(
        "answers-t",
        **{
            "group_id": group,
            "generation_id": -1,
            "member_id": "",
            "topics": [Message(name=name, partitions=parts)],
            **fields,
        },
    )


def _producers(name: str, *partitions: int) -> Message:
    return Message(topics=[Message(name=name, partition_indexes=list(partitions))])


_TRANSACTIONS: list[Case] = [
    *(case(ApiKey.INIT_PRODUCER_ID, w, m, version=v, to="transactions") for w, m, v in _INITS),
    *(
        case(ApiKey.ADD_PARTITIONS_TO_TXN, w, m, version=3, to="transactions")
        for w, m in [
            ("unknown transactional id", _add("answers-t", PLAIN)),
            ("transactional id empty", _add("", PLAIN)),
            ("missing topic", _add("answers-t", MISSING)),
            ("missing partition", _add("answers-t", PLAIN, 99)),
        ]
    ),
    *(
        case(api, w, m, to="transactions")
        for api in (ApiKey.ADD_OFFSETS_TO_TXN, ApiKey.END_TXN)
        for w, m in [
            ("unknown transactional id", _txn("answers-t", group_id=GROUP, committed=True)),
            ("transactional id empty", _txn("", group_id=GROUP, committed=True)),
            ("group empty", _txn("answers-t", group_id="", committed=False)),
        ]
    ),
    *(
        case(ApiKey.TXN_OFFSET_COMMIT, w, m, to="coordinator", version=3)
        for w, m in [
            ("group empty", _txn_commit("", PLAIN)),
            ("missing topic", _txn_commit(GROUP, MISSING)),
            ("missing partition", _txn_commit(GROUP, PLAIN, 99)),
            ("unknown member", _txn_commit(GROUP, PLAIN, generation_id=1, member_id="nobody")),
            ("generation 99", _txn_commit(GROUP, PLAIN, generation_id=99, member_id="nobody")),
        ]
    ),
    *(
        case(ApiKey.DESCRIBE_PRODUCERS, w, m, to=1)
        for w, m in [
            ("missing topic", _producers(MISSING, 0)),
            ("missing partition", _producers(PLAIN, 99, -1)),
            ("name empty", _producers("", 0)),
            ("name with a space", _producers("a b", 0)),
            ("nobody", _producers(PLAIN, 0)),
            ("none", Message(topics=[])),
        ]
    ),
    case(ApiKey.DESCRIBE_PRODUCERS, "not a replica", _producers(PLAIN, 0), to=2, brokers=3),
    *(
        case(ApiKey.DESCRIBE_TRANSACTIONS, w, Message(transactional_ids=ids), to="transactions")
        for w, ids in [
            ("unknown", ["answers-t"]),
            ("empty", [""]),
            ("twice", ["answers-t", "answers-t"]),
            ("none", []),
        ]
    ),
    *(
        case(
            ApiKey.LIST_TRANSACTIONS,
            w,
            Message(state_filters=states, producer_id_filters=ids, duration_filter=duration),
            to="transactions",
        )
        for w, states, ids, duration in [
            ("unknown state", ["Sleeping"], [], -1),
            ("unknown states", ["Sleeping", "Waking", "Ongoing"], [], -1),
            ("state in small letters", ["ongoing"], [], -1),
            ("state empty", [""], [], -1),
            ("unknown producer", [], [12345], -1),
            ("duration -5", [], [], -5),
        ]
    ),
]


def _acl(**fields: Any) -> Message:
    return Message(
        **{
            "resource_type": 2,
            "resource_name": "t",
            "resource_pattern_type": 3,
            "principal": "User:a",
            "host": "*",
            "operation": 3,
            "permission_type": 3,
            "resource_type_filter": 2,
            "resource_name_filter": "t",
            "pattern_type_filter": 3,
            "principal_filter": None,
            "host_filter": None,
            **fields,
        }
    )


def _quota(entity: list[tuple[str, str | None]], key: str, value: float, **fields: Any) -> Message:
    return Message(
        entries=[
            Message(
                entity=[Message(entity_type=t, entity_name=n) for t, n in entity],
                ops=[Message(key=key, value=value, remove=fields.pop("remove", False))],
            )
        ],
        validate_only=True,
    )


def _asked(kind: str, match_type: int = 0, match: str | None = "x") -> Message:
    return Message(
        components=[Message(entity_type=kind, match_type=match_type, match=match)], strict=False
    )


_SECURITY: list[Case] = [
    *(
        case(ApiKey.DESCRIBE_ACLS, w, m, version=v)
        for v in (1, 3)
        for w, m in [
            ("a filter", _acl()),
            ("resource type 99", _acl(resource_type_filter=99)),
            ("operation 0", _acl(operation=0)),
            ("pattern type 0", _acl(pattern_type_filter=0)),
        ]
    ),
    *(
        case(ApiKey.CREATE_ACLS, w, Message(creations=c), version=v)
        for v in (1, 3)
        for w, c in [
            ("one", [_acl()]),
            ("two", [_acl(), _acl(resource_name="u")]),
            ("none", []),
            ("a principal without a type", [_acl(principal="a")]),
            ("resource type 0", [_acl(resource_type=0)]),
            ("resource type 1", [_acl(resource_type=1)]),
            ("operation 1", [_acl(operation=1)]),
            ("pattern type 1", [_acl(resource_pattern_type=1)]),
        ]
    ),
    *(
        case(ApiKey.DELETE_ACLS, w, Message(filters=f), version=v)
        for v in (1, 3)
        for w, f in [
            ("one", [_acl()]),
            ("two", [_acl(), _acl()]),
            ("none", []),
            ("operation 0", [_acl(operation=0)]),
        ]
    ),
    *(
        case(ApiKey.SASL_HANDSHAKE, w, Message(mechanism=m), version=v)
        for v in (0, 1)
        for w, m in [("PLAIN", "PLAIN"), ("empty", ""), ("SCRAM", "SCRAM-SHA-256")]
    ),
    *(
        case(ApiKey.SASL_AUTHENTICATE, "a password", Message(auth_bytes=b"\0a\0b"), version=v)
        for v in (0, 1, 2)
    ),
    *(
        case(ApiKey.CREATE_DELEGATION_TOKEN, w, m, version=v)
        for v in (1, 2, 3)
        for w, m in [
            (
                "for oneself",
                Message(
                    owner_principal_type=None,
                    owner_principal_name=None,
                    renewers=[],
                    max_lifetime=-1,
                ),
            ),
            (
                "for another",
                Message(
                    owner_principal_type="User",
                    owner_principal_name="a",
                    renewers=[],
                    max_lifetime=-1,
                ),
            ),
        ]
    ),
    *(
        case(
            ApiKey.RENEW_DELEGATION_TOKEN, "unknown", Message(hmac=b"h", renew_period=-1), version=v
        )
        for v in (1, 2)
    ),
    *(
        case(
            ApiKey.EXPIRE_DELEGATION_TOKEN,
            "unknown",
            Message(hmac=b"h", expiry_time_period=-1),
            version=v,
        )
        for v in (1, 2)
    ),
    *(
        case(ApiKey.DESCRIBE_DELEGATION_TOKEN, w, Message(owners=o), version=v)
        for v in (1, 2, 3)
        for w, o in [
            ("all", None),
            ("none", []),
            ("one", [Message(principal_type="User", principal_name="a")]),
        ]
    ),
    *(
        case(ApiKey.DESCRIBE_CLIENT_QUOTAS, w, m, version=v)
        for v in (0, 1)
        for w, m in [
            ("a user", _asked("user")),
            ("all users", _asked("user", 2, None)),
            ("the default user", _asked("user", 1, None)),
            ("an address", _asked("ip", 0, "127.0.0.1")),
            ("an address that is none", _asked("ip", 0, "nowhere.invalid")),
            ("unknown entity type", _asked("strange")),
            ("entity type empty", _asked("")),
            ("match type 9", _asked("user", 9)),
            ("exact without a name", _asked("user", 0, None)),
            ("default with a name", _asked("user", 1, "x")),
            ("any with a name", _asked("user", 2, "x")),
            ("user twice", Message(components=_asked("user").components * 2, strict=False)),
            (
                "user and address",
                Message(
                    components=[
                        *_asked("user").components,
                        *_asked("ip", 0, "127.0.0.1").components,
                    ],
                    strict=False,
                ),
            ),
            ("none", Message(components=[], strict=False)),
            ("none, strict", Message(components=[], strict=True)),
        ]
    ),
    *(
        case(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, w, Message(users=users))
        for w, users in [
            ("all", None),
            ("none", []),
            ("unknown", [Message(name="a")]),
            ("unknown, two", [Message(name="b"), Message(name="a")]),
            ("twice", [Message(name="a"), Message(name="a")]),
            ("empty", [Message(name="")]),
        ]
    ),
]

IP = ("ip", "1.2.3.4")


def _scram(name: str, mechanism: int, iterations: int) -> Message:
    return Message(
        name=name, mechanism=mechanism, iterations=iterations, salt=b"s", salted_password=b"p"
    )


_WRITES: list[Case] = [
    *(
        case(ApiKey.ALTER_CLIENT_QUOTAS, w, m, version=v)
        for v in (0, 1)
        for w, m in [
            ("a user, only validated", _quota([("user", "a")], "producer_byte_rate", 1000.0)),
            ("unknown entity type", _quota([("strange", "a")], "producer_byte_rate", 1000.0)),
            ("no entity", _quota([], "producer_byte_rate", 1000.0)),
            ("unknown key", _quota([("user", "a")], "strange", 1000.0)),
            ("user with the empty name", _quota([("user", "")], "producer_byte_rate", 1000.0)),
            ("entity type empty", _quota([("", "a")], "producer_byte_rate", 1000.0)),
            ("user and address", _quota([("user", "a"), IP], "producer_byte_rate", 1.0)),
            ("client and address", _quota([("client-id", "a"), IP], "producer_byte_rate", 1.0)),
            ("key of a client for an address", _quota([IP], "producer_byte_rate", 1.0)),
            (
                "key of an address for a user",
                _quota([("user", "a")], "connection_creation_rate", 1.0),
            ),
            ("rate of an address not whole", _quota([IP], "connection_creation_rate", 1.5)),
            ("rate not whole", _quota([("user", "a")], "consumer_byte_rate", 1.5)),
            ("an unknown address", _quota([("ip", "no where")], "connection_creation_rate", 1.0)),
            ("none", Message(entries=[], validate_only=True)),
        ]
    ),
    *(
        case(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, w, Message(deletions=d, upsertions=u))
        for w, d, u in [
            ("none", [], []),
            ("delete unknown", [Message(name="a", mechanism=1)], []),
            ("delete twice", [Message(name="a", mechanism=1)] * 2, []),
            ("empty user", [Message(name="", mechanism=1)], []),
            ("unknown mechanism", [Message(name="a", mechanism=9)], []),
            ("several users", [Message(name="b", mechanism=9), Message(name="c", mechanism=1)], []),
            ("few iterations", [], [_scram("a", 1, 1)]),
            ("many iterations", [], [_scram("a", 2, 99_999)]),
            ("upsert unknown mechanism", [], [_scram("a", 0, 5000)]),
            ("upsert empty user", [], [_scram("", 1, 5000)]),
            ("upsert twice", [], [_scram("a", 1, 5000), _scram("a", 1, 6000)]),
            ("delete and upsert", [Message(name="a", mechanism=1)], [_scram("a", 1, 5000)]),
            (
                "delete one, upsert another",
                [Message(name="a", mechanism=2)],
                [_scram("a", 1, 5000)],
            ),
        ]
    ),
]


def _feature(name: str, level: int = 1, kind: int = 1) -> Message:
    return Message(feature=name, max_version_level=level, upgrade_type=kind, allow_downgrade=False)


_CLUSTER: list[Case] = [
    *(
        case(
            ApiKey.UPDATE_FEATURES,
            w,
            Message(timeout=5_000, feature_updates=f, validate_only=validate),
            version=v,
        )
        for v in (0, 1)
        for w, f, validate in [
            ("none", [], False),
            ("unknown", [_feature("strange")], False),
            ("unknown, only validated", [_feature("strange")], True),
            ("name empty", [_feature("")], False),
            ("level 0", [_feature("strange", 0)], False),
            ("level -1", [_feature("strange", -1)], False),
            ("metadata.version", [_feature("metadata.version", 7)], False),
            ("upgrade type 9", [_feature("strange", 1, 9)], False),
            ("two", [_feature("strange"), _feature("other")], False),
            ("twice", [_feature("strange"), _feature("strange")], False),
        ]
    ),
    *(
        case(
            ApiKey.UPDATE_FEATURES,
            "not the controller",
            Message(timeout=5_000, feature_updates=f),
            to="other",
            version=v,
            brokers=3,
        )
        for v in (0, 1)
        for f in ([_feature("strange")],)
    ),
    case(
        ApiKey.ENVELOPE,
        "empty",
        Message(request_data=b"", request_principal=None, client_host_address=b""),
    ),
    case(
        ApiKey.ENVELOPE,
        "a request",
        Message(
            request_data=b"\0\x12\0\0\0\0\0\1\0\0",
            request_principal=b"",
            client_host_address=b"\x7f\0\0\1",
        ),
    ),
    *(
        case(
            ApiKey.DESCRIBE_CLUSTER,
            w,
            Message(include_cluster_authorized_operations=False, endpoint_type=t),
            version=v,
        )
        for v in (0, 1)
        for w, t in [
            ("controllers", 2),
            ("endpoint type 9", 9),
            ("endpoint type -1", -1),
            ("brokers", 1),
        ]
    ),
    *(
        case(
            ApiKey.API_VERSIONS,
            w,
            Message(client_software_name=n, client_software_version=x),
            version=v,
        )
        for v in (3, 4)
        for w, n, x in [
            ("name empty", "", "1"),
            ("name with a space", "a b", "1"),
            ("version empty", "a", ""),
            ("version with a dash first", "a", "-1"),
        ]
    ),
    case(ApiKey.ALLOCATE_PRODUCER_IDS, "unknown broker", Message(broker_id=99, broker_epoch=0)),
    case(ApiKey.ALLOCATE_PRODUCER_IDS, "wrong epoch", Message(broker_id=1, broker_epoch=-5)),
    case(
        ApiKey.ALTER_PARTITION, "unknown broker", Message(broker_id=99, broker_epoch=0, topics=[])
    ),
    case(ApiKey.ALTER_PARTITION, "wrong epoch", Message(broker_id=1, broker_epoch=-5, topics=[])),
    case(ApiKey.CONTROLLED_SHUTDOWN, "unknown broker", Message(broker_id=99, broker_epoch=-1)),
    case(ApiKey.CONTROLLED_SHUTDOWN, "wrong epoch", Message(broker_id=1, broker_epoch=5)),
]

CASES: list[Case] = [*_TRANSACTIONS, *_SECURITY, *_WRITES, *_CLUSTER]
