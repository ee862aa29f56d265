"""The records of consumer groups, byte by byte."""

from __future__ import annotations

import uuid
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.places import GOLDEN

from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.loading import Loading
from barnabas.coordinator.group.records.consumer_group import (
    decode_consumer_value,
    encode_consumer_key,
    encode_consumer_value,
)
from barnabas.coordinator.group.records.facts import (
    ConsumerKey,
    ConsumerValue,
    CurrentFacts,
    CurrentKey,
    EpochKey,
    MemberFacts,
    MemberKey,
    MemberState,
    TargetEpochKey,
    TargetKey,
    TopicFacts,
    TopicsKey,
)
from barnabas.coordinator.group.records.group_metadata import GroupKey, OffsetKey, decode_key
from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import iterate_batches, iterate_records
from barnabas.types import TopicPartition

RECORDED = GOLDEN / "consumer-groups/offsets.log"

ID = uuid.UUID(int=0x0102030405060708090A0B0C0D0E0F10)
KEYS: tuple[ConsumerKey, ...] = (
    EpochKey("g"),
    TopicsKey("g"),
    MemberKey("g", "m"),
    TargetEpochKey("g"),
    TargetKey("g", "m"),
    CurrentKey("g", "m"),
)
NAMES = st.text(max_size=8)
I32 = st.integers(-(2**31), 2**31 - 1)
ASSIGNMENTS = st.dictionaries(
    st.uuids(), st.frozensets(I32, max_size=4).map(lambda n: tuple(sorted(n))), max_size=3
)
VALUES: dict[type, st.SearchStrategy[ConsumerValue]] = {
    EpochKey: I32,
    TargetEpochKey: I32,
    TopicsKey: st.dictionaries(
        NAMES,
        st.builds(
            TopicFacts,
            id=st.uuids(),
            partitions=I32,
            racks=st.dictionaries(I32, st.lists(NAMES, max_size=2).map(tuple), max_size=2),
        ),
        max_size=3,
    ),
    MemberKey: st.builds(
        MemberFacts,
        instance_id=st.none() | NAMES,
        rack_id=st.none() | NAMES,
        client_id=NAMES,
        client_host=NAMES,
        topics=st.lists(NAMES, max_size=3).map(tuple),
        regex=st.none() | NAMES.filter(bool),
        rebalance_timeout_ms=I32,
        assignor=st.none() | NAMES,
    ),
    TargetKey: ASSIGNMENTS,
    CurrentKey: st.builds(
        CurrentFacts,
        epoch=I32,
        previous_epoch=I32,
        state=st.sampled_from(MemberState),
        assigned=ASSIGNMENTS,
        revoking=ASSIGNMENTS,
    ),
}


@pytest.mark.parametrize(("key", "number"), [(key, 3 + index) for index, key in enumerate(KEYS)])
def test_keys(key: ConsumerKey, number: int) -> None:
    encoded = bytes([0, number]) + (b"\x00\x01g" if len(key) == 1 else b"\x00\x01g\x00\x01m")
    assert encode_consumer_key(key) == encoded
    assert decode_key(encoded) == key


@pytest.mark.parametrize(
    ("key", "value", "encoded"),
    [
        (EpochKey("g"), 7, b"\x00\x00\x00\x00\x00\x07\x00"),
        (TargetEpochKey("g"), -1, b"\x00\x00\xff\xff\xff\xff\x00"),
        (
            TopicsKey("g"),
            {"t": TopicFacts(id=ID, partitions=3)},
            b"\x00\x00\x02" + ID.bytes + b"\x02t\x00\x00\x00\x03\x01\x00\x00",
        ),
        (
            MemberKey("g", "m"),
            MemberFacts(client_id="c", client_host="/h", topics=("t",), rebalance_timeout_ms=5),
            b"\x00\x00\x00\x00\x02c\x03/h\x02\x02t\x01\x00\x00\x00\x05\x00\x01\x00\x01\x00",
        ),
        (
            TargetKey("g", "m"),
            {ID: (0, 2)},
            b"\x00\x00\x02" + ID.bytes + b"\x03\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00",
        ),
        (
            CurrentKey("g", "m"),
            CurrentFacts(
                epoch=2,
                previous_epoch=1,
                state=MemberState.UNREVOKED_PARTITIONS,
                assigned={ID: (1,)},
            ),
            b"\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01\x01"
            b"\x02" + ID.bytes + b"\x02\x00\x00\x00\x01\x00\x01\x00",
        ),
    ],
)
def test_values(key: ConsumerKey, value: ConsumerValue, encoded: bytes) -> None:
    assert encode_consumer_value(key, value) == encoded
    assert decode_consumer_value(key, encoded) == value


