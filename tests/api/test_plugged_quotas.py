"""Quotas that a plug-in decides on, at whole brokers."""

from __future__ import annotations

from tests.api import kit
from tests.api.test_throttling import METADATA, lasting, set_quotas

from barnabas.protocol.api import ApiKey
from tenants import TenantQuotas

SETTINGS = {
    "client.quota.callback.class": "tenants.TenantQuotas",
    "tenants.bytes.per.partition": "1000",
}
CLASSES = {"tenants.TenantQuotas": TenantQuotas}


async def _produced(client: kit.Client, topic: str, client_id: str = "test") -> int:
    """The wait that a Produce of 40,000 bytes is told."""
    message = kit.produce_message(topic, b"x" * 40_000)
    answer = await client.ask(ApiKey.PRODUCE, 9, message, client_id=client_id)
    assert answer.responses[0].partition_responses[0].error_code == 0
    return int(answer.throttle_time)


def test_the_example_of_the_documentation() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("other.t", 5)
        assert await _produced(client, "other.t", client_id="a") == 0, "it leads none for us"
        await client.create("ANONYMOUS.t", 3)
        wait_ms = await _produced(client, "ANONYMOUS.t")
        assert 3_000 < wait_ms < 3_500, "three partitions, 3,000 bytes a second"
        async with lasting(wait_ms / 1000):
            await client.ask(ApiKey.METADATA, 12, METADATA)
        assert await _produced(client, "other.t", client_id="b") > 0, "the tenant counts"
        await set_quotas(client, {"user": "ANONYMOUS"}, producer_byte_rate=10.0**6)
        assert await _produced(client, "other.t", client_id="c") == 0
        await set_quotas(client, {"user": "ANONYMOUS"}, producer_byte_rate=None)
        assert await _produced(client, "other.t", client_id="d") > 0

    kit.run(scenario, settings=SETTINGS, classes=CLASSES)
