"""Wrong inputs: consumer groups, positions, coordinators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.answers.case import GROUP, MISSING, PLAIN, Ask, Case, Known, case

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

STRANGE = "answers-strange-group"
Fields = dict[str, Any]


def _member(**fields: Any) -> Callable[[Known], Message]:
    """A message with the real member's id, unless it is given."""

    def made(known: Known) -> Message:
        return Message(**{"group_id": GROUP, "member_id": known.member_id, **fields})

    return made


_JOIN: Fields = {
    "session_timeout": 120_000,
    "rebalance_timeout": 120_000,
    "member_id": "",
    "protocol_type": "consumer",
    "protocols": [Message(name="range", metadata=b"")],
}


def _join(**fields: Any) -> Message:
    group = "answers-new-" + "-".join(map(str, fields))
    return Message(**{**_JOIN, "group_id": group, **fields})


_JOINS: list[tuple[str, Message, int]] = [
    ("group empty", _join(group_id=""), 9),
    ("group of spaces", _join(group_id="  "), 9),
    ("member id not given", _join(), 9),
    ("unknown member", _join(member_id="nobody"), 9),
    ("unknown member of a group", _join(group_id=GROUP, member_id="nobody"), 9),
    ("session timeout 1", _join(session_timeout=1), 9),
    ("session timeout 0", _join(session_timeout=0), 9),
    ("session timeout -1", _join(session_timeout=-1), 9),
    ("session timeout a day", _join(session_timeout=86_400_000), 9),
    ("session timeout 1", _join(session_timeout=1), 1),
    ("protocol type of another", _join(group_id=GROUP, protocol_type="connect"), 9),
    ("protocol type empty", _join(protocol_type="", member_id=""), 3),
    ("protocol type empty", _join(protocol_type=""), 9),
    ("no protocols", _join(protocols=[]), 3),
    ("no protocols", _join(protocols=[]), 9),
    ("protocols of another", _join(group_id=GROUP, protocols=[Message(name="x", metadata=b"")]), 3),
    ("static, empty instance id", _join(group_instance_id=""), 9),
    ("static, member id of nobody", _join(group_instance_id="i", member_id="nobody"), 9),
    ("rebalance timeout -1", _join(rebalance_timeout=-1), 9),
]

_SYNC: Fields = {"generation_id": 1, "protocol_type": "consumer", "protocol_name": "range"}
_SYNCS: list[tuple[str, Ask, int]] = [
    ("group empty", _member(group_id="", **_SYNC), 5),
    ("unknown group", _member(group_id=STRANGE, **_SYNC), 5),
    ("unknown member", _member(member_id="nobody", **_SYNC), 5),
    ("member empty", _member(member_id="", **_SYNC), 5),
    ("generation 99", _member(**{**_SYNC, "generation_id": 99}), 5),
    ("generation -1", _member(**{**_SYNC, "generation_id": -1}), 5),
    ("another protocol type", _member(**{**_SYNC, "protocol_type": "connect"}), 5),
    ("another protocol", _member(**{**_SYNC, "protocol_name": "roundrobin"}), 5),
    ("no protocol", _member(generation_id=1), 5),
    ("static, unknown instance", _member(**_SYNC, group_instance_id="i"), 5),
]
_BEATS: list[tuple[str, Ask, int]] = [
    ("group empty", _member(group_id="", generation_id=1), 4),
    ("unknown group", _member(group_id=STRANGE, generation_id=1), 4),
    ("unknown member", _member(member_id="nobody", generation_id=1), 4),
    ("member empty", _member(member_id="", generation_id=1), 4),
    ("generation 99", _member(generation_id=99), 4),
    ("generation -1", _member(generation_id=-1), 4),
    ("static, unknown instance", _member(generation_id=1, group_instance_id="i"), 4),
]


def _leave(group: str, *members: tuple[str, str | None]) -> Message:
    return Message(
        group_id=group,
        member_id=members[0][0] if members else "",
        members=[Message(member_id=m, group_instance_id=i) for m, i in members],
    )


_LEAVES: list[tuple[str, Message, int]] = [
    *(
        row
        for version in (2, 5)
        for row in [
            ("group empty", _leave("", ("nobody", None)), version),
            ("unknown group", _leave(STRANGE, ("nobody", None)), version),
            ("unknown member", _leave(GROUP, ("nobody", None)), version),
            ("member empty", _leave(GROUP, ("", None)), version),
        ]
    ),
    ("no members", _leave(GROUP), 5),
    ("unknown instance", _leave(GROUP, ("", "i")), 5),
    ("unknown member with an instance", _leave(GROUP, ("nobody", "i")), 5),
]


def _offsets(*names: str, partition: int = 0, offset: int = 5, metadata: str | None = "") -> Any:
    return [
        Message(
            name=name,
            partitions=[
                Message(
                    partition_index=partition,
                    committed_offset=offset,
                    committed_leader_epoch=-1,
                    committed_metadata=metadata,
                )
            ],
        )
        for name in names
    ]


