"""ListPartitionReassignments v0 (KIP-455): partitions that are moving now. Only the controller
serves it; partitions that do not move, or do not exist, are left out.
"""

from __future__ import annotations

from barnabas.api.registry import serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.protocol.api import ApiKey


@serves(ApiKey.LIST_PARTITION_REASSIGNMENTS)
def handle(services: Services, request: Request) -> Answer:
    """One event of the controller's queue (reference 3.10)."""
    return _ask(services, request)


async def _ask(services: Services, request: Request) -> Pieces:
    answer = await services.controller.list_partition_reassignments(request.decode())
    return request.answer(answer)
