"""The text of ``/metrics``, made in pieces, so that a broker with thousands of partitions goes on
serving its clients.

Small families come from a ``prometheus_client`` registry of this broker (``collector.py``), one at
a time. Families with a series for each topic or partition are written here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from barnabas.monitor.collector import BrokerCollector
from barnabas.monitor.exporter import EXPORTER
from barnabas.monitor.families import Family, Sample, in_pieces, of_partitions
from barnabas.monitor.names import escaped, label_text, total_name
from barnabas.monitor.quota_families import QUOTAS
from barnabas.monitor.subject import Subject, count_cluster, count_partitions
from barnabas.observe.figures import TopicFigures
from barnabas.replication.partition import Partition


class _One:
    """A registry of one family that has already been collected."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family


async def from_registry(registry: CollectorRegistry, *, totals: bool) -> AsyncIterator[str]:
    """The text of each family. ``totals``: meters get their ``…_total`` name too."""
    for family in registry.collect():
        yield generate_latest(_One(family)).decode()
        other = total_name(family.name) if totals else None
        if other is not None:
            alias = Metric(other, family.documentation, family.type)
            for sample in family.samples:
                alias.add_sample(other, sample.labels, sample.value)
            yield generate_latest(_One(alias)).decode()
        await asyncio.sleep(0)


def _of_topics(
    value: Callable[[TopicFigures], int],
) -> Callable[[Subject], Iterator[Sample]]:
    def samples(subject: Subject) -> Iterator[Sample]:
        total = 0
        for topic, figures in list(subject.replication.topics.items()):
            counted = value(figures)
            total += counted
            yield label_text({"topic": topic}), counted
        yield "", total

    return samples


TOPICS: Final = tuple(
    Family(f"kafka_server_brokertopicmetrics_{name}", doc, "untyped", _of_topics(value))
    for name, doc, value in (
        ("messagesinpersec", "Records appended here as leader.", lambda f: f.messages_in),
        ("bytesinpersec", "Bytes appended here as leader.", lambda f: f.bytes_in),
        ("bytesoutpersec", "Bytes of records sent to consumers.", lambda f: f.bytes_out),
        ("totalproducerequestspersec", "Produce requests, by partition.", lambda f: f.produces),
        ("failedproducerequestspersec", "Failed ones, by partition.", lambda f: f.failed_produces),
        ("totalfetchrequestspersec", "Consumers' fetches, by partition.", lambda f: f.fetches),
        ("failedfetchrequestspersec", "Failed ones, by partition.", lambda f: f.failed_fetches),
        (
            "producemessageconversionspersec",
            "Records appended in another format or codec than they came in.",
            lambda f: f.produce_conversions,
        ),
        (
            "fetchmessageconversionspersec",
            "Records converted for old consumers.",
            lambda f: f.fetch_conversions,
        ),
    )
)


def _in_sync(partition: Partition) -> int | None:
    leadership = partition.leadership
    return None if leadership is None else len(leadership.state.committed)


def _is_under_replicated(partition: Partition) -> int:
    in_sync = _in_sync(partition)
    if in_sync is None:
        return 0
    return int(in_sync < len(partition.replicas) - len(partition.adding))


def _is_under_min_isr(partition: Partition) -> int:
    in_sync = _in_sync(partition)
    return 0 if in_sync is None else int(in_sync < partition.min_isr)


def _is_at_min_isr(partition: Partition) -> int:
    in_sync = _in_sync(partition)
    return 0 if in_sync is None else int(in_sync == partition.min_isr)


def _in_log(value: Callable[..., int]) -> Callable[[Partition], int | None]:
    return lambda partition: None if partition.log is None else value(partition.log)


def _lags(subject: Subject) -> Iterator[Sample]:
    for (topic, number), lag in subject.services.replicas.fetchers.lags().items():
        name = escaped(topic)
        yield f'{{clientid="ReplicaFetcherThread",topic="{name}",partition="{number}"}}', lag


PARTITIONS: Final = (
    *(
        Family(f"kafka_cluster_partition_{name}", doc, "gauge", of_partitions(value))
        for name, doc, value in (
            ("underreplicated", "1 if replicas are not in sync.", _is_under_replicated),
            ("underminisr", "1 if too few are in sync for acks=all.", _is_under_min_isr),
            ("atminisr", "1 if just enough are in sync for acks=all.", _is_at_min_isr),
            ("insyncreplicascount", "Replicas in sync, for partitions led here.", _in_sync),
            ("replicascount", "Replicas.", lambda p: len(p.replicas) if p.is_leader else 0),
            (
                "laststableoffsetlag",
                "Records that readers of committed transactions cannot see yet.",
                _in_log(lambda log: max(0, log.high_watermark - log.last_stable_offset)),
            ),
        )
    ),
    *(
        Family(f"kafka_log_log_{name}", doc, "gauge", of_partitions(_in_log(value)))
        for name, doc, value in (
            ("size", "Bytes on disk.", lambda log: log.size_bytes),
            ("numlogsegments", "Segments.", lambda log: log.segment_count),
            ("logstartoffset", "First offset.", lambda log: log.log_start_offset),
            ("logendoffset", "Offset of the next record.", lambda log: log.log_end_offset),
        )
    ),
    Family(
        "kafka_server_fetcherlagmetrics_consumerlag",
        "Records that a follower here lacks.",
        "gauge",
        _lags,
    ),
)


async def pages(subject: Subject) -> AsyncIterator[str]:
    """All of ``/metrics``, in pieces."""
    totals = subject.services.config.flag("barnabas.metrics.total.names")
    subject.forget_deleted_topics()
    counts = await count_partitions(subject)
    cluster = await count_cluster(subject)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BrokerCollector(subject, counts, cluster))
    async for text in from_registry(registry, totals=totals):
        yield text
    families = (*TOPICS, *PARTITIONS, *QUOTAS)
    if subject.services.config.flag("barnabas.metrics.exporter.names"):
        families += EXPORTER
    async for text in in_pieces(subject, families, totals=totals):
        yield text
