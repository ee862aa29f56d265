"""Appends to the internal topic of a coordinator, and the outcome of each append."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from barnabas.coordinator.ownership import OwnedPartition
from barnabas.errors import ErrorCode
from barnabas.replication.append_request import ACKS_ALL, AppendRequest, InTransaction
from barnabas.replication.replica_manager import ReplicaManager
from barnabas.replication.results import ProduceResult
from barnabas.storage.producers.state import Origin

Done = Callable[[ErrorCode, int], None]
"""Called with the error and, without one, the offset of the first record."""


class CoordinatorLog:
    """Writes batches. A write counts once all in-sync replicas have it."""

    def __init__(self, replicas: ReplicaManager) -> None:
        self._replicas = replicas

    def append(
        self,
        owned: OwnedPartition[Any],
        batch: bytearray,
        done: Done,
        timeout_ms: int,
        *,
        transaction: InTransaction | None = None,
    ) -> None:
        """Append now. ``done`` may be called before this returns."""
        if not owned.is_current:
            done(ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)
            return
        if len(batch) > owned.partition.log_or_raise().config.max_message_bytes:
            done(ErrorCode.MESSAGE_TOO_LARGE, -1)
            return
        request = AppendRequest(
            ACKS_ALL,
            timeout_ms,
            [(*owned.partition.topic_partition, memoryview(batch))],
            origin=Origin.COORDINATOR,
            transaction=transaction,
        )
        results = self._replicas.append(request)
        if isinstance(results, list):
            done(results[0].error, results[0].base_offset)
            return

        def when_replicated(future: asyncio.Future[list[ProduceResult]]) -> None:
            if not future.cancelled():
                result = future.result()[0]
                done(result.error, result.base_offset)

        results.add_done_callback(when_replicated)
