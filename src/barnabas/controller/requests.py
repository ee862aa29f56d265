"""AlterPartitionReceived, ControlledShutdown, AllocateProducerIds, ReplicaLeaderElection,
ApiPartitionReassignment, ListPartitionReassignments: requests to the controller, one class each.

A class says what the request brings, who serves it, and what a broker answers that is not the
controller.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from barnabas.controller import partition_reassignment, requested_elections, rpc
from barnabas.controller.events import Event
from barnabas.controller.requested_elections import ElectionResults, RequestedElection
from barnabas.controller.term import Term
from barnabas.errors import TEXTS, ErrorCode
from barnabas.protocol.messages.allocate_producer_ids import (
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
)
from barnabas.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionResponse,
)
from barnabas.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
)
from barnabas.protocol.messages.controlled_shutdown import (
    ControlledShutdownRequest,
    ControlledShutdownResponse,
)
from barnabas.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)

R_co = TypeVar("R_co", covariant=True)

_NOT_CONTROLLER = ErrorCode.NOT_CONTROLLER


@dataclass(frozen=True, slots=True)
class ControllerRequest(Event, Generic[R_co]):
    """A request of a broker or a client, answered with an ``R_co``."""

    answer: asyncio.Future[R_co] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future(), kw_only=True
    )
    """Always gets a result, if need be ``not_controller``."""

    async def serve(self, term: Term) -> R_co:
        """The answer of the active controller."""
        raise NotImplementedError

    def not_controller(self) -> R_co:
        """The answer of any other."""
        raise NotImplementedError

    async def after(self, term: Term) -> None:
        """What is to be done once the answer is on its way."""

    def refuse(self) -> None:
        """Answer that this is not the controller, if there is no answer yet."""
        if not self.answer.done():
            self.answer.set_result(self.not_controller())


@dataclass(frozen=True, slots=True)
class AlterPartitionReceived(ControllerRequest[AlterPartitionResponse]):
    """A leader asks for other in-sync replicas."""

    request: AlterPartitionRequest
    by_name: bool = False
    """Whether topics are named by their names, not by their ids."""

    async def serve(self, term: Term) -> AlterPartitionResponse:
        return await rpc.alter_partition(term, self.request, by_name=self.by_name)

    def not_controller(self) -> AlterPartitionResponse:
        return AlterPartitionResponse(throttle_time=0, error_code=_NOT_CONTROLLER, topics=[])

    async def after(self, term: Term) -> None:
        await partition_reassignment.finish_complete(term)


@dataclass(frozen=True, slots=True)
class ControlledShutdown(ControllerRequest[ControlledShutdownResponse]):
    """A broker asks to be relieved before it stops."""

    request: ControlledShutdownRequest

    async def serve(self, term: Term) -> ControlledShutdownResponse:
        return await rpc.controlled_shutdown(term, self.request)

    def not_controller(self) -> ControlledShutdownResponse:
        return ControlledShutdownResponse(error_code=_NOT_CONTROLLER, remaining_partitions=[])


@dataclass(frozen=True, slots=True)
class AllocateProducerIds(ControllerRequest[AllocateProducerIdsResponse]):
    """A broker asks for a block of producer ids."""

    request: AllocateProducerIdsRequest

    async def serve(self, term: Term) -> AllocateProducerIdsResponse:
        return await rpc.allocate_producer_ids(term, self.request)

    def not_controller(self) -> AllocateProducerIdsResponse:
        return rpc.no_producer_ids(_NOT_CONTROLLER)


@dataclass(frozen=True, slots=True)
class ReplicaLeaderElection(ControllerRequest[ElectionResults | None]):
    """An administrator asks for elections. Not from the controller: None, since the API answers
    partition by partition."""

    request: RequestedElection

    async def serve(self, term: Term) -> ElectionResults:
        return await requested_elections.elect_leaders(term, self.request)

    def not_controller(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class ApiPartitionReassignment(ControllerRequest[AlterPartitionReassignmentsResponse]):
    """An administrator moves partitions, or stops that."""

    request: AlterPartitionReassignmentsRequest

    async def serve(self, term: Term) -> AlterPartitionReassignmentsResponse:
        return await partition_reassignment.alter(term, self.request)

    def not_controller(self) -> AlterPartitionReassignmentsResponse:
        return AlterPartitionReassignmentsResponse(
            throttle_time=0,
            error_code=_NOT_CONTROLLER,
            error_message=TEXTS[_NOT_CONTROLLER],
            responses=[],
        )


@dataclass(frozen=True, slots=True)
class ListPartitionReassignments(ControllerRequest[ListPartitionReassignmentsResponse]):
    """An administrator asks which partitions move."""

    request: ListPartitionReassignmentsRequest

    async def serve(self, term: Term) -> ListPartitionReassignmentsResponse:
        return await partition_reassignment.list_running(term, self.request)

    def not_controller(self) -> ListPartitionReassignmentsResponse:
        return ListPartitionReassignmentsResponse(
            throttle_time=0,
            error_code=_NOT_CONTROLLER,
            error_message=TEXTS[_NOT_CONTROLLER],
            topics=[],
        )
