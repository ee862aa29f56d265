"""UpdateMetadata v0-8: the controller's view of the cluster, for this broker's clients."""

from __future__ import annotations

from collections.abc import Iterator

from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest


@serves(ApiKey.UPDATE_METADATA, on_cluster(AclOperation.CLUSTER_ACTION))
def handle(services: Services, request: Request) -> Answer:
    """Waits until this broker has registered (reference 4.4)."""
    return _apply(services, request)


async def _apply(services: Services, request: Request) -> Pieces:
    decoded = request.decode(UpdateMetadataRequest)
    await services.replicas.registered()
    before = {topic: services.metadata.topic_id(topic) for topic in _known(services, decoded)}
    answer = await services.replicas.update_metadata(decoded, request.sender)
    for topic, topic_id in before.items():
        if services.metadata.partitions(topic) is None or topic_id not in (
            None,
            services.metadata.topic_id(topic),
        ):
            services.topic_configs.forget(topic)
            services.groups.offsets.topic_deleted(topic)
    return request.answer(answer)


def _known(services: Services, decoded: UpdateMetadataRequest) -> Iterator[str]:
    """The topics of a request that this broker knew before."""
    names = [t.topic_name for t in decoded.topic_states]
    names += [p.topic_name for p in decoded.ungrouped_partition_states]
    return (name for name in names if services.metadata.partitions(name) is not None)
