"""Topic settings: what is read of a topic counts only while there is that topic."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from barnabas.broker.dynamic_config import DynamicBrokerConfig
from barnabas.broker.topic_configs import TopicConfigRepository
from barnabas.config.broker_config import BrokerConfig
from barnabas.storage.config import LogConfig
from barnabas.zk import paths
from barnabas.zk.znodes import encode_config
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.errors import NoNode

CONFIG = {"broker.id": "1", "listeners": "PLAINTEXT://h:1", "zookeeper.connect": "h:2"}


class Reads:
    """A ZooKeeper whose reads are answered when told to, with what was there when they came."""

    def __init__(self) -> None:
        self.nodes: dict[str, bytes] = {}
        self.waiting: list[asyncio.Future[None]] = []

    def put(self, entity: str, **settings: str) -> None:
        config = {name.replace("_", "."): value for name, value in settings.items()}
        self.nodes[paths.config_path(entity)] = encode_config(config)

    async def submit_all(self, ops: Any) -> list[Any]:
        found = [
            (self.nodes[op.path], None) if op.path in self.nodes else NoNode(op.path) for op in ops
        ]
        gate = asyncio.get_running_loop().create_future()
        self.waiting.append(gate)
        await gate
        return found

    async def answer(self) -> None:
        self.waiting.pop(0).set_result(None)
        await turn()


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Case:
    def __init__(self) -> None:
        self.zookeeper = Reads()
        self.changed: list[tuple[str, int]] = []
        self.topics = TopicConfigRepository(
            BrokerConfig(CONFIG),
            cast("ZooKeeperClient", self.zookeeper),
            self._on_change,
        )

    def _on_change(self, topic: str, config: LogConfig) -> None:
        self.changed.append((topic, config.segment_bytes))

    async def begin(self, work: Awaitable[None]) -> asyncio.Future[None]:
        task = asyncio.ensure_future(work)
        await turn()
        return task

    def size(self, topic: str = "t") -> int:
        return self.topics.log_config(topic).segment_bytes


def run(test: Callable[[Case], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(Case())

    asyncio.run(main())


DEFAULT = 1 << 30


def test_settings_on_their_way_when_the_topic_is_deleted_are_not_taken() -> None:
    async def test(case: Case) -> None:
        case.zookeeper.put("topics/t", segment_bytes="1000")
        reading = await case.begin(case.topics.ensure(["t", "u"]))
        case.topics.forget("t")
        await case.zookeeper.answer()
        await reading
        assert case.size() == DEFAULT
        assert case.changed == [("u", DEFAULT)]
        # The next one of its name is read anew.
        case.zookeeper.put("topics/t", segment_bytes="2000")
        reading = await case.begin(case.topics.ensure(["t"]))
        await case.zookeeper.answer()
        await reading
        assert case.size() == 2000

    run(test)


def test_nor_are_changed_ones() -> None:
    async def test(case: Case) -> None:
        known = await case.begin(case.topics.ensure(["t"]))
        await case.zookeeper.answer()
        await known
        case.zookeeper.put("topics/t", segment_bytes="1000")
        reading = await case.begin(case.topics.on_notification("t"))
        case.topics.forget("t")
        await case.zookeeper.answer()
        await reading
        assert case.size() == DEFAULT
        assert case.changed == [("t", DEFAULT)]

    run(test)


def test_who_waits_for_another_read_does_not_read_for_a_topic_that_is_gone() -> None:
    async def test(case: Case) -> None:
        first = await case.begin(case.topics.ensure(["u"]))
        second = await case.begin(case.topics.ensure(["t"]))
        case.topics.forget("t")
        await case.zookeeper.answer()
        await asyncio.gather(first, second)
        assert [topic for topic, _ in case.changed] == ["u"]

    run(test)


def test_the_last_to_be_taken_is_the_last_that_was_read() -> None:
    async def test(case: Case) -> None:
        case.zookeeper.put("topics/t", segment_bytes="1000")
        first = await case.begin(case.topics.ensure(["t"]))
        case.zookeeper.put("topics/t", segment_bytes="2000")
        second = await case.begin(case.topics.on_notification("t"))
        assert len(case.zookeeper.waiting) == 1, "one after the other"
        await case.zookeeper.answer()
        await case.zookeeper.answer()
        await asyncio.gather(first, second)
        assert [size for _, size in case.changed] == [1000, 2000]

    run(test)


def test_so_it_is_with_the_brokers_own_settings() -> None:
    async def main() -> None:
        zookeeper, config = Reads(), BrokerConfig(CONFIG)
        dynamic = DynamicBrokerConfig(config, zookeeper, bytes)  # type: ignore[arg-type]
        loading = asyncio.ensure_future(dynamic.load(1))
        await turn()
        zookeeper.put("brokers/1", log_retention_ms="5000")
        again = asyncio.ensure_future(dynamic.read())
        await turn()
        assert len(zookeeper.waiting) == 1
        await zookeeper.answer()
        await zookeeper.answer()
        await asyncio.gather(loading, again)
        assert config.dynamic == {"log.retention.ms": "5000"}

    asyncio.run(main())
