"""Wrong inputs: topics, partitions, records, log directories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.answers.case import COMPACTED, DOOMED, MISSING, PLAIN, STRANGER, WIDE, Case, case

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

NEW = "answers-new"


def topic(
    name: str = NEW,
    partitions: int = 1,
    replicas: int = 1,
    assignments: Mapping[int, Sequence[int]] | None = None,
    configs: Mapping[str, str | None] | None = None,
) -> Message:
    if assignments is not None:
        partitions, replicas = min(partitions, -1), min(replicas, -1)
    return Message(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        assignments=[
            Message(partition_index=n, broker_ids=list(ids))
            for n, ids in (assignments or {}).items()
        ],
        configs=[Message(name=k, value=v) for k, v in (configs or {}).items()],
    )


def _create(*topics: Message, validate_only: bool = True, timeout: int = 10_000) -> Message:
    return Message(topics=list(topics), timeout=timeout, validate_only=validate_only)


def _twice(partitions: Sequence[tuple[int, Sequence[int]]]) -> Message:
    made = topic(partitions=-1, replicas=-1)
    made.assignments = [Message(partition_index=n, broker_ids=list(ids)) for n, ids in partitions]
    return made


_CREATE: list[tuple[str, Message]] = [
    ("name empty", _create(topic(""))),
    ("name .", _create(topic("."))),
    ("name ..", _create(topic(".."))),
    ("name with a space", _create(topic("a b"))),
    ("name with a slash", _create(topic("a/b"))),
    ("name with a letter outside ASCII", _create(topic("größe"))),
    ("name of 249 characters", _create(topic("n" * 249))),
    ("name of 250 characters", _create(topic("n" * 250))),
    ("name of 250 wrong characters", _create(topic("%" * 250))),
    ("exists", _create(topic(PLAIN))),
    ("exists, not only validated", _create(topic(PLAIN), validate_only=False)),
    ("exists and has a wrong number", _create(topic(PLAIN, partitions=0))),
    ("collides: . for -_", _create(topic("answers.plain"), topic("answers_plain"))),
    ("collides", _create(topic("answers_dotted"))),
    ("collides and has a wrong number", _create(topic("answers_dotted", replicas=9))),
    ("collides, not only validated", _create(topic("answers_dotted"), validate_only=False)),
    ("named twice", _create(topic("answers-d"), topic("answers-d"), topic("answers-e"))),
    ("named twice, existing", _create(topic(PLAIN), topic(PLAIN))),
    ("no topics", _create()),
    ("partitions 0", _create(topic(partitions=0))),
    ("partitions -2", _create(topic(partitions=-2))),
    ("partitions 10,001", _create(topic(partitions=10_001))),
    ("partitions -1: the default", _create(topic(partitions=-1))),
    ("replicas 0", _create(topic(replicas=0))),
    ("replicas -2", _create(topic(replicas=-2))),
    ("replicas 9", _create(topic(replicas=9))),
    ("replicas 9 and partitions 0", _create(topic(partitions=0, replicas=9))),
    ("wrong name and replicas 9", _create(topic("a b", replicas=9))),
    (
        "assignment and partitions",
        _create(Message(**{**topic(assignments={0: [1]}).__dict__, "num_partitions": 2})),
    ),
    (
        "assignment and replicas",
        _create(Message(**{**topic(assignments={0: [1]}).__dict__, "replication_factor": 1})),
    ),
    ("assignment from 1", _create(topic(assignments={1: [1]}))),
    ("assignment with a hole", _create(topic(assignments={0: [1], 2: [1]}))),
    ("assignment of a negative partition", _create(topic(assignments={-1: [1], 0: [1]}))),
    ("assignment with a partition twice", _create(_twice([(0, [1]), (0, [1])]))),
    ("assignment with a broker twice", _create(topic(assignments={0: [1, 1]}))),
    ("assignment without replicas", _create(topic(assignments={0: []}))),
    ("assignment without replicas for one", _create(topic(assignments={0: [1], 1: []}))),
    ("assignment of unequal length", _create(topic(assignments={0: [1], 1: [1, 2]}))),
    ("assignment to an unknown broker", _create(topic(assignments={0: [99]}))),
    ("assignment to a negative broker", _create(topic(assignments={0: [-1]}))),
    ("config null", _create(topic(configs={"retention.ms": None}))),
    ("configs null, two", _create(topic(configs={"retention.ms": None, "segment.ms": None}))),
    ("config unknown", _create(topic(configs={"no.such": "1"}))),
    ("config of a broker", _create(topic(configs={"log.retention.ms": "1"}))),
    ("config value", _create(topic(configs={"retention.ms": "soon"}))),
    ("config value out of range", _create(topic(configs={"min.insync.replicas": "0"}))),
    ("config list value", _create(topic(configs={"cleanup.policy": "shred"}))),
    ("config unknown and wrong name", _create(topic("a b", configs={"no.such": "1"}))),
    ("config unknown and exists", _create(topic(PLAIN, configs={"no.such": "1"}))),
    (
        "config unknown and an assignment from 1",
        _create(topic(assignments={1: [1]}, configs={"no.such": "1"})),
    ),
    ("wrong name and an assignment from 1", _create(topic("a b", assignments={1: [1]}))),
    ("config null and replicas 9", _create(topic(replicas=9, configs={"retention.ms": None}))),
    ("config null and a wrong name", _create(topic("a b", configs={"retention.ms": None}))),
    ("config null and exists", _create(topic(PLAIN, configs={"retention.ms": None}))),
    ("config unknown and replicas 9", _create(topic(replicas=9, configs={"no.such": "1"}))),
    ("one right, one wrong", _create(topic("answers-right"), topic("a b"))),
    ("timeout 0", _create(topic("answers-late"), validate_only=False, timeout=0)),
    ("timeout -1", _create(topic("answers-late2"), validate_only=False, timeout=-1)),
    ("timeout 0, only validated", _create(topic(), timeout=0)),
    ("name of an internal topic", _create(topic("__consumer_offsets"))),
    ("name of the cluster metadata", _create(topic("__cluster_metadata"))),
]


def _delete(*names: Any, timeout: int = 10_000) -> Message:
    topics = [
        Message(name=n, topic_id=None) if isinstance(n, str) else Message(name=n[0], topic_id=n[1])
        for n in names
    ]
    return Message(topics=topics, topic_names=[t.name or "" for t in topics], timeout=timeout)


_DELETE: list[tuple[str, Any, int]] = [
    ("missing", _delete(MISSING), 6),
    ("missing", _delete(MISSING), 5),
    ("missing", _delete(MISSING), 1),
    ("name empty", _delete(""), 6),
    ("name with a slash", _delete("a/b"), 6),
    ("missing twice", _delete(MISSING, MISSING), 6),
    ("missing twice", _delete(MISSING, MISSING), 5),
    ("existing twice", _delete(DOOMED[0], DOOMED[0]), 6),
    ("unknown id", _delete((None, STRANGER)), 6),
    ("unknown id twice", _delete((None, STRANGER), (None, STRANGER)), 6),
    ("name and id", _delete((PLAIN, STRANGER)), 6),
    ("name and id beside a missing one", _delete((PLAIN, STRANGER), MISSING), 6),
    ("neither name nor id", _delete((None, None)), 6),
    ("name and its id both", lambda k: _delete(DOOMED[1], (None, k.topic_ids[DOOMED[1]])), 6),
    ("its id twice", lambda k: _delete(*[(None, k.topic_ids[DOOMED[2]])] * 2), 6),
    ("timeout 0", _delete(DOOMED[3], timeout=0), 6),
    ("timeout -5", _delete(MISSING, timeout=-5), 6),
    ("missing", _delete(MISSING), 3),
    ("missing and unknown", _delete(MISSING, (None, STRANGER)), 6),
    ("none", _delete(), 6),
]


def _grow(
    name: str, count: int, *placement: Sequence[int] | None, validate_only: bool = True
) -> Message:
    assignments: Any = None
    if placement and placement != (None,):
        assignments = [Message(broker_ids=list(p or ())) for p in placement]
    if placement == (None,):
        assignments = []
    return Message(
        topics=[Message(name=name, count=count, assignments=assignments)],
        timeout=10_000,
        validate_only=validate_only,
    )


def _grow_twice(*names: str) -> Message:
    topics = [Message(name=n, count=9, assignments=None) for n in names]
    return Message(topics=topics, timeout=10_000, validate_only=True)


_GROW: list[tuple[str, Message]] = [
    ("missing", _grow(MISSING, 4)),
    ("name empty", _grow("", 4)),
    ("name with a slash", _grow("a/b", 4)),
    ("as many as there are", _grow(PLAIN, 3)),
    ("fewer", _grow(PLAIN, 2)),
    ("0", _grow(PLAIN, 0)),
    ("-1", _grow(PLAIN, -1)),
    ("as many, with a placement", _grow(PLAIN, 3, [1])),
    ("too few placements", _grow(PLAIN, 5, [1])),
    ("too many placements", _grow(PLAIN, 4, [1], [1])),
    ("no placements", _grow(PLAIN, 4, None)),
    ("placement empty", _grow(PLAIN, 4, [])),
    ("placement with a broker twice", _grow(PLAIN, 4, [1, 1])),
    ("placement on an unknown broker", _grow(PLAIN, 4, [99])),
    ("placement on unknown brokers", _grow(PLAIN, 5, [98], [99])),
    ("placement on a negative broker", _grow(PLAIN, 4, [-1])),
    ("placement of another length", _grow(PLAIN, 4, [1, 2])),
    ("placements of unequal length", _grow(PLAIN, 5, [1], [1, 1])),
    ("placement on an unknown broker of another length", _grow(PLAIN, 4, [1, 99])),
    ("one topic right, one missing", _grow_twice(PLAIN, MISSING)),
    ("too many placements on unknown brokers", _grow(PLAIN, 4, [99], [98])),
    ("topic twice", _grow_twice(PLAIN, PLAIN)),
    ("missing topic twice", _grow_twice(MISSING, MISSING, PLAIN)),
    ("right", _grow(PLAIN, 4)),
]

_GROW_WIDE: list[tuple[str, Message]] = [
    ("placement with too few replicas", _grow(WIDE, 4, [1, 2])),
    ("placement with a broker twice", _grow(WIDE, 4, [1, 2, 2])),
    ("placement with an unknown broker", _grow(WIDE, 4, [1, 2, 99])),
    ("placements with unknown brokers", _grow(WIDE, 6, [1, 2, 98], [1, 2, 3], [97, 2, 99])),
    ("placements of unequal length", _grow(WIDE, 5, [1, 2, 3], [1, 2])),
    ("placements of unequal length, two", _grow(WIDE, 6, [1, 2], [1, 2, 3], [1])),
]


def _records(name: str, partition: int, offset: int) -> Message:
    parts = [Message(partition_index=partition, offset=offset)]
    return Message(topics=[Message(name=name, partitions=parts)], timeout=5_000)


_DELETE_RECORDS: list[tuple[str, Message]] = [
    ("missing topic", _records(MISSING, 0, 0)),
    ("name with a slash", _records("a/b", 0, 0)),
    ("missing partition", _records(PLAIN, 99, 0)),
    ("negative partition", _records(PLAIN, -1, 0)),
    ("offset beyond the end", _records(PLAIN, 0, 99)),
    ("offset -2", _records(PLAIN, 0, -2)),
    ("offset -1: to the end", _records(PLAIN, 0, -1)),
    ("offset 0", _records(PLAIN, 0, 0)),
    ("compacted", _records(COMPACTED, 0, 0)),
    ("internal topic", _records("__consumer_offsets", 0, 0)),
    ("no topics", Message(topics=[], timeout=5_000)),
]


def _move(path: str, name: str, *partitions: int) -> Message:
    topics = [Message(name=name, partitions=list(partitions))]
    return Message(dirs=[Message(path=path, topics=topics)])


_MOVE: list[tuple[str, Message]] = [
    ("missing topic", _move("/no/such", MISSING, 0)),
    ("missing partition", _move("/no/such", PLAIN, 99)),
    ("unknown directory", _move("/no/such", PLAIN, 0)),
    ("relative directory", _move("data", PLAIN, 0)),
    ("no directory", _move("", PLAIN, 0)),
    ("none", Message(dirs=[])),
]


def _log_dirs(name: str, *partitions: int) -> Message:
    return Message(topics=[Message(topic=name, partitions=list(partitions))])


_LOG_DIRS: list[tuple[str, Message, int]] = [
    ("missing topic", _log_dirs(MISSING, 0), 4),
    ("missing partition", _log_dirs(PLAIN, 99, -1), 4),
    ("no topics", Message(topics=[]), 4),
    ("one", _log_dirs(PLAIN, 0), 4),
    ("one", _log_dirs(PLAIN, 0), 1),
]


_METADATA: list[tuple[str, Message, int]] = [
    (
        f"{what}",
        Message(topics=[Message(name=name, topic_id=None)], allow_auto_topic_creation=auto),
        version,
    )
    for what, name, auto in [
        ("missing", MISSING, False),
        ("name empty", "", False),
        ("name empty, may be created", "", True),
        ("name .", ".", False),
        ("name with a space", "a b", False),
        ("name with a space, may be created", "a b", True),
        ("name of 250 characters", "n" * 250, False),
        ("name of 250 characters, may be created", "n" * 250, True),
    ]
    for version in (1, 4, 9, 12)
    if not (version == 1 and not auto)
] + [
    ("unknown id", Message(topics=[Message(name=None, topic_id=STRANGER)]), 12),
    ("unknown id and a name", Message(topics=[Message(name=PLAIN, topic_id=STRANGER)]), 12),
    ("neither id nor name", Message(topics=[Message(name=None, topic_id=None)]), 12),
    ("an id", Message(topics=[Message(name=None, topic_id=STRANGER)]), 10),
    ("no name", Message(topics=[Message(name=None, topic_id=None)]), 10),
    ("id and name", Message(topics=[Message(name="x", topic_id=STRANGER)]), 11),
    ("no topics", Message(topics=[]), 12),
]

CASES: list[Case] = [
    *(case(ApiKey.CREATE_TOPICS, what, m) for what, m in _CREATE),
    case(ApiKey.CREATE_TOPICS, "name with a space", _create(topic("a b")), version=2),
    case(ApiKey.CREATE_TOPICS, "name with a space", _create(topic("a b")), version=4),
    case(
        ApiKey.CREATE_TOPICS,
        "partitions -1: no default yet",
        _create(topic(partitions=-1)),
        version=3,
    ),
    case(ApiKey.CREATE_TOPICS, "not the controller", _create(topic()), to="other", brokers=3),
    *(case(ApiKey.DELETE_TOPICS, w, m, version=v) for w, m, v in _DELETE),
    case(
        ApiKey.DELETE_TOPICS,
        "not the controller",
        _delete(PLAIN, (None, STRANGER)),
        to="other",
        brokers=3,
    ),
    case(
        ApiKey.DELETE_TOPICS,
        "not the controller",
        _delete(PLAIN, MISSING),
        version=3,
        to="other",
        brokers=3,
    ),
    *(case(ApiKey.CREATE_PARTITIONS, what, m) for what, m in _GROW),
    *(case(ApiKey.CREATE_PARTITIONS, f"three replicas, {w}", m, brokers=3) for w, m in _GROW_WIDE),
    case(ApiKey.CREATE_PARTITIONS, "not the controller", _grow(PLAIN, 4), to="other", brokers=3),
    *(case(ApiKey.DELETE_RECORDS, what, m, to=1) for what, m in _DELETE_RECORDS),
    case(ApiKey.DELETE_RECORDS, "not the leader", _records(PLAIN, 0, 0), to=2, brokers=3),
    *(case(ApiKey.ALTER_REPLICA_LOG_DIRS, what, m, to=1) for what, m in _MOVE),
    case(
        ApiKey.ALTER_REPLICA_LOG_DIRS, "not a replica", _move("/no/such", PLAIN, 0), to=2, brokers=3
    ),
    *(case(ApiKey.DESCRIBE_LOG_DIRS, w, m, version=v, to=1) for w, m, v in _LOG_DIRS),
    *(case(ApiKey.METADATA, w, m, version=v) for w, m, v in _METADATA),
]