def _commit(**fields: Any) -> Callable[[Known], Message]:
    generation = fields.pop("generation_id", 1)
    given = {
        "topics": _offsets(PLAIN),
        "generation_id": generation,
        "generation_id_or_member_epoch": generation,
        "retention_time": -1,
        **fields,
    }
    return _member(**given)


_COMMITS: list[tuple[str, Ask, int]] = [
    ("group empty", _commit(group_id=""), 9),
    ("unknown group with a generation", _commit(group_id=STRANGE), 8),
    ("unknown group with a generation", _commit(group_id=STRANGE), 9),
    ("unknown member", _commit(member_id="nobody"), 8),
    ("unknown member", _commit(member_id="nobody"), 9),
    ("member empty", _commit(member_id=""), 8),
    ("no member in a group that has one", _commit(member_id="", generation_id=-1), 8),
    ("no member in a group that has one", _commit(member_id="", generation_id=-1), 9),
    ("generation 99", _commit(generation_id=99), 8),
    ("generation 99", _commit(generation_id=99), 9),
    ("generation -1", _commit(generation_id=-1), 8),
    ("static, unknown instance", _commit(group_instance_id="i"), 8),
    ("missing topic", _commit(topics=_offsets(MISSING)), 8),
    ("missing partition", _commit(topics=_offsets(PLAIN, partition=99)), 8),
    ("negative partition", _commit(topics=_offsets(PLAIN, partition=-1)), 8),
    ("missing and existing", _commit(topics=_offsets(MISSING, PLAIN)), 8),
    (
        "missing topic and unknown member",
        _commit(member_id="nobody", topics=_offsets(MISSING, PLAIN)),
        8,
    ),
    ("offset -1", _commit(topics=_offsets(PLAIN, offset=-1)), 8),
    ("offset -5", _commit(topics=_offsets(PLAIN, offset=-5)), 8),
    ("metadata of 5000 bytes", _commit(topics=_offsets(PLAIN, metadata="m" * 5000)), 8),
    ("no topics", _commit(topics=[]), 8),
    ("name with a slash", _commit(topics=_offsets("a/b")), 8),
    ("group empty, no member", _commit(group_id="", member_id="", generation_id=-1), 8),
]


def _fetch(
    group: str, *names: str, partition: int = 0, member: str | None = None, epoch: int = -1
) -> Message:
    topics = [Message(name=n, partition_indexes=[partition]) for n in names]
    asked = Message(group_id=group, member_id=member, member_epoch=epoch, topics=topics)
    return Message(groups=[asked], group_id=group, topics=topics, require_stable=False)


_FETCHES: list[tuple[str, Message, int]] = [
    *(
        row
        for version in (1, 5, 7, 9)
        for row in [
            ("group empty", _fetch("", PLAIN), version),
            ("unknown group", _fetch(STRANGE, PLAIN), version),
            ("missing topic", _fetch(GROUP, MISSING), version),
            ("missing partition", _fetch(GROUP, PLAIN, partition=99), version),
            ("no topics", _fetch(GROUP), version),
        ]
    ),
    ("unknown member and epoch", _fetch(GROUP, PLAIN, member="nobody", epoch=3), 9),
    ("no groups", Message(groups=[], require_stable=False), 8),
]


def _forget(group: str, name: str, number: int) -> Message:
    parts = [Message(partition_index=number)]
    return Message(group_id=group, topics=[Message(name=name, partitions=parts)])


_FORGETS: list[tuple[str, Message]] = [
    ("group empty", _forget("", PLAIN, 0)),
    ("unknown group", _forget(STRANGE, PLAIN, 0)),
    ("unknown group, missing topic", _forget(STRANGE, MISSING, 0)),
    ("subscribed", _forget(GROUP, PLAIN, 0)),
    ("missing topic", _forget(GROUP, MISSING, 0)),
    ("missing partition", _forget(GROUP, PLAIN, 99)),
    ("no topics", Message(group_id=GROUP, topics=[])),
    ("unknown group, no topics", Message(group_id=STRANGE, topics=[])),
]


def _find(kind: int, *keys: str) -> Message:
    return Message(key_type=kind, coordinator_keys=list(keys), key=keys[0] if keys else "")


_FINDS: list[tuple[str, Message, int]] = [
    *(
        row
        for version in (2, 3, 4, 6)
        for row in [
            ("type 2", _find(2, "k"), version),
            ("type 2 of a share group", _find(2, "g:AAAAAAAAAAAAAAAAAAAATQ:0"), version),
            ("type 9", _find(9, "k"), version),
            ("type -1", _find(-1, "k"), version),
            ("group empty", _find(0, ""), version),
            ("a group", _find(0, GROUP), version),
        ]
    ),
    ("no keys", _find(0), 4),
]

