"""ElectLeaders v0-2 (KIP-183, KIP-460): preferred elections, and from v1 unclean ones.

Only the controller serves it; others answer NOT_CONTROLLER for every partition. It answers once
this broker's metadata shows the elected leaders. For those that it does not show in time, the
answer is REQUEST_TIMED_OUT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.controller.requested_elections import ElectionResults, RequestedElection
from barnabas.controller.requests import ReplicaLeaderElection
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse
from barnabas.types import TopicPartition

PREFERRED: Final = 0
UNCLEAN: Final = 1


@serves(ApiKey.ELECT_LEADERS, on_cluster(AclOperation.ALTER))
def handle(services: Services, request: Request) -> Answer:
    """One event of the controller's queue, then a look at the metadata."""
    return _elect(services, request)


async def _elect(services: Services, request: Request) -> Pieces:
    decoded = request.decode(ElectLeadersRequest)
    kind = decoded.election_type
    asked = _partitions(services, decoded)
    if kind not in (PREFERRED, UNCLEAN):
        error = KafkaError(ErrorCode.INVALID_REQUEST, f"There is no election type {kind}.")
        return _answer(request, dict.fromkeys(asked, error), ErrorCode.INVALID_REQUEST)
    election = RequestedElection(partitions=asked, unclean=kind == UNCLEAN)
    results = await services.controller.ask(ReplicaLeaderElection(election))
    if results is None:
        error = KafkaError(ErrorCode.NOT_CONTROLLER)
        return _answer(request, dict.fromkeys(asked, error))
    if decoded.topic_partitions is None:
        results = {tp: result for tp, result in results.items() if not _is_unneeded(result)}
    return _answer(request, await request.while_asked(_shown(services, results, decoded.timeout)))


def _partitions(services: Services, decoded: ElectLeadersRequest) -> tuple[TopicPartition, ...]:
    """The partitions of the request; a null list means all partitions."""
    metadata = services.metadata
    if decoded.topic_partitions is None:
        return tuple(
            TopicPartition(topic, number)
            for topic in metadata.topics()
            for number in sorted(metadata.partitions(topic) or {})
        )
    return tuple(
        TopicPartition(topic.topic, number)
        for topic in decoded.topic_partitions
        for number in topic.partitions
    )


def _is_unneeded(result: int | KafkaError) -> bool:
    return isinstance(result, KafkaError) and result.code == ErrorCode.ELECTION_NOT_NEEDED


async def _shown(
    services: Services, results: ElectionResults, timeout_ms: int
) -> dict[TopicPartition, KafkaError | None]:
    """Wait until the metadata shows the elected leaders. Partitions for which it does not in time
    get REQUEST_TIMED_OUT."""
    elected = {tp: leader for tp, leader in results.items() if isinstance(leader, int)}

    def leads(tp: TopicPartition) -> bool:
        view = services.metadata.partition(tp)
        return view is not None and view.leader == elected[tp]

    missing = await services.metadata_late(elected, leads, timeout_ms)
    late = dict.fromkeys(missing, KafkaError(ErrorCode.REQUEST_TIMED_OUT))
    return {
        tp: result if isinstance(result, KafkaError) else late.get(tp)
        for tp, result in results.items()
    }


def _answer(
    request: Request,
    results: Mapping[TopicPartition, KafkaError | None],
    error: ErrorCode = ErrorCode.NONE,
) -> Pieces:
    topics: dict[str, list[ElectLeadersResponse.PartitionResult]] = {}
    for tp, refused in results.items():
        result = ElectLeadersResponse.PartitionResult(
            partition_id=tp.partition,
            error_code=ErrorCode.NONE if refused is None else refused.code,
            error_message=(refused.message or None) if refused is not None else None,
        )
        topics.setdefault(tp.topic, []).append(result)
    return request.answer(
        ElectLeadersResponse(
            throttle_time=0,
            error_code=error,
            replica_election_results=[
                ElectLeadersResponse.ReplicaElectionResult(topic=topic, partition_result=listed)
                for topic, listed in topics.items()
            ],
        )
    )
