"""Wrong inputs: elections, reassignments, leaders, positions in a log."""

from __future__ import annotations

from collections.abc import Sequence

from tests.answers.case import COMPACTED, MISSING, PLAIN, STRANGER, WIDE, Case, case
from tests.raw_client import values

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def _elect(kind: int, name: str, *partitions: int) -> Message:
    asked = [Message(topic=name, partitions=list(partitions))]
    return Message(election_type=kind, topic_partitions=asked, timeout=5_000)


_ELECT: list[tuple[str, Message]] = [
    ("preferred, missing topic", _elect(0, MISSING, 0)),
    ("unclean, missing topic", _elect(1, MISSING, 0)),
    ("preferred, missing partition", _elect(0, PLAIN, 99, -1)),
    ("preferred, leads already", _elect(0, PLAIN, 0)),
    ("unclean, has a leader", _elect(1, PLAIN, 0)),
    ("type 2", _elect(2, PLAIN, 0)),
    ("type -1", _elect(-1, PLAIN, 0)),
    ("partition twice", _elect(0, PLAIN, 0, 0)),
    (
        "two topics",
        Message(
            election_type=0,
            topic_partitions=[
                *_elect(0, PLAIN, 0, 9).topic_partitions,
                *_elect(0, MISSING, 0).topic_partitions,
            ],
            timeout=5_000,
        ),
    ),
    (
        "timeout 0",
        Message(election_type=0, topic_partitions=_elect(0, PLAIN, 0).topic_partitions, timeout=0),
    ),
    (
        "timeout -1",
        Message(election_type=0, topic_partitions=_elect(0, PLAIN, 0).topic_partitions, timeout=-1),
    ),
    ("all, unclean", Message(election_type=1, topic_partitions=None, timeout=5_000)),
    ("none", Message(election_type=0, topic_partitions=[], timeout=5_000)),
    ("name with a slash", _elect(0, "a/b", 0)),
]


def _reassign(name: str, number: int, replicas: Sequence[int] | None) -> Message:
    parts = [Message(partition_index=number, replicas=None if replicas is None else list(replicas))]
    return Message(timeout=5_000, topics=[Message(name=name, partitions=parts)])


_REASSIGN: list[tuple[str, Message]] = [
    ("missing topic", _reassign(MISSING, 0, [1])),
    ("missing topic, empty list", _reassign(MISSING, 0, [])),
    ("missing partition", _reassign(PLAIN, 99, [1])),
    ("cancelled, missing topic", _reassign(MISSING, 0, None)),
    ("cancelled, nothing under way", _reassign(PLAIN, 0, None)),
    ("empty list", _reassign(PLAIN, 0, [])),
    ("broker twice", _reassign(PLAIN, 0, [1, 1])),
    ("negative broker", _reassign(PLAIN, 0, [-1])),
    ("negative broker among others", _reassign(PLAIN, 0, [1, -5])),
    ("unknown broker", _reassign(PLAIN, 0, [99])),
    ("unknown brokers", _reassign(PLAIN, 0, [1, 98, 99])),
    ("unknown broker twice", _reassign(PLAIN, 0, [99, 99])),
    ("where it is", _reassign(PLAIN, 0, [1])),
    ("name with a slash", _reassign("a/b", 0, [1])),
    ("broker twice among unknown ones", _reassign(PLAIN, 0, [1, 1, 99])),
    ("negative and unknown", _reassign(PLAIN, 0, [-1, 99])),
    ("missing topic, broker twice", _reassign(MISSING, 0, [2, 2])),
    ("missing topic, unknown broker", _reassign(MISSING, 0, [99])),
    (
        "partition twice",
        Message(timeout=5_000, topics=_reassign(PLAIN, 0, [1]).topics * 2),
    ),
    (
        "wrong, missing and right",
        Message(
            timeout=5_000,
            topics=[
                *_reassign(PLAIN, 0, [99]).topics,
                *_reassign(MISSING, 0, [1]).topics,
                *_reassign(COMPACTED, 0, [1]).topics,
            ],
        ),
    ),
    ("none", Message(timeout=5_000, topics=[])),
]


def _list(name: str, *partitions: int) -> Message:
    return Message(timeout=5_000, topics=[Message(name=name, partition_indexes=list(partitions))])


_LIST: list[tuple[str, Message]] = [
    ("missing topic", _list(MISSING, 0)),
    ("missing partition", _list(PLAIN, 99)),
    ("not moving", _list(PLAIN, 0)),
    ("all", Message(timeout=5_000, topics=None)),
]


