"""Waits until a cluster is ready: leaders can be elected, and every broker serves clients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.cluster.plan import ClusterPlan
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.metadata import MetadataRequest
from barnabas.security.client import PLAINTEXT, ClientSecurity

PAUSE_S = 0.01


async def wait_until_ready(
    plan: ClusterPlan,
    interrupted: Callable[[], Awaitable[bool]],
    security: ClientSecurity = PLAINTEXT,
) -> bool:
    """Wait until each broker of ``plan`` knows all other brokers and the controller. Returns False
    as soon as ``interrupted``, which is called between attempts, returns True."""
    bootstrap = Bootstrap(servers=plan.bootstrap, security=security)
    client = ClusterClient(bootstrap, "barnabas-up", timeout_ms=1000)
    async with client:
        for broker_id in plan.broker_ids:
            while not await _serves(client, plan, broker_id):
                if await interrupted():
                    return False
                await asyncio.sleep(PAUSE_S)
    return True


async def _serves(client: ClusterClient, plan: ClusterPlan, broker_id: int) -> bool:
    request = MetadataRequest(
        topics=[], allow_auto_topic_creation=False, include_topic_authorized_operations=False
    )
    try:
        answer = await client.send(
            (plan.host, plan.broker_port(broker_id)), ApiKey.METADATA, 12, request
        )
    except OSError:
        return False
    known = {int(b.node_id) for b in answer.brokers}
    return known.issuperset(plan.broker_ids) and int(answer.controller_id) in known
