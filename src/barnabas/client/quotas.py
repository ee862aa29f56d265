"""Lists and changes quotas for a client (KIP-546)."""

from __future__ import annotations

from collections.abc import Mapping

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.alter_client_quotas import AlterClientQuotasRequest
from barnabas.protocol.messages.describe_client_quotas import DescribeClientQuotasRequest
from barnabas.quotas.entities import CLIENT_ID, IP, USER, Entity, Filter, entity_of

VERSION = 1


async def alter_quotas(
    client: ClusterClient,
    entity: Entity,
    quotas: Mapping[str, float | None],
    *,
    validate_only: bool = False,
) -> None:
    """Set an entity's quotas by name; None removes one. Raises ClientError, Unreachable."""
    entry = AlterClientQuotasRequest.EntryData(
        entity=[
            AlterClientQuotasRequest.EntityData(entity_type=kind, entity_name=name)
            for kind, name in entity.parts()
        ],
        ops=[
            AlterClientQuotasRequest.OpData(key=key, value=value or 0.0, remove=value is None)
            for key, value in quotas.items()
        ],
    )
    message = AlterClientQuotasRequest(entries=[entry], validate_only=validate_only)
    answer = await client.any_broker(ApiKey.ALTER_CLIENT_QUOTAS, VERSION, message)
    for result in answer.entries:
        if result.error_code:
            raise ClientError(f"quotas of {entity}", result.error_code, result.error_message)


async def describe_quotas(client: ClusterClient, wanted: Filter) -> dict[Entity, dict[str, float]]:
    """The quotas that match a filter, by entity and name. Raises ClientError, Unreachable."""
    named = zip((USER, CLIENT_ID, IP), (wanted.user, wanted.client_id, wanted.ip), strict=True)
    components = [
        DescribeClientQuotasRequest.ComponentData(
            entity_type=kind, match_type=asked.match_type, match=asked.name
        )
        for kind, asked in named
        if asked is not None
    ]
    message = DescribeClientQuotasRequest(components=components, strict=wanted.strict)
    answer = await client.any_broker(ApiKey.DESCRIBE_CLIENT_QUOTAS, VERSION, message)
    if answer.error_code:
        raise ClientError("quotas", answer.error_code, answer.error_message)
    return {
        entity_of((part.entity_type, part.entity_name) for part in entry.entity): {
            held.key: held.value for held in entry.values
        }
        for entry in answer.entries or ()
    }
