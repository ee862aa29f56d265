"""Metric families with a series for each topic, partition or group, and their text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from barnabas.monitor.names import Type, escaped, header, lines, total_name
from barnabas.monitor.subject import Subject
from barnabas.replication.partition import Partition

SAMPLES_PER_TURN: Final = 200

Sample: TypeAlias = tuple[str, float]
"""(text of the labels, value)."""


class Family(NamedTuple):
    """A metric family that is written in pieces, since it may have thousands of series."""

    name: str
    doc: str
    kind: Type
    samples: Callable[[Subject], Iterable[Sample]]


async def in_pieces(
    subject: Subject, families: Iterable[Family], *, totals: bool
) -> AsyncIterator[str]:
    """The text of families, some samples at a time. ``totals``: meters get their ``…_total`` name
    too."""
    for family in families:
        for name in (family.name, total_name(family.name) if totals else None):
            if name is None:
                continue
            text = header(name, family.doc, family.kind)
            samples = iter(family.samples(subject))
            while piece := list(islice(samples, SAMPLES_PER_TURN)):
                yield text + lines(name, piece)
                text = ""
                await asyncio.sleep(0)
            if text:
                yield text


def of_partitions(
    value: Callable[[Partition], float | None],
) -> Callable[[Subject], Iterator[Sample]]:
    """Makes a sample for each hosted partition; None as value leaves it out."""

    def samples(subject: Subject) -> Iterator[Sample]:
        for partition in subject.partitions():
            found = value(partition)
            if found is not None:
                yield partition_labels(*partition.topic_partition), found

    return samples


def partition_labels(topic: str, partition: int) -> str:
    return f'{{topic="{escaped(topic)}",partition="{partition}"}}'
