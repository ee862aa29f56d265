"""DeleteGroups v0-2: forget groups without members, with their positions.

Answered once that is replicated, where the original does not wait: a deleted group does not come
back with the next coordinator.
"""

from __future__ import annotations

from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.protocol.message import Message


def handle(services: Services, request: Request) -> Answer:
    """Each group on its own."""
    return _delete(services, request)


async def _delete(services: Services, request: Request) -> Pieces:
    results = []
    for name in dict.fromkeys(request.decode().groups_names):
        error = await services.groups.offsets.delete_group(name)
        results.append(Message(group_id=name, error_code=error))
    return request.answer(Message(throttle_time=0, results=results))
