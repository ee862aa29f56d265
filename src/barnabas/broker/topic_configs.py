"""ZkConfigRepository of topics: their settings in ZooKeeper, kept current by ``/config/changes``.

Every broker reads all of them at its start, and a topic's again when a notification names it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.topic_config import TopicConfig
from barnabas.logs import visible
from barnabas.names import is_topic
from barnabas.pace import Pace
from barnabas.seams import no_time_passes
from barnabas.storage.config import LogConfig
from barnabas.zk import paths
from barnabas.zk.admin import list_topics, read_config, read_configs
from barnabas.zookeeper.client.client import ZooKeeperClient

log = logging.getLogger("kafka.server")

KEEP_EVERYTHING = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""For a topic whose settings cannot be read: they may say that its records are kept for ever."""


class TopicConfigRepository:
    """The settings in force for every topic this broker has met."""

    def __init__(
        self,
        config: BrokerConfig,
        zookeeper: ZooKeeperClient,
        on_change: Callable[[str, LogConfig], None],
        stopwatch: Callable[[], float] = no_time_passes,
        on_throttles: Callable[[str, TopicConfig | None], None] = lambda topic, config: None,
    ) -> None:
        """``on_change`` and ``on_throttles`` are told of a topic's settings; the second of a topic
        that is gone as well."""
        self._config = config
        self._stopwatch = stopwatch
        self._zookeeper = zookeeper
        self._on_change = on_change
        self._on_throttles = on_throttles
        self._topics: dict[str, TopicConfig] = {}
        self._log_configs: dict[str, LogConfig] = {}
        self._reading = asyncio.Lock()
        """One read after the other: what is taken last is what was read last."""
        self._wanted: list[dict[str, None]] = []
        """Of each read that is under way or waits: the topics it is still for."""

    def get(self, topic: str) -> TopicConfig:
        """The settings of a topic; the broker's own if nothing is known of it."""
        found = self._topics.get(topic)
        return found if found is not None else TopicConfig(self._config, {})

    def min_insync_replicas(self, topic: str) -> int:
        found = self._topics.get(topic)
        return (self.get(topic) if found is None else found).min_insync_replicas

    def log_config(self, topic: str) -> LogConfig:
        """What a log of this topic needs to know; the same object until something changes."""
        found = self._log_configs.get(topic)
        if found is None:
            found = self._log_configs[topic] = self.get(topic).log_config()
        return found

    async def load(self) -> None:
        """Read every topic's settings. At the start of a broker."""
        await self.ensure(await list_topics(self._zookeeper))

    async def ensure(self, topics: Iterable[str]) -> None:
        """Read the settings of those topics that are not known yet."""
        with self._wanting(t for t in topics if t not in self._topics and is_topic(t)) as wanted:
            if not wanted:
                return
            async with self._reading:
                # Who was before us in the queue may have read some of them.
                unknown = [topic for topic in wanted if topic not in self._topics]
                entities = {topic: paths.topic_entity(topic) for topic in unknown}
                if not entities:
                    return
                found = await read_configs(
                    self._zookeeper, list(entities.values()), unreadable=KEEP_EVERYTHING
                )
                pace = Pace(self._stopwatch)
                for topic, entity in entities.items():
                    await pace.step()
                    if topic in wanted:
                        self._take(topic, found.get(entity, {}))

    @contextmanager
    def _wanting(self, topics: Iterable[str]) -> Iterator[dict[str, None]]:
        """The topics, without those that are forgotten meanwhile: what was read of them then is of
        a deleted topic, and must not be what the next one of its name opens with."""
        wanted = dict.fromkeys(topics)
        self._wanted.append(wanted)
        try:
            yield wanted
        finally:
            self._wanted = [each for each in self._wanted if each is not wanted]

    def log_configs(self) -> dict[str, LogConfig]:
        """By topic, for those that are known."""
        return {topic: self.log_config(topic) for topic in self._topics}

    def forget(self, topic: str) -> None:
        """A deleted topic's settings must not outlive it: its name may come back."""
        self._topics.pop(topic, None)
        self._log_configs.pop(topic, None)
        self._on_throttles(topic, None)
        for wanted in self._wanted:
            wanted.pop(topic, None)

    async def on_notification(self, topic: str) -> None:
        """The settings of ``topic`` have changed."""
        with self._wanting([topic]) as wanted:
            async with self._reading:
                if topic not in wanted or topic not in self._topics:
                    return  # whoever needs them reads them
                found = await read_config(self._zookeeper, paths.topic_entity(topic))
                if topic in wanted:
                    self._take(topic, found)
                    log.info("settings of topic %s changed: %s", topic, found)

    def broker_changed(self) -> None:
        """The broker's own settings have changed, which topics fall back to."""
        for topic, known in list(self._topics.items()):
            self._take(topic, known.overrides)

    def _take(self, topic: str, overrides: dict[str, str]) -> None:
        before = self._topics.get(topic)
        found = self._topics[topic] = TopicConfig(self._config, overrides)
        known = _warnings(before) if before is not None else []
        for warning in _warnings(found):
            if warning not in known:
                log.warning("topic %s: %s", topic, warning)
        self._log_configs.pop(topic, None)
        self._on_change(topic, self.log_config(topic))
        self._on_throttles(topic, found)


def _warnings(config: TopicConfig) -> list[str]:
    warnings = [f"{name} is set, but has no effect here" for name in config.without_effect()]
    return warnings + [f"{visible(name)} cannot be used as it is set" for name in config.unusable]