def _offsets(
    name: str,
    number: int,
    timestamp: int,
    *,
    epoch: int = -1,
    replica: int = -1,
    isolation: int = 0,
) -> Message:
    part = Message(
        partition_index=number,
        current_leader_epoch=epoch,
        timestamp=timestamp,
    )
    return Message(
        replica_id=replica,
        isolation_level=isolation,
        topics=[Message(name=name, partitions=[part])],
    )


_OFFSETS: list[tuple[str, Message, int]] = [
    *(
        row
        for version in (1, 5, 9)
        for row in [
            ("missing topic", _offsets(MISSING, 0, -1), version),
            ("missing partition", _offsets(PLAIN, 99, -1), version),
            ("negative partition", _offsets(PLAIN, -1, -1), version),
            ("timestamp -3", _offsets(PLAIN, 0, -3), version),
            ("timestamp -4", _offsets(PLAIN, 0, -4), version),
            ("timestamp -5", _offsets(PLAIN, 0, -5), version),
            ("timestamp -6", _offsets(PLAIN, 0, -6), version),
            ("timestamp -100", _offsets(PLAIN, 0, -100), version),
            ("latest of nothing", _offsets(PLAIN, 0, -1), version),
            ("a time in nothing", _offsets(PLAIN, 0, 5), version),
        ]
    ),
    ("epoch from the future", _offsets(PLAIN, 0, -1, epoch=99), 9),
    ("isolation level 7", _offsets(PLAIN, 0, -1, isolation=7), 9),
    ("as an unknown replica", _offsets(PLAIN, 0, -1, replica=99), 9),
    ("as a debugging consumer", _offsets(PLAIN, 0, -1, replica=-2), 9),
    ("name with a slash", _offsets("a/b", 0, -1), 9),
]


def _epochs(name: str, number: int, epoch: int, *, current: int = -1, replica: int = -1) -> Message:
    part = Message(partition=number, current_leader_epoch=current, leader_epoch=epoch)
    return Message(replica_id=replica, topics=[Message(topic=name, partitions=[part])])


_EPOCHS: list[tuple[str, Message]] = [
    ("missing topic", _epochs(MISSING, 0, 0)),
    ("missing partition", _epochs(PLAIN, 99, 0)),
    ("epoch of the future", _epochs(PLAIN, 0, 99)),
    ("epoch -1", _epochs(PLAIN, 0, -1)),
    ("epoch -5", _epochs(PLAIN, 0, -5)),
    ("epoch 0", _epochs(PLAIN, 0, 0)),
    ("current epoch of the future", _epochs(PLAIN, 0, 0, current=99)),
    ("as a replica that is none", _epochs(PLAIN, 0, 0, replica=99)),
]


def _fetch(
    topic_id: object,
    number: int,
    offset: int,
    *,
    name: str = PLAIN,
    epoch: int = -1,
    session: tuple[int, int] = (0, -1),
) -> Message:
    part = Message(
        partition=number,
        current_leader_epoch=epoch,
        fetch_offset=offset,
        last_fetched_epoch=-1,
        log_start_offset=-1,
        partition_max_bytes=1000,
    )
    return Message(
        replica_id=-1,
        replica_state=Message(replica_id=-1, replica_epoch=-1),
        max_wait=0,
        min_bytes=0,
        max_bytes=1000,
        isolation_level=0,
        session_id=session[0],
        session_epoch=session[1],
        topics=[Message(topic_id=topic_id, topic=name, partitions=[part])],
        forgotten_topics_data=[],
        rack_id="",
    )


_FETCH: list[tuple[str, Message, int]] = [
    ("unknown id", _fetch(STRANGER, 0, 0), 17),
    ("no id", _fetch(None, 0, 0), 17),
    ("missing topic", _fetch(None, 0, 0, name=MISSING), 12),
    ("missing partition", _fetch(None, 99, 0), 12),
    ("offset beyond the end", _fetch(None, 0, 99), 12),
    ("offset -1", _fetch(None, 0, -1), 12),
    ("epoch of the future", _fetch(None, 0, 0, epoch=99), 12),
    ("unknown session", _fetch(None, 0, 0, session=(12345, 5)), 12),
    ("session epoch 5 without a session", _fetch(None, 0, 0, session=(0, 5)), 12),
    ("session epoch -5", _fetch(None, 0, 0, session=(0, -5)), 12),
    ("missing topic", _fetch(None, 0, 0, name=MISSING), 4),
    ("offset beyond the end", _fetch(None, 0, 99), 4),
]


