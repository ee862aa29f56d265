"""Moves partitions to other brokers, and elects leaders, for a tool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from barnabas.client.cluster import RETRY_PAUSE_S, ClusterClient, no_controller
from barnabas.client.errors import ClientError
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage
from barnabas.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
)
from barnabas.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse
from barnabas.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)
from barnabas.types import TopicPartition

A = TypeVar(
    "A",
    AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsResponse,
    ElectLeadersResponse,
)

ELECT_LEADERS_VERSION = 2
REASSIGNMENTS_VERSION = 0
PREFERRED, UNCLEAN = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A partition that is being moved."""

    partition: TopicPartition
    replicas: tuple[int, ...]
    """All: ``adding`` are those that are new, ``removing`` those that will go."""
    adding: tuple[int, ...]
    removing: tuple[int, ...]

    @property
    def before(self) -> tuple[int, ...]:
        """The replicas before the move; which came first is not known."""
        return tuple(r for r in self.replicas if r not in self.adding)

    @property
    def target(self) -> tuple[int, ...]:
        """The replicas after the move."""
        return tuple(r for r in self.replicas if r not in self.removing)


Outcomes = Mapping[TopicPartition, ClientError | None]
"""The error for each partition; None for success."""


def moves_of(
    targets: Mapping[TopicPartition, Sequence[int]],
    present: Mapping[TopicPartition, Sequence[int]],
) -> list[Move]:
    """The moves that a plan will begin. Pure."""
    moves = []
    for tp, target in sorted(targets.items()):
        before = present[tp]
        adding = tuple(r for r in target if r not in before)
        moves.append(
            Move(
                partition=tp,
                replicas=(*target, *(r for r in before if r not in target)),
                adding=adding,
                removing=tuple(r for r in before if r not in target),
            )
        )
    return moves


async def reassign(
    client: ClusterClient, targets: Mapping[TopicPartition, Sequence[int] | None]
) -> Outcomes:
    """Begin to move partitions to other replicas, or (None) cancel their moves. Returns when the
    moves have begun. Raises ClientError, Unreachable."""
    topics: dict[str, list[AlterPartitionReassignmentsRequest.ReassignablePartition]] = {}
    for tp, target in targets.items():
        replicas = None if target is None else list(target)
        asked = AlterPartitionReassignmentsRequest.ReassignablePartition(
            partition_index=tp.partition, replicas=replicas
        )
        topics.setdefault(tp.topic, []).append(asked)
    request = AlterPartitionReassignmentsRequest(
        timeout=client.timeout_ms,
        topics=[
            AlterPartitionReassignmentsRequest.ReassignableTopic(name=name, partitions=asked)
            for name, asked in topics.items()
        ],
    )
    api = ApiKey.ALTER_PARTITION_REASSIGNMENTS
    answer = await _ask(client, api, REASSIGNMENTS_VERSION, request, lambda a: [a.error_code])
    return {
        tp: _outcome(tp, p)
        for topic in answer.responses
        for p in topic.partitions
        for tp in [TopicPartition(topic.name, p.partition_index)]
    }


async def list_moves(client: ClusterClient) -> list[Move]:
    """The partitions that are being moved. Raises ClientError, Unreachable."""
    request = ListPartitionReassignmentsRequest(timeout=client.timeout_ms, topics=None)
    api = ApiKey.LIST_PARTITION_REASSIGNMENTS
    answer = await _ask(client, api, REASSIGNMENTS_VERSION, request, lambda a: [a.error_code])
    return sorted(
        (
            Move(
                partition=TopicPartition(topic.name, p.partition_index),
                replicas=tuple(p.replicas),
                adding=tuple(p.adding_replicas),
                removing=tuple(p.removing_replicas),
            )
            for topic in answer.topics
            for p in topic.partitions
        ),
        key=lambda move: move.partition,
    )


async def elect_leaders(
    client: ClusterClient, partitions: Iterable[TopicPartition] | None, *, unclean: bool = False
) -> Outcomes:
    """Elect the preferred leaders (with ``unclean``, any leaders) of some partitions, or of all if
    ``partitions`` is None; then partitions that need no election are left out. Raises ClientError
    and Unreachable."""
    topics: dict[str, list[int]] = {}
    for tp in partitions or ():
        topics.setdefault(tp.topic, []).append(tp.partition)
    asked = [
        ElectLeadersRequest.TopicPartitions(topic=topic, partitions=numbers)
        for topic, numbers in topics.items()
    ]
    request = ElectLeadersRequest(
        election_type=UNCLEAN if unclean else PREFERRED,
        topic_partitions=None if partitions is None else asked,
        timeout=client.timeout_ms,
    )

    def codes(answer: ElectLeadersResponse) -> list[int]:
        results = [p for t in answer.replica_election_results for p in t.partition_result]
        return [answer.error_code, *(p.error_code for p in results)]

    answer = await _ask(client, ApiKey.ELECT_LEADERS, ELECT_LEADERS_VERSION, request, codes)
    return {
        tp: _outcome(tp, p)
        for topic in answer.replica_election_results
        for p in topic.partition_result
        for tp in [TopicPartition(topic.topic, p.partition_id)]
    }


async def _ask(
    client: ClusterClient,
    api: ApiKey,
    version: int,
    request: RequestMessage[A],
    codes: Callable[[A], list[int]],
) -> A:
    """The controller's answer; the request is sent again while the controller moves. ``codes``:
    gives the errors in an answer, first the one of the whole answer."""
    loop = asyncio.get_running_loop()
    deadline: float | None = None  # the answer itself may take long
    while True:
        answer = await client.controller(api, version, request)
        errors = [int(code) for code in codes(answer)]
        if ErrorCode.NOT_CONTROLLER not in errors:
            break
        if deadline is None:
            deadline = loop.time() + client.timeout_ms / 1000
        if loop.time() > deadline:
            raise no_controller()
        await asyncio.sleep(RETRY_PAUSE_S)
    if errors[0]:
        raise ClientError(
            api.name.lower(),
            errors[0],
            None if isinstance(answer, ElectLeadersResponse) else answer.error_message,
        )
    return answer


def _outcome(
    tp: TopicPartition,
    result: AlterPartitionReassignmentsResponse.ReassignablePartitionResponse
    | ElectLeadersResponse.PartitionResult,
) -> ClientError | None:
    if not result.error_code:
        return None
    return ClientError(str(tp), int(result.error_code), result.error_message)
