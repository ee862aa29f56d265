"""Whole brokers in the simulator, and a client that asks them in any version of any API."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tests.simulation.nodes import Main, Simulation

from barnabas.broker import node
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.jaas_file import Sections
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch
from barnabas.seams import Env
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.server.coordinator import CoordinatorConfig
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.store import MemoryStore

PATIENCE_S = 60.0
NOW_MS = 1_700_000_000_000
STRANGER = uuid.UUID(int=77)
"""A topic id that nobody has."""


def versions(api: ApiKey) -> range:
    """Every version that is served."""
    return range(API_TABLE[api].max_version + 1)


class Client:
    """Asks brokers; the connections stay open."""

    def __init__(
        self, env: Env, simulation: Simulation, stops: Mapping[int, asyncio.Event]
    ) -> None:
        self.env = env
        self.simulation = simulation
        """Holds the brokers as the processes ``b1``, ``b2``, ..."""
        self.stops = stops
        """Broker -> what asks it to stop in order."""
        self._connections: dict[tuple[int, str], KafkaConnection] = {}

    async def connection(self, broker: int = 1, client_id: str = "test") -> KafkaConnection:
        """The connection to a broker, opened anew if it was closed."""
        found = self._connections.get((broker, client_id))
        if found is None or not found.is_open:
            found = await KafkaConnection.connect(
                f"b{broker}", 9092, client_id=client_id, timeout_ms=10_000
            )
            self._connections[broker, client_id] = found
        return found

    async def ask(
        self,
        api: ApiKey,
        version: int,
        message: Message | None = None,
        *,
        broker: int = 1,
        client_id: str = "test",
    ) -> Any:
        """One answer."""
        connection = await self.connection(broker, client_id)
        return await connection.send(api, version, message or Message(), timeout_ms=30_000)

    async def ready(self, brokers: int) -> None:
        """Until every broker knows of every broker."""
        for broker in range(1, brokers + 1):
            while True:
                try:
                    view = await self.ask(ApiKey.METADATA, 12, Message(topics=[]), broker=broker)
                    if len(view.brokers) == brokers:
                        break
                except OSError:
                    pass
                await asyncio.sleep(0.1)

    async def controller(self) -> int:
        """The id of the broker that is the controller."""
        return int((await self.ask(ApiKey.METADATA, 1, Message(topics=[]))).controller_id)

    async def create(
        self, name: str, partitions: int = 1, replicas: int = 1, /, **configs: str
    ) -> Any:
        """Create a topic; its result."""
        message = create_message(name, partitions, replicas, configs)
        controller = await self.controller()
        answer = await self.ask(ApiKey.CREATE_TOPICS, 7, message, broker=controller)
        return answer.topics[0]

    async def place(self, topic: str, *replicas: Sequence[int]) -> None:
        """Create a topic with the replicas of each partition; until the controller itself knows."""
        placed = [Message(partition_index=i, broker_ids=list(r)) for i, r in enumerate(replicas)]
        message = create_message(topic, -1, -1, assignments=placed)
        controller = await self.controller()
        answer = await self.ask(ApiKey.CREATE_TOPICS, 7, message, broker=controller)
        assert answer.topics[0].error_code == 0
        question = Message(
            topics=[Message(name=topic, topic_id=None)], allow_auto_topic_creation=False
        )
        while True:
            view = await self.ask(ApiKey.METADATA, 12, question, broker=controller)
            if not view.topics[0].error_code:
                return
            await asyncio.sleep(0.01)

    async def produce(
        self,
        topic: str,
        *values: bytes,
        version: int = 9,
        acks: int = -1,
        client_id: str = "test",
        timestamp: int = NOW_MS,
        broker: int = 1,
    ) -> Any:
        """The result of one batch for partition 0."""
        message = produce_message(topic, *values, acks=acks, timestamp=timestamp)
        answer = await self.ask(
            ApiKey.PRODUCE, version, message, client_id=client_id, broker=broker
        )
        return answer.responses[0].partition_responses[0]


def create_message(
    name: str,
    partitions: int = 1,
    replicas: int = 1,
    configs: Mapping[str, str | None] | None = None,
    **others: Any,
) -> Message:
    """A CreateTopics request for one topic."""
    topic = Message(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        assignments=others.pop("assignments", []),
        configs=[Message(name=k, value=v) for k, v in (configs or {}).items()],
    )
    return Message(**{"topics": [topic], "timeout": 10_000, "validate_only": False, **others})


def produce_message(
    topic: str, *values: bytes, acks: int = -1, timestamp: int = NOW_MS, partition: int = 0
) -> Message:
    """A Produce request of one batch."""
    records = [
        Record(offset=i, timestamp=timestamp + i, key=None, value=value)
        for i, value in enumerate(values)
    ]
    part = Message(index=partition, records=bytes(build_batch(records)))
    data = [Message(name=topic, partition_data=[part])]
    return Message(transactional_id=None, acks=acks, timeout=10_000, topic_data=data)


def run(
    scenario: Callable[[Client], Awaitable[None]],
    *,
    brokers: int = 1,
    settings: Mapping[str, str] | None = None,
    prepare: Callable[[Env], Awaitable[None]] | None = None,
    classes: Mapping[str, type] | None = None,
    sections: Sections | None = None,
) -> None:
    """Start a coordinator and brokers, and run the scenario in virtual time. ``{host}`` in a
    setting is the broker's; ``prepare`` comes before the brokers are awaited; ``classes`` are
    plug-ins, by the names in settings; ``sections`` those of a JAAS file."""
    logging.disable(logging.CRITICAL)
    simulation = Simulation(1, classes=classes)
    done: list[bool] = []
    stops: dict[int, asyncio.Event] = {}

    async def coordinator(env: Env) -> None:
        await serve(
            env, CoordinatorConfig(host="zk", tick_ms=1000, allow_strangers=True), MemoryStore()
        )

    async def client(env: Env) -> None:
        asking = Client(env, simulation, stops)
        async with asyncio.timeout(PATIENCE_S):
            if prepare is not None:
                await prepare(env)
            await asking.ready(brokers)
            await scenario(asking)
        done.append(True)

    async def drive() -> None:
        simulation.start("zk", coordinator)
        for number in range(1, brokers + 1):
            simulation.start(f"b{number}", broker_main(number, settings or {}, stops, sections))
        await simulation.ended(simulation.start("client", client))

    try:
        simulation.run(drive, limit_s=PATIENCE_S * 2)
    finally:
        logging.disable(logging.NOTSET)
    assert done


def broker_main(
    number: int,
    settings: Mapping[str, str],
    stops: dict[int, asyncio.Event] | None = None,
    sections: Sections | None = None,
) -> Main:
    """A real broker; what asks it to stop is put into ``stops``."""

    async def main(env: Env) -> None:
        given = {
            "broker.id": str(number),
            "broker.rack": f"r{number}",
            "listeners": f"PLAINTEXT://b{number}:9092",
            "log.dirs": "/data",
            "zookeeper.connect": "zk:2181",
            **{name: text.replace("{host}", f"b{number}") for name, text in settings.items()},
        }
        stop = asyncio.Event()
        if stops is not None:
            stops[number] = stop
        await node.main(env, BrokerConfig(given, sections), stop)

    return main


async def zookeeper(env: Env) -> ZooKeeperClient:
    """A client of the coordinator, connected."""
    client = ZooKeeperClient(env, "zk:2181", 6000)
    await client.connect()
    return client
