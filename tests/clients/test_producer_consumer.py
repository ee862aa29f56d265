"""What each client writes, in every codec and mode, each client reads back: count, order, SHA-256.

One topic a codec and writer; all its modes go into the same partitions, one after the other.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.clients.drivers import (
    CODECS,
    LACKS,
    READERS,
    WRITERS,
    How,
    Row,
    digests,
    missing,
)
from tests.cluster_kit import Cluster, no_traceback

pytestmark = [
    pytest.mark.processes,
    # kafka-python and aiokafka leave sockets of refused connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PARTITIONS = 2
ROWS = 120
T0 = 1_700_000_000_000


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("clients")) as running:
        yield running
        gc.collect()
        assert all(no_traceback(running.log(f"broker:{i}")) for i in (1, 2, 3))


def modes(codec: str) -> list[How]:
    return [
        How(codec=codec, acks="all", idempotent=True),
        How(codec=codec, acks="all"),
        How(codec=codec, acks="1"),
        How(codec=codec, acks="0"),
    ]


def rows(mode: int, writer: str) -> list[Row]:
    """Keys and none, values, empty ones and none, headers and none; each value once."""
    return [_row(mode, number, writer) for number in range(ROWS)]


def _row(mode: int, number: int, writer: str) -> Row:
    value: bytes | None = f"{writer} {mode} {number} ".encode() * (number % 17 + 1)
    row = Row(
        partition=number % PARTITIONS,
        key=f"key-{number % 7}".encode(),
        value=None if number % 19 == 0 else value,
        headers=(("mode", b"%d" % mode), ("text", b"a b")),
        timestamp=T0 + mode * ROWS + number,
    )
    if writer == "kcat":
        return row
    last = b"" if writer == "kafka-python" else None  # it sends no header without a value
    return replace(
        row,
        key=row.key if number % 5 or row.value is None else None,
        value=b"" if number % 23 == 1 else row.value,
        headers=(*row.headers, ("same", b"1"), ("same", last)) if number % 3 else (),
    )


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("writer", WRITERS)
def test_every_client_reads_what_one_wrote(cluster: Cluster, writer: str, codec: str) -> None:
    if (reason := missing(writer)) is not None:
        pytest.skip(reason)
    if codec in LACKS.get(writer, ()):
        pytest.skip(f"{writer} needs a further package for {codec}")
    topic = f"{writer}-{codec}"
    cluster.create_topic(topic, PARTITIONS)
    expected: dict[int, list[Row]] = {p: [] for p in range(PARTITIONS)}
    for number, how in enumerate(modes(codec)):
        batch = rows(number, writer)
        WRITERS[writer](cluster.bootstrap, topic, batch, how)
        for row in batch:
            expected[row.partition].append(row)
    counts = {p: len(items) for p, items in expected.items()}
    for reader, read in READERS.items():
        if missing(reader) is not None or codec in LACKS.get(reader, ()):
            continue
        found = read(cluster.bootstrap, topic, counts)
        if writer == "kcat":
            found = {p: [replace(r, timestamp=0) for r in items] for p, items in found.items()}
            wanted = {p: [replace(r, timestamp=0) for r in i] for p, i in expected.items()}
        else:
            wanted = expected
        if reader == "kcat":
            wanted = {p: [_as_json_shows(r) for r in items] for p, items in wanted.items()}
            found = {p: [_as_json_shows(r) for r in items] for p, items in found.items()}
        assert found == wanted, reader
        assert digests(found) == digests(wanted)


def _as_json_shows(row: Row) -> Row:
    """kcat's JSON shows an empty key or value as none."""
    return replace(row, key=row.key or None, value=row.value or None)