def test_every_recorded_record_reads_and_writes_back_identically() -> None:
    kinds = Counter[tuple[type, bool]]()
    data = RECORDED.read_bytes()
    for _, at, _ in iterate_batches(data):
        for record in iterate_records(data, at):
            key = decode_key(record.key)
            assert key is not None
            kinds[type(key), record.value is None] += 1
            if isinstance(key, OffsetKey | GroupKey):
                continue
            assert encode_consumer_key(key) == record.key
            if record.value is not None:
                value = decode_consumer_value(key, record.value)
                assert encode_consumer_value(key, value) == record.value
    written = {type(key): kinds[type(key), False] for key in KEYS}
    assert written == {
        EpochKey: 4,
        TopicsKey: 3,
        MemberKey: 4,
        TargetEpochKey: 4,
        TargetKey: 6,
        CurrentKey: 12,
    }
    removed = {type(key): kinds[type(key), True] for key in KEYS if kinds[type(key), True]}
    assert removed == {MemberKey: 2, TargetKey: 2, CurrentKey: 2}


def test_what_the_original_left_is_understood() -> None:
    """A static member is away for a while, the other one has left."""
    loading = Loading()
    loading.take(RECORDED.read_bytes())
    group = loading.groups(Now(0, 0))["golden-consumers"]
    assert isinstance(group, ConsumerGroup)
    assert (group.epoch, group.target_epoch) == (4, 4)
    ((member_id, member),) = group.members.items()
    assert (member.instance_id, member.client_id, member.topics) == ("static-b", "b2", ("trains",))
    assert (member.assignor, member.regex) == ("range", None)
    now = group.now_of(member_id)
    assert (now.epoch, now.previous_epoch, now.state) == (-2, 3, MemberState.STABLE)
    assert list(now.assigned.values()) == list(group.targets[member_id].values()) == [(0,)]
    committed = {p: v.value.offset for p, v in group.offsets.committed.items()}
    assert committed == {
        TopicPartition("flights", 0): 20,
        TopicPartition("flights", 1): 20,
        TopicPartition("flights", 2): 20,
        TopicPartition("trains", 0): 0,
    }


@given(st.data(), st.sampled_from(KEYS))
def test_values_survive_a_round_trip(data: st.DataObject, key: ConsumerKey) -> None:
    value = data.draw(VALUES[type(key)])
    encoded = encode_consumer_value(key, value)
    decoded = decode_consumer_value(key, encoded)
    assert decoded == value
    assert encode_consumer_value(key, decoded) == encoded


def test_tagged_fields_and_states_of_newer_releases_are_passed_over() -> None:
    member = b"\x00\x00\x00\x00\x02c\x03/h\x01\x00\x00\x00\x00\x05\x00\x01\x00\x03abc"
    facts = decode_consumer_value(MemberKey("g", "m"), member)
    assert isinstance(facts, MemberFacts)
    assert facts.client_id == "c"
    current = decode_consumer_value(
        CurrentKey("g", "m"), b"\x00\x00" + bytes(8) + b"\x09\x01\x01\x00"
    )
    assert isinstance(current, CurrentFacts)
    assert current.state is MemberState.UNKNOWN


@given(st.binary(max_size=80), st.sampled_from(KEYS))
def test_garbage_raises_nothing_else(data: bytes, key: ConsumerKey) -> None:
    with suppress(KafkaError):
        decode_consumer_value(key, data)
    with pytest.raises(KafkaError) as raised:
        decode_consumer_value(key, b"\x00\x01" + data)
    assert raised.value.code == ErrorCode.CORRUPT_MESSAGE
