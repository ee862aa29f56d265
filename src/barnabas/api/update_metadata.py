"""UpdateMetadata v0-8: the controller's view of the cluster, for this broker's clients."""

from __future__ import annotations

from barnabas.api.registry import serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.protocol.api import ApiKey


@serves(ApiKey.UPDATE_METADATA)
def handle(services: Services, request: Request) -> Answer:
    """Held until this broker has registered (reference 4.4)."""
    return _apply(services, request)


async def _apply(services: Services, request: Request) -> Pieces:
    before = services.metadata.topics()
    answer = await services.replicas.update_metadata(request.decode())
    for topic in before:
        if services.metadata.partitions(topic) is None:
            services.topic_configs.forget(topic)
            services.groups.offsets.topic_deleted(topic)
    return request.answer(answer)
