"""When a topic's settings are forgotten: with the topic, whatever this broker hears of its end."""

from __future__ import annotations

import asyncio
import uuid
from types import SimpleNamespace
from typing import Any

from tests.protocol.typed import typed_request

from barnabas.api import leader_and_isr, update_metadata
from barnabas.metadata_cache import MetadataCache
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.replication.orders import UNKNOWN_SENDER, Sender

FIRST, SECOND = uuid.UUID(int=1), uuid.UUID(int=2)


class Broker:
    """The parts of one that the two handlers touch."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []
        self.registering = asyncio.Event()
        self.metadata = MetadataCache(asyncio.get_running_loop().time)
        self.replicas = self
        self.topic_configs = SimpleNamespace(forget=self.forgotten.append, ensure=self._ensure)
        self.groups = SimpleNamespace(offsets=SimpleNamespace(topic_deleted=lambda topic: None))

    async def _ensure(self, names: list[str]) -> None:
        assert names == ["t"]

    async def registered(self) -> None:
        await self.registering.wait()

    async def update_metadata(self, request: Message, sender: Sender) -> Message:
        self.metadata.apply(request)
        return Message()

    async def become_leader_or_follower(
        self, request: Message, prepare: Any, sender: Sender
    ) -> Message:
        await prepare()
        return Message()

    def hear(self, handler: Any, message: Message) -> asyncio.Task[Any]:
        async def in_turns(steps: Any) -> Any:
            return steps

        request = SimpleNamespace(
            decode=lambda kind: message,
            answer=lambda answer: [],
            answer_in_steps=lambda answer: [],
            in_turns_if_long=in_turns,
            sender=UNKNOWN_SENDER,
        )
        return asyncio.get_running_loop().create_task(handler._apply(self, request))


def metadata_of(topic_id: uuid.UUID, leader: int = 1) -> Any:
    partition = Message(
        partition_index=0,
        controller_epoch=1,
        leader=leader,
        leader_epoch=0,
        isr=[1],
        zk_version=0,
        replicas=[1],
        offline_replicas=[],
    )
    topic = Message(topic_name="t", topic_id=topic_id, partition_states=[partition])
    message = Message(controller_id=1, controller_epoch=1, topic_states=[topic], live_brokers=[])
    return typed_request(ApiKey.UPDATE_METADATA, message)


def test_a_deletion_that_waits_behind_the_creation() -> None:
    """Both come before this broker has registered."""

    async def main() -> None:
        broker = Broker()
        made = broker.hear(update_metadata, metadata_of(FIRST))
        await asyncio.sleep(0)
        gone = broker.hear(update_metadata, metadata_of(FIRST, leader=-2))
        await asyncio.sleep(0)
        broker.registering.set()
        await asyncio.gather(made, gone)
        assert broker.forgotten == ["t"]

    asyncio.run(main())


def test_a_successor_whose_predecessors_end_was_missed() -> None:
    async def main() -> None:
        for handler in (update_metadata, leader_and_isr):
            broker = Broker()
            broker.registering.set()
            await broker.hear(update_metadata, metadata_of(FIRST))
            await broker.hear(handler, metadata_of(FIRST))
            assert broker.forgotten == []
            await broker.hear(handler, metadata_of(SECOND))
            assert broker.forgotten == ["t"]

    asyncio.run(main())
