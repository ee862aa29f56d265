"""ControlledShutdown in every version."""

from __future__ import annotations

from tests.api import kit
from tests.api.orders import incarnation_of

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_a_controlled_shutdown_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        other = 3 - controller
        await client.place("t", (other, controller))
        epoch = await incarnation_of(client, other)
        for version in kit.versions(ApiKey.CONTROLLED_SHUTDOWN):
            ask = Message(broker_id=other, broker_epoch=epoch)
            refused = await client.ask(ApiKey.CONTROLLED_SHUTDOWN, version, ask, broker=other)
            assert refused.error_code == ErrorCode.NOT_CONTROLLER
            if version >= 2:
                old = Message(broker_id=other, broker_epoch=epoch - 1)
                answer = await client.ask(
                    ApiKey.CONTROLLED_SHUTDOWN, version, old, broker=controller
                )
                assert answer.error_code == ErrorCode.STALE_BROKER_EPOCH
            answer = await client.ask(ApiKey.CONTROLLED_SHUTDOWN, version, ask, broker=controller)
            assert (answer.error_code, answer.remaining_partitions) == (0, ())
        view = await client.ask(
            ApiKey.METADATA, 1, Message(topics=[Message(name="t")]), broker=controller
        )
        assert view.topics[0].partitions[0].leader_id == controller

    kit.run(scenario, brokers=2)
