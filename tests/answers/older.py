"""Right requests in every version but the last: what old clients and brokers are answered.

Wrong ones (``cases.py``) have their own versions. ``tests/golden/answers-older.json`` has what the
original says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.answers.case import DOTTED, GROUP, PLAIN, Ask, Case, Known, case

from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch

LATEST, EARLIEST = -1, -2
SENT_MS = 1_700_000_000_000
RECORD_BATCHES_FROM = 3
"""The first version of Produce whose format of messages is today's."""


def _every(
    api: ApiKey,
    what: str,
    message: Callable[[int], Ask],
    *,
    first: int = 0,
    last: int | None = None,
) -> Iterator[Case]:
    """A case in each version before the last; ``message`` makes it for a version."""
    end = API_TABLE[api].max_version if last is None else last + 1
    for version in range(first, end):
        yield case(api, what, message(version), version=version)


def _produce(_: int) -> Message:
    records = build_batch(
        [Record(value=b"a", timestamp=SENT_MS), Record(value=b"b", timestamp=SENT_MS + 1)]
    )
    partition = Message(index=1, records=bytes(records))
    return Message(
        acks=-1, timeout=9000, topic_data=[Message(name=PLAIN, partition_data=[partition])]
    )


def _fetch(version: int) -> Message:
    partition = Message(partition=1, fetch_offset=2, partition_max_bytes=10_000)
    return Message(
        max_wait=0,
        min_bytes=0,
        session_epoch=-1,
        topics=[Message(topic=PLAIN, partitions=[partition])],
    )


def _list(timestamp: int) -> Callable[[int], Message]:
    partition = Message(partition_index=1, timestamp=timestamp, max_num_offsets=5)
    topic = Message(name=PLAIN, partitions=[partition])
    return lambda _: Message(replica_id=-1, topics=[topic])


def _metadata(*names: str) -> Callable[[int], Message]:
    topics = [Message(name=name) for name in names]
    return lambda _: Message(topics=topics, allow_auto_topic_creation=False)


def _epoch(_: int) -> Message:
    partition = Message(partition=1, current_leader_epoch=-1, leader_epoch=0)
    return Message(replica_id=-1, topics=[Message(topic=PLAIN, partitions=[partition])])


def _find(_: int) -> Message:
    return Message(key=GROUP, key_type=0, coordinator_keys=[GROUP])


def _join(version: int) -> Message:
    return Message(
        group_id=f"answers-older-{version}",
        session_timeout=1_800_000,
        rebalance_timeout=60_000,
        protocol_type="consumer",
        protocols=[Message(name="range", metadata=b"m")],
    )


def _as_member(**others: object) -> Callable[[int], Ask]:
    def message(known: Known) -> Message:
        return Message(
            group_id=GROUP,
            generation_id=1,
            generation_id_or_member_epoch=1,
            member_id=known.member_id,
            **others,
        )

    return lambda _: message


def _commit(version: int) -> Ask:
    partition = Message(
        partition_index=1, committed_offset=100 + version, committed_metadata=f"m{version}"
    )
    return _as_member(topics=[Message(name=PLAIN, partitions=[partition])])(version)


def _fetch_position(_: int) -> Message:
    topics = [Message(name=PLAIN, partition_indexes=[0, 1])]
    groups = [Message(group_id=GROUP, member_epoch=-1, topics=topics)]
    return Message(group_id=GROUP, topics=topics, groups=groups)


def _create(version: int) -> Message:
    config = Message(name="retention.ms", value="5000")
    topic = Message(
        name=f"answers-older-{version}", num_partitions=2, replication_factor=1, configs=[config]
    )
    return Message(topics=[topic], timeout=9000)


def _more(version: int) -> Message:
    topic = Message(name=f"answers-older-{version}", count=4, assignments=None)
    return Message(topics=[topic], timeout=9000)


