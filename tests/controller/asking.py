"""Requests to a controller, as the handlers of brokers ask it."""

from __future__ import annotations

from typing import Any

from tests.protocol.typed import typed_request

from barnabas.controller.controller import Controller
from barnabas.controller.requested_elections import ElectionResults, RequestedElection
from barnabas.controller.requests import (
    AllocateProducerIds,
    AlterPartitionReceived,
    ApiPartitionReassignment,
    ControlledShutdown,
    ListPartitionReassignments,
    ReplicaLeaderElection,
)
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


async def alter_partition(controller: Controller, message: Message) -> Any:
    request = typed_request(ApiKey.ALTER_PARTITION, message)
    return await controller.ask(AlterPartitionReceived(request))


async def controlled_shutdown(controller: Controller, message: Message) -> Any:
    request = typed_request(ApiKey.CONTROLLED_SHUTDOWN, message)
    return await controller.ask(ControlledShutdown(request))


async def allocate_producer_ids(controller: Controller, message: Message) -> Any:
    request = typed_request(ApiKey.ALLOCATE_PRODUCER_IDS, message)
    return await controller.ask(AllocateProducerIds(request))


async def elect_leaders(controller: Controller, asked: RequestedElection) -> ElectionResults | None:
    return await controller.ask(ReplicaLeaderElection(asked))


async def alter_partition_reassignments(controller: Controller, message: Message) -> Any:
    request = typed_request(ApiKey.ALTER_PARTITION_REASSIGNMENTS, message)
    return await controller.ask(ApiPartitionReassignment(request))


async def list_partition_reassignments(controller: Controller, message: Message) -> Any:
    request = typed_request(ApiKey.LIST_PARTITION_REASSIGNMENTS, message)
    return await controller.ask(ListPartitionReassignments(request))
