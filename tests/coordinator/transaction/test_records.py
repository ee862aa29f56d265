"""The records of __transaction_state, against every one that the original left behind."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.places import GOLDEN

from barnabas.coordinator.transaction.loading import Loading
from barnabas.coordinator.transaction.records import (
    decode_key,
    decode_value,
    encode_key,
    encode_value,
)
from barnabas.coordinator.transaction.states import TransactionState
from barnabas.coordinator.transaction.transaction import TransactionValue
from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import Record, build_batch, iterate_batches, iterate_records
from barnabas.types import TopicPartition

LOGS = sorted(GOLDEN.glob("**/__transaction_state-*/*.log"))
I32 = st.integers(0, 2**31 - 1)
I64 = st.integers(-1, 2**63 - 1)


def recorded() -> list[Record]:
    found: list[Record] = []
    for path in LOGS:
        data = path.read_bytes()
        for _, at, _ in iterate_batches(data):
            found += iterate_records(data, at)
    return found


def test_every_recorded_record_reads_and_writes_back_identically() -> None:
    records = recorded()
    assert len(records) > 50
    states = set()
    for record in records:
        assert record.key is not None
        assert record.value is not None
        name = decode_key(record.key)
        assert name is not None
        assert encode_key(name) == record.key
        value = decode_value(record.value)
        states.add(value.state)
        assert encode_value(value) == record.value
    assert states == {
        TransactionState.EMPTY,
        TransactionState.ONGOING,
        TransactionState.PREPARE_COMMIT,
        TransactionState.PREPARE_ABORT,
        TransactionState.COMPLETE_COMMIT,
        TransactionState.COMPLETE_ABORT,
    }


@pytest.mark.parametrize("path", LOGS, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_a_recorded_log_loads_to_its_last_records(path: Path) -> None:
    loading = Loading()
    data = path.read_bytes()
    end = loading.take(data)
    last = {}
    for _, at, _ in iterate_batches(data):
        for record in iterate_records(data, at):
            last[decode_key(record.key)] = record.value
    found = loading.transactions()
    assert {name: encode_value(t.value) for name, t in found.items()} == last
    assert end is None or end == max(h.last_offset for h, _, _ in iterate_batches(data)) + 1


VALUES = st.builds(
    TransactionValue,
    producer_id=I64,
    producer_epoch=st.integers(-1, 2**15 - 1),
    timeout_ms=I32,
    state=st.sampled_from(sorted(TransactionState)[:7]),
    partitions=st.lists(
        st.builds(TopicPartition, st.text(min_size=1, max_size=9), I32), unique=True, max_size=6
    ).map(lambda found: tuple(sorted(found))),
    last_update_ms=I64,
    start_ms=I64,
)


@given(VALUES)
def test_values_come_back(value: TransactionValue) -> None:
    if value.state is TransactionState.EMPTY:
        value = replace(value, partitions=())
    assert decode_value(encode_value(value)) == value


@given(st.binary(max_size=80), VALUES, st.integers(0, 200))
def test_bad_bytes_are_corrupt_and_nothing_else(
    noise: bytes, value: TransactionValue, at: int
) -> None:
    good = encode_value(value)
    for data in (noise, good[:at], good[:at] + noise + good[at:]):
        for decode in (decode_key, decode_value):
            with suppress(KafkaError):
                decode(data)
    with pytest.raises(KafkaError) as caught:
        decode_value(good[:-1])
    assert caught.value.code is ErrorCode.CORRUPT_MESSAGE


def test_the_flexible_version_is_read() -> None:
    plain = TransactionValue(
        producer_id=7,
        producer_epoch=2,
        timeout_ms=60_000,
        state=TransactionState.ONGOING,
        partitions=(TopicPartition("t", 3),),
        last_update_ms=11,
        start_ms=10,
    )
    start = b"\0\1" + encode_value(plain)[2:17]
    topics = b"\x02" + b"\x02t" + b"\x02" + b"\0\0\0\3" + b"\0"
    times = (11).to_bytes(8, "big") + (10).to_bytes(8, "big")
    tags = b"\x01\x00\x08" + bytes(8)
    assert decode_value(start + topics + times + tags) == plain


def test_tombstones_and_unreadable_records_are_passed_over() -> None:
    value = TransactionValue(
        producer_id=1, producer_epoch=0, timeout_ms=1, state=TransactionState.EMPTY
    )
    loading = Loading()
    for key, data in (
        (encode_key("a"), encode_value(value)),
        (encode_key("b"), encode_value(value)),
        (encode_key("a"), None),
        (b"\0\x09zz", b""),
        (encode_key("c"), b"\0\x07"),
    ):
        assert loading.take(build_batch([Record(key=key, value=data)])) == 1
    assert list(loading.transactions()) == ["b"]
