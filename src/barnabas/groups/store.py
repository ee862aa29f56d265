"""Appending to ``__consumer_offsets`` and hearing what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from barnabas.errors import ErrorCode
from barnabas.groups.ownership import OffsetsPartition
from barnabas.groups.placement import OFFSETS_TOPIC
from barnabas.replication.produce import ACKS_ALL
from barnabas.replication.replica_manager import ReplicaManager
from barnabas.replication.results import ProduceResult

Done = Callable[[ErrorCode, int], None]
"""Called with the error and, without one, the offset of the first record."""


class OffsetsLog:
    """Writes batches; a write counts once the whole in-sync set has it."""

    def __init__(self, replicas: ReplicaManager, timeout_ms: int) -> None:
        self._replicas = replicas
        self._timeout_ms = timeout_ms

    def append(self, owned: OffsetsPartition, batch: bytearray, done: Done) -> None:
        """Append now; ``done`` may be called before this returns."""
        if not owned.is_current:
            done(ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
            return
        if len(batch) > owned.partition.log_or_raise().config.max_message_bytes:
            done(ErrorCode.MESSAGE_TOO_LARGE, -1)
            return
        results = self._replicas.append(
            ACKS_ALL,
            self._timeout_ms,
            [(OFFSETS_TOPIC, owned.number, memoryview(batch))],
            origin="coordinator",
        )
        if isinstance(results, list):
            done(results[0].error, results[0].base_offset)
            return

        def settled(future: asyncio.Future[list[ProduceResult]]) -> None:
            if not future.cancelled():
                result = future.result()[0]
                done(result.error, result.base_offset)

        results.add_done_callback(settled)