def _alter(version: int) -> Message:
    config = Message(name="segment.ms", value="7000", config_operation=0)
    resource = Message(resource_type=2, resource_name=f"answers-older-{version}", configs=[config])
    return Message(resources=[resource], validate_only=False)


def _delete(version: int) -> Message:
    return Message(topic_names=[f"answers-older-{version}"], timeout=9000)


def _delete_records(version: int) -> Message:
    partition = Message(partition_index=1, offset=version + 1)
    topic = Message(name=PLAIN, partitions=[partition])
    return Message(topics=[topic], timeout=9000)


def _log_dirs(_: int) -> Message:
    return Message(topics=[Message(topic=DOTTED, partitions=[0])])


def _elect(_: int) -> Message:
    return Message(
        election_type=0,
        topic_partitions=[Message(topic=PLAIN, partitions=[0])],
        timeout=9000,
    )


def _stale(**others: object) -> Callable[[int], Message]:
    return lambda _: Message(
        controller_id=1, controller_epoch=0, broker_epoch=-1, is_kraft_controller=False, **others
    )


CASES: list[Case] = [
    *_every(ApiKey.PRODUCE, "two records", _produce, first=RECORD_BATCHES_FROM),
    *_every(ApiKey.FETCH, "records of a consumer", _fetch, first=4, last=12),
    *_every(ApiKey.LIST_OFFSETS, "latest", _list(LATEST)),
    *_every(ApiKey.LIST_OFFSETS, "earliest", _list(EARLIEST)),
    *_every(ApiKey.LIST_OFFSETS, "by time", _list(SENT_MS + 1)),
    *_every(ApiKey.LIST_OFFSETS, "after all times", _list(2**60)),
    *_every(ApiKey.METADATA, "two topics", _metadata(PLAIN, DOTTED)),
    *_every(ApiKey.OFFSET_FOR_LEADER_EPOCH, "first epoch", _epoch),
    *_every(ApiKey.FIND_COORDINATOR, "group", _find),
    *_every(ApiKey.OFFSET_FETCH, "no position", _fetch_position),
    *_every(ApiKey.OFFSET_COMMIT, "of a member", _commit),
    *_every(ApiKey.OFFSET_FETCH, "position", _fetch_position),
    *_every(ApiKey.HEARTBEAT, "of a member", _as_member()),
    *_every(
        ApiKey.SYNC_GROUP,
        "of a member",
        _as_member(protocol_type="consumer", protocol_name="range"),
    ),
    *_every(ApiKey.JOIN_GROUP, "first member", _join),
    *_every(ApiKey.DESCRIBE_GROUPS, "stable", lambda _: Message(groups=[GROUP])),
    *_every(ApiKey.CREATE_TOPICS, "with a setting", _create),
    *_every(ApiKey.CREATE_PARTITIONS, "more", _more),
    *_every(ApiKey.ALTER_CONFIGS, "of a topic", _alter),
    *_every(ApiKey.INCREMENTAL_ALTER_CONFIGS, "of a topic", _alter),
    *_every(ApiKey.DELETE_TOPICS, "existing", _delete),
    *_every(ApiKey.DELETE_RECORDS, "first ones", _delete_records),
    *_every(ApiKey.DESCRIBE_LOG_DIRS, "of a topic", _log_dirs),
    *_every(ApiKey.ELECT_LEADERS, "preferred", _elect),
    *_every(ApiKey.LEADER_AND_ISR, "old controller", _stale(topic_states=[], live_leaders=[])),
    *_every(ApiKey.STOP_REPLICA, "old controller", _stale(delete_partitions=False)),
    *_every(ApiKey.UPDATE_METADATA, "old controller", _stale(live_brokers=[])),
    *_every(ApiKey.WRITE_TXN_MARKERS, "none", lambda _: Message(markers=[])),
    *_every(
        ApiKey.LEAVE_GROUP,
        "of a stranger",
        lambda _: Message(group_id=GROUP, member_id="x", members=[Message(member_id="x")]),
    ),
]