_AT_THE_COORDINATOR: list[Case] = [
    *(case(ApiKey.JOIN_GROUP, w, m, version=v, to="coordinator") for w, m, v in _JOINS),
    *(case(ApiKey.SYNC_GROUP, w, m, version=v, to="coordinator") for w, m, v in _SYNCS),
    *(case(ApiKey.HEARTBEAT, w, m, version=v, to="coordinator") for w, m, v in _BEATS),
    *(case(ApiKey.LEAVE_GROUP, w, m, version=v, to="coordinator") for w, m, v in _LEAVES),
    *(case(ApiKey.OFFSET_COMMIT, w, m, version=v, to="coordinator") for w, m, v in _COMMITS),
    *(case(ApiKey.OFFSET_FETCH, w, m, version=v, to="coordinator") for w, m, v in _FETCHES),
    *(case(ApiKey.OFFSET_DELETE, w, m, to="coordinator") for w, m in _FORGETS),
    *(
        case(ApiKey.DELETE_GROUPS, w, Message(groups_names=names), to="coordinator")
        for w, names in [
            ("group empty", [""]),
            ("unknown group", [STRANGE]),
            ("unknown group twice", [STRANGE, STRANGE]),
            ("not empty", [GROUP]),
            ("none", []),
        ]
    ),
    *(
        case(ApiKey.DESCRIBE_GROUPS, w, Message(groups=names), version=version, to="coordinator")
        for w, names in [
            ("group empty", [""]),
            ("unknown group", [STRANGE]),
            ("unknown group twice", [STRANGE, STRANGE]),
            ("none", []),
        ]
        for version in (0, 4, 5)
    ),
    *(
        case(
            ApiKey.LIST_GROUPS,
            w,
            Message(states_filter=states, types_filter=types),
            to="coordinator",
        )
        for w, states, types in [
            ("unknown state", ["Sleeping"], []),
            ("state in small letters", ["stable"], []),
            ("unknown type", [], ["strange"]),
            ("type in capital letters", [], ["CLASSIC"]),
            ("type share", [], ["share"]),
            ("type empty", [], [""]),
            ("state empty", [""], []),
        ]
    ),
    *(case(ApiKey.FIND_COORDINATOR, w, m, version=v) for w, m, v in _FINDS),
    *(
        case(ApiKey.CONSUMER_GROUP_HEARTBEAT, w, m, version=0, to="coordinator")
        for w, m in [
            (
                "a new group",
                Message(
                    group_id="answers-next",
                    member_id="m",
                    member_epoch=0,
                    subscribed_topic_names=["t"],
                    rebalance_timeout=1000,
                ),
            ),
            ("group empty", Message(group_id="", member_id="", member_epoch=0)),
        ]
    ),
    *(
        case(
            ApiKey.CONSUMER_GROUP_DESCRIBE, w, Message(group_ids=names), version=0, to="coordinator"
        )
        for w, names in [
            ("unknown group", [STRANGE]),
            ("group empty", [""]),
            ("two", [STRANGE, GROUP]),
            ("none", []),
        ]
    ),
]

_ELSEWHERE: list[tuple[ApiKey, Ask, int]] = [
    (ApiKey.JOIN_GROUP, _join(group_id=GROUP), 9),
    (ApiKey.SYNC_GROUP, _member(**_SYNC), 5),
    (ApiKey.HEARTBEAT, _member(generation_id=1), 4),
    (ApiKey.LEAVE_GROUP, _leave(GROUP, ("nobody", None)), 2),
    (ApiKey.LEAVE_GROUP, _leave(GROUP, ("nobody", None)), 5),
    (ApiKey.OFFSET_COMMIT, _commit(), 2),
    (ApiKey.OFFSET_COMMIT, _commit(), 8),
    (ApiKey.OFFSET_COMMIT, _commit(topics=_offsets(MISSING, PLAIN)), 9),
    (ApiKey.OFFSET_FETCH, _fetch(GROUP, PLAIN), 1),
    (ApiKey.OFFSET_FETCH, _fetch(GROUP, PLAIN), 5),
    (ApiKey.OFFSET_FETCH, _fetch(GROUP, PLAIN), 9),
    (ApiKey.OFFSET_DELETE, _forget(GROUP, PLAIN, 0), 0),
    (ApiKey.DELETE_GROUPS, Message(groups_names=[GROUP]), 2),
    (ApiKey.DESCRIBE_GROUPS, Message(groups=[GROUP]), 0),
    (ApiKey.DESCRIBE_GROUPS, Message(groups=[GROUP]), 5),
    (ApiKey.LIST_GROUPS, Message(states_filter=["Stable"], types_filter=[]), 5),
]

CASES: list[Case] = [
    *(replace(found, brokers=1) for found in _AT_THE_COORDINATOR),
    *(
        case(api, "not the coordinator", m, version=v, to="bystander", brokers=3)
        for api, m, v in _ELSEWHERE
    ),
]
