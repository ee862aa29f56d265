"""AllocateProducerIds."""

from __future__ import annotations

from tests.api import kit
from tests.api.orders import incarnation_of

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_blocks_of_producer_ids() -> None:
    async def scenario(client: kit.Client) -> None:
        incarnation = await incarnation_of(client)
        (version,) = kit.versions(ApiKey.ALLOCATE_PRODUCER_IDS)
        first, second = [
            await client.ask(
                ApiKey.ALLOCATE_PRODUCER_IDS,
                version,
                Message(broker_id=1, broker_epoch=incarnation),
            )
            for _ in range(2)
        ]
        assert (first.error_code, first.producer_id_len) == (0, 1000)
        assert second.producer_id_start == first.producer_id_start + 1000
        old = Message(broker_id=1, broker_epoch=incarnation - 1)
        answer = await client.ask(ApiKey.ALLOCATE_PRODUCER_IDS, version, old)
        assert answer.error_code == ErrorCode.STALE_BROKER_EPOCH

    kit.run(scenario)
