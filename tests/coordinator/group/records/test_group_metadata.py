"""The records of __consumer_offsets, against every one that the original left behind."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.places import GOLDEN

from barnabas.coordinator.group.records.group_metadata import (
    CommittedOffset,
    GroupKey,
    GroupRecord,
    MemberRecord,
    OffsetKey,
    decode_group_value,
    decode_key,
    decode_offset_value,
    encode_group_key,
    encode_group_value,
    encode_offset_key,
    encode_offset_value,
)
from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import Record, iterate_batches, iterate_records

NAMES = st.text(max_size=20)
I32 = st.integers(-(2**31), 2**31 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)


def recorded() -> list[Record]:
    found: list[Record] = []
    for path in sorted(GOLDEN.glob("**/__consumer_offsets-*/*.log")):
        data = path.read_bytes()
        for header, at, _ in iterate_batches(data):
            if not header.is_control:
                found += iterate_records(data, at)
    return found


def test_every_recorded_record_reads_and_writes_back_identically() -> None:
    records = recorded()
    assert len(records) >= 27
    kinds = set()
    for record in records:
        assert record.value is not None
        key = decode_key(record.key)
        kinds.add(type(key))
        if isinstance(key, OffsetKey):
            assert encode_offset_key(key.group, key.topic, key.partition) == record.key
            assert encode_offset_value(decode_offset_value(record.value)) == record.value
        else:
            assert isinstance(key, GroupKey)
            assert encode_group_key(key.group) == record.key
            assert encode_group_value(decode_group_value(record.value)) == record.value
    assert kinds == {OffsetKey, GroupKey}


def test_what_the_recording_says() -> None:
    first = recorded()[0]
    assert first.value is not None
    group = decode_group_value(first.value)
    assert (group.protocol_type, group.generation, group.protocol) == ("consumer", 1, "range")
    (member,) = group.members
    assert member.id == group.leader
    assert member.client_host == "/127.0.0.1"
    assert (member.session_timeout_ms, member.rebalance_timeout_ms) == (45_000, 300_000)


MEMBERS = st.builds(
    MemberRecord,
    id=NAMES,
    instance_id=st.none() | NAMES,
    client_id=NAMES,
    client_host=NAMES,
    rebalance_timeout_ms=I32,
    session_timeout_ms=I32,
    subscription=st.binary(max_size=20),
    assignment=st.binary(max_size=20),
)


@given(
    st.builds(
        GroupRecord,
        protocol_type=NAMES,
        generation=I32,
        protocol=st.none() | NAMES,
        leader=st.none() | NAMES,
        state_since_ms=I64,
        members=st.lists(MEMBERS, max_size=3).map(tuple),
    )
)
def test_groups_survive_a_round_trip(group: GroupRecord) -> None:
    assert decode_group_value(encode_group_value(group)) == group


@given(NAMES, NAMES, I32, I64, NAMES, I64, st.none() | st.integers(0, 2**62))
def test_offsets_survive_a_round_trip(
    group: str, topic: str, number: int, offset: int, text: str, at: int, expiry: int | None
) -> None:
    key = decode_key(encode_offset_key(group, topic, number))
    assert key == OffsetKey(group, topic, number)
    epoch = number if expiry is None else -1
    value = CommittedOffset(offset, epoch, text, at, expiry)
    assert decode_offset_value(encode_offset_value(value)) == value


def test_old_and_new_versions_are_read() -> None:
    offset = (5).to_bytes(8, "big")
    at = (9).to_bytes(8, "big")
    text = b"\x00\x01m"
    assert decode_offset_value(b"\x00\x00" + offset + text + at) == CommittedOffset(5, -1, "m", 9)
    assert decode_offset_value(b"\x00\x02" + offset + text + at) == CommittedOffset(5, -1, "m", 9)
    old = b"\x00\x01" + offset + text + at + (10).to_bytes(8, "big")
    assert decode_offset_value(old) == CommittedOffset(5, -1, "m", 9, 10)
    flexible = b"\x00\x04" + offset + b"\x00\x00\x00\x03" + b"\x02m" + at + b"\x00"
    assert decode_offset_value(flexible) == CommittedOffset(5, 3, "m", 9)
    group = b"\x00\x00\x00\x01c\x00\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x01"
    member = b"\x00\x01a\x00\x01b\x00\x01h\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x01z"
    found = decode_group_value(group + member)
    assert found.members[0].rebalance_timeout_ms == 7
    assert found.members[0].assignment == b"z"


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x00\x03\x00", b"\x00\x09" + bytes(30), b"\xff\xff" + bytes(30)]
)
def test_broken_values_are_called_so(data: bytes) -> None:
    for decode in (decode_offset_value, decode_group_value):
        with pytest.raises(KafkaError) as raised:
            decode(data)
        assert raised.value.code == ErrorCode.CORRUPT_MESSAGE


@given(st.binary(max_size=60))
def test_garbage_raises_nothing_else(data: bytes) -> None:
    for decode in (decode_key, decode_offset_value, decode_group_value):
        with suppress(KafkaError):
            decode(data)


def test_keys_of_a_newer_release_are_passed_over() -> None:
    assert decode_key(b"\x00\x10\x00\x01g\x00\x01m") is None
    assert decode_key(None) is None
