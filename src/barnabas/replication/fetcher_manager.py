"""ReplicaFetcherManager: which fetcher copies which partition, one fetcher per leader broker."""

from __future__ import annotations

import asyncio
import uuid

from barnabas.replication.fetcher import ConnectLeader, ReplicaFetcher
from barnabas.replication.partition import Partition
from barnabas.replication.settings import ReplicationContext
from barnabas.types import TopicPartition


class FetcherManager:
    """All fetchers of one broker, one per leader (``num.replica.fetchers`` = 1)."""

    def __init__(self, context: ReplicationContext, connect: ConnectLeader) -> None:
        self._context = context
        self._connect = connect
        self._fetchers: dict[int, tuple[ReplicaFetcher, asyncio.Task[None]]] = {}
        self._withheld: dict[TopicPartition, tuple[Partition, uuid.UUID] | None] = {}
        """Not copied, whatever the controller says; with what is to be copied later."""

    def __len__(self) -> int:
        return len(self._fetchers)

    def fetcher(self, leader_id: int) -> ReplicaFetcher | None:
        """The fetcher for a leader broker."""
        entry = self._fetchers.get(leader_id)
        return None if entry is None else entry[0]

    def lags(self) -> dict[TopicPartition, int]:
        """How many records the replicas lack that this broker copies, of what their leaders had
        committed when they last answered."""
        found: dict[TopicPartition, int] = {}
        for fetcher, _ in self._fetchers.values():
            found.update(fetcher.lags())
        return found

    def add(self, partition: Partition, topic_id: uuid.UUID) -> None:
        """Copy a partition from its leader, in its present epoch."""
        self.remove(partition.topic_partition)
        if partition.topic_partition in self._withheld:
            self._withheld[partition.topic_partition] = (partition, topic_id)
            return
        leader_id = partition.leader_id
        entry = self._fetchers.get(leader_id)
        if entry is None:
            fetcher = ReplicaFetcher(self._context, leader_id, self._connect)
            task = self._context.tasks.spawn(fetcher.run(), f"fetcher {leader_id}")
            entry = self._fetchers[leader_id] = (fetcher, task)
        entry[0].add(partition, topic_id)

    def remove(self, name: TopicPartition) -> None:
        """Stop copying a partition."""
        if name in self._withheld:
            self._withheld[name] = None
        fetcher = self._copying(name)
        if fetcher is not None:
            fetcher.remove(name)

    def _copying(self, name: TopicPartition) -> ReplicaFetcher | None:
        """Who copies a partition: one at most. There are as many fetchers as leader brokers."""
        for fetcher, _ in self._fetchers.values():
            if name in fetcher:
                return fetcher
        return None

    def withhold(self, name: TopicPartition) -> None:
        """Do not copy a partition until ``release``: for tests of a follower that falls behind."""
        if name in self._withheld:
            return
        fetcher = self._copying(name)
        state = None if fetcher is None else fetcher.following(name)
        self.remove(name)
        self._withheld[name] = None if state is None else (state.partition, state.topic_id)

    def release(self, name: TopicPartition) -> None:
        """Copy it again, if this broker still follows."""
        following = self._withheld.pop(name, None)
        if following is not None:
            self.add(*following)

    def stop_idle(self) -> None:
        """End fetchers that have nothing left to copy."""
        for leader_id, (fetcher, task) in list(self._fetchers.items()):
            if not len(fetcher):
                del self._fetchers[leader_id]
                task.cancel()
