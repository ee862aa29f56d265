"""WriteTxnMarkers v0-1, between brokers: writes the ends of transactions to their partitions.

Each marker is a control batch. It is answered once that is replicated. In ``__consumer_offsets``
the marker of a commit makes the transaction's positions count.
"""

from __future__ import annotations

from collections.abc import Sequence

from barnabas.api.access import is_allowed_on_cluster, refuse_as_a_whole
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.placement import OFFSETS_TOPIC
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.write_txn_markers import (
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from barnabas.records.batch import ControlType, EndTransactionMarker, build_marker
from barnabas.replication.append_request import ACKS_ALL, AppendRequest, ProduceEntry
from barnabas.replication.results import ProduceResult
from barnabas.storage.producers.state import Origin


@serves(
    ApiKey.WRITE_TXN_MARKERS,
    of_each(
        (ResourceType.CLUSTER, AclOperation.ALTER),
        (ResourceType.CLUSTER, AclOperation.CLUSTER_ACTION),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Waits for the in-sync replicas of every partition."""
    if not is_allowed_on_cluster(
        services, request, AclOperation.ALTER, quiet=True
    ) and not is_allowed_on_cluster(services, request, AclOperation.CLUSTER_ACTION):
        return refuse_as_a_whole(services, request)
    markers = request.decode(WriteTxnMarkersRequest).markers
    now_ms = services.env.clock.wall_ms()
    entries = [entry for marker in markers for entry in _entries(marker, now_ms)]
    timeout_ms = services.config.integer("request.timeout.ms")
    append = AppendRequest(ACKS_ALL, timeout_ms, entries, origin=Origin.COORDINATOR)
    return when(
        services.replicas.append(append),
        lambda results: _answer(services, request, markers, results),
    )


def _entries(marker: WriteTxnMarkersRequest.WritableTxnMarker, now_ms: int) -> list[ProduceEntry]:
    kind = ControlType.COMMIT if marker.transaction_result else ControlType.ABORT
    return [
        (
            topic.name,
            number,
            memoryview(
                build_marker(
                    EndTransactionMarker(kind, marker.coordinator_epoch),
                    producer_id=marker.producer_id,
                    producer_epoch=marker.producer_epoch,
                    timestamp_ms=now_ms,
                )
            ),
        )
        for topic in marker.topics
        for number in topic.partition_indexes
    ]


def _answer(
    services: Services,
    request: Request,
    markers: Sequence[WriteTxnMarkersRequest.WritableTxnMarker],
    results: Sequence[ProduceResult],
) -> Pieces:
    """The answer. The results are in the order of the request's partitions."""
    left = iter(results)
    answers = []
    for marker in markers:
        topics = []
        for topic in marker.topics:
            found = [next(left) for _ in topic.partition_indexes]
            topics.append(
                WriteTxnMarkersResponse.WritableTxnMarkerTopicResult(
                    name=topic.name, partitions=[_partition(r) for r in found]
                )
            )
            if topic.name == OFFSETS_TOPIC:
                written = [r.partition for r in found if r.error == ErrorCode.NONE]
                services.groups.offsets.end_transaction(
                    marker.producer_id, written, commit=marker.transaction_result
                )
        answers.append(
            WriteTxnMarkersResponse.WritableTxnMarkerResult(
                producer_id=marker.producer_id, topics=topics
            )
        )
    return request.answer(WriteTxnMarkersResponse(markers=answers))


def _partition(result: ProduceResult) -> WriteTxnMarkersResponse.WritableTxnMarkerPartitionResult:
    return WriteTxnMarkersResponse.WritableTxnMarkerPartitionResult(
        partition_index=result.partition, error_code=result.error
    )