def _produce(
    name: str, number: int, records: bytes | None, *, acks: int = -1, txn: str | None = None
) -> Message:
    data = [Message(name=name, partition_data=[Message(index=number, records=records)])]
    return Message(transactional_id=txn, acks=acks, timeout=5_000, topic_data=data)


BATCH = values(b"x")
_PRODUCE: list[tuple[str, Message, int]] = [
    *(
        row
        for version in (3, 7, 8, 11)
        for row in [
            ("missing topic", _produce(MISSING, 0, BATCH), version),
            ("missing partition", _produce(PLAIN, 99, BATCH), version),
            ("acks 2", _produce(PLAIN, 0, BATCH, acks=2), version),
            ("acks -2", _produce(PLAIN, 0, BATCH, acks=-2), version),
        ]
    ),
    ("name with a slash", _produce("a/b", 0, BATCH), 9),
]

CASES: list[Case] = [
    case(
        ApiKey.ALTER_REPLICA_LOG_DIRS,
        "name of 249 characters",
        Message(dirs=[Message(path="/d", topics=[Message(name="n" * 249, partitions=[0])])]),
    ),
    *(case(ApiKey.ELECT_LEADERS, what, m) for what, m in _ELECT),
    case(ApiKey.ELECT_LEADERS, "preferred, missing topic", _elect(0, MISSING, 0), version=0),
    case(ApiKey.ELECT_LEADERS, "preferred, leads already", _elect(0, PLAIN, 0), version=1),
    case(ApiKey.ELECT_LEADERS, "not the controller", _elect(0, PLAIN, 0), to="other", brokers=3),
    case(
        ApiKey.ELECT_LEADERS,
        "not the controller, missing topic",
        _elect(0, MISSING, 0),
        to="other",
        brokers=3,
    ),
    *(case(ApiKey.ALTER_PARTITION_REASSIGNMENTS, what, m) for what, m in _REASSIGN),
    case(
        ApiKey.ALTER_PARTITION_REASSIGNMENTS,
        "fewer replicas and an unknown broker",
        _reassign(WIDE, 0, [1, 99]),
        brokers=3,
    ),
    case(
        ApiKey.ALTER_PARTITION_REASSIGNMENTS,
        "not the controller",
        _reassign(PLAIN, 0, [2]),
        to="other",
        brokers=3,
    ),
    *(case(ApiKey.LIST_PARTITION_REASSIGNMENTS, what, m) for what, m in _LIST),
    case(
        ApiKey.LIST_PARTITION_REASSIGNMENTS,
        "not the controller",
        _list(PLAIN, 0),
        to="other",
        brokers=3,
    ),
    *(case(ApiKey.LIST_OFFSETS, w, m, version=v, to=1) for w, m, v in _OFFSETS),
    case(ApiKey.LIST_OFFSETS, "not a replica", _offsets(PLAIN, 0, -1), to=2, brokers=3),
    case(ApiKey.LIST_OFFSETS, "not the leader", _offsets(WIDE, 0, -1), to=2, brokers=3),
    *(case(ApiKey.OFFSET_FOR_LEADER_EPOCH, what, m, to=1) for what, m in _EPOCHS),
    case(ApiKey.OFFSET_FOR_LEADER_EPOCH, "not a replica", _epochs(PLAIN, 0, 0), to=2, brokers=3),
    case(ApiKey.OFFSET_FOR_LEADER_EPOCH, "not the leader", _epochs(WIDE, 0, 0), to=2, brokers=3),
    *(case(ApiKey.FETCH, w, m, version=v, to=1) for w, m, v in _FETCH),
    case(ApiKey.FETCH, "not a replica", _fetch(None, 0, 0), version=12, to=2, brokers=3),
    *(case(ApiKey.PRODUCE, w, m, version=v, to=1) for w, m, v in _PRODUCE),
    case(ApiKey.PRODUCE, "not the leader", _produce(PLAIN, 0, BATCH), to=2, brokers=3),
    case(ApiKey.PRODUCE, "no records", _produce(PLAIN, 0, b""), to=1),
    case(ApiKey.PRODUCE, "records null", _produce(PLAIN, 0, None), to=1),
    case(ApiKey.PRODUCE, "internal topic", _produce("__consumer_offsets", 0, BATCH), to=1),
    case(ApiKey.PRODUCE, "compacted, record without a key", _produce(COMPACTED, 0, BATCH), to=1),
]
