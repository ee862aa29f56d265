"""LeaderAndIsr v0-7: the controller tells this broker which partitions it leads and follows.

The settings of topics that are new here are read first, since a log is opened with them.
"""

from __future__ import annotations

from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrRequest
from barnabas.types import ZERO_UUID


@serves(ApiKey.LEADER_AND_ISR, on_cluster(AclOperation.CLUSTER_ACTION))
def handle(services: Services, request: Request) -> Answer:
    """Waits until this broker has registered (reference 4.2)."""
    return _apply(services, request)


async def _apply(services: Services, request: Request) -> Pieces:
    decoded = request.decode(LeaderAndIsrRequest)
    topics = list(decoded.topic_states)
    names = [t.topic_name for t in topics]
    names += [p.topic_name for p in decoded.ungrouped_partition_states]

    async def read_settings() -> None:
        for topic in topics:
            topic_id = topic.topic_id
            known = services.metadata.topic_id(topic.topic_name)
            if known is not None and topic_id not in (None, ZERO_UUID, known):
                # The topic was deleted and created again, without a StopReplica in between.
                services.topic_configs.forget(topic.topic_name)
        await services.topic_configs.ensure(names)

    message = await services.replicas.become_leader_or_follower(
        decoded, read_settings, request.sender
    )
    return await request.in_turns_if_long(request.answer_in_steps(message))
