"""Listeners and their certificates that change while a broker runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.api import kit
from tests.api.kit import Client

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message

SET, DELETE = 0, 1
MAP = "PLAINTEXT:PLAINTEXT,MORE:PLAINTEXT,SSL:SSL,LATER:SSL"
PLAIN = {"listener.security.protocol.map": MAP}


async def alter(client: Client, /, **settings: str | None) -> tuple[int, str]:
    """Error and text; a value of None deletes."""
    configs = [
        Message(
            name=name.replace("__", "."),
            value=value,
            config_operation=DELETE if value is None else SET,
        )
        for name, value in settings.items()
    ]
    resource = Message(resource_type=4, resource_name="1", configs=configs)
    answer = await client.ask(
        ApiKey.INCREMENTAL_ALTER_CONFIGS,
        1,
        Message(resources=[resource], validate_only=False),
    )
    found = answer.responses[0]
    return int(found.error_code), str(found.error_message or "")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110 - of a broker
        await asyncio.sleep(0.05)


async def connect(port: int) -> KafkaConnection:
    return await KafkaConnection.connect("b1", port, client_id="c", timeout_ms=5_000)


async def told(connection: KafkaConnection) -> dict[int, int]:
    """The ports of all brokers, as one listener tells them."""
    answer: Any = await connection.send(ApiKey.METADATA, 9, Message(topics=[]), timeout_ms=5_000)
    return {b.node_id: b.port for b in answer.brokers}


def test_a_listener_comes_and_goes() -> None:
    async def scenario(client: Client) -> None:
        both = "PLAINTEXT://b1:9092,MORE://b1:9095"
        assert await alter(client, listeners=both) == (0, "")

        async def is_open() -> bool:
            try:
                (await connect(9095)).close()
            except ConnectionError:
                return False
            return True

        await until(is_open)
        more = await connect(9095)
        plain = await client.connection()

        async def is_told() -> bool:
            return await told(more) == {1: 9095}

        await until(is_told)
        assert await told(plain) == {1: 9092, 2: 9092}
        assert await alter(client, advertised__listeners="PLAINTEXT://b1:9092") == (0, "")
        assert await alter(client, advertised__listeners=None, listeners=None) == (0, "")
        await more.closed
        assert not await is_open()
        assert await told(plain) == {1: 9092, 2: 9092}
        assert await alter(client, listeners=both) == (0, "")
        await until(is_open)

    kit.run(scenario, brokers=2, settings=PLAIN)


def test_what_does_not_change_while_it_runs() -> None:
    async def scenario(client: Client) -> None:
        for settings, why in (
            (
                {"listeners": "PLAINTEXT://b1:9099"},
                "the address of PLAINTEXT changes with a restart",
            ),
            ({"listeners": "MORE://b1:9095"}, "can be changed with a restart only"),
            (
                {"listeners": "PLAINTEXT://b1:9092,X://b1:1"},
                "no security protocol is mapped to 'X'",
            ),
            (
                {"listeners": "PLAINTEXT://b1:9092,LATER://b1:9095"},
                "ssl.keystore.location: required",
            ),
            (
                {
                    "listeners": "PLAINTEXT://b1:9092,LATER://b1:9095",
                    "listener__name__later__ssl__keystore__location": "/nowhere",
                },
                "cannot read '/nowhere'",
            ),
            ({"ssl__keystore__location": "/files/first"}, "not supported while a broker runs"),
            (
                {"listener__name__plaintext__plain__sasl__jaas__config": "a b;"},
                "listener plaintext is neither",
            ),
            ({"listener__name__plaintext__ssl__client__auth": "required"}, "listener plaintext is"),
        ):
            error, text = await alter(client, **settings)
            assert error == ErrorCode.INVALID_REQUEST
            assert why in text, text
        assert await told(await client.connection()) == {1: 9092}

    kit.run(scenario, settings=PLAIN)
