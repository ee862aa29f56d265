"""``log.flush.before.ack``: the log of one partition is flushed as long as something is not."""

from __future__ import annotations

from collections.abc import Callable

from barnabas.errors import KafkaError
from barnabas.replication.tasks import TaskOwner
from barnabas.storage.log import Log


class FlushLoop:
    """At most one flush of a partition at a time; group commit lives in the storage seam.

    ``log()`` is the log to flush, None if there is none any more. ``flushed(log)`` is called when
    its flushed offset may have moved, ``failed(error)`` when it could not be flushed."""

    def __init__(
        self,
        tasks: TaskOwner,
        name: str,
        log: Callable[[], Log | None],
        *,
        flushed: Callable[[Log], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._tasks = tasks
        self._name = name
        self._log = log
        self._flushed = flushed
        self._failed = failed
        self._running = False

    def start(self) -> None:
        """Begin to flush, unless that runs already or there is nothing to flush."""
        log = self._log()
        if self._running or log is None or log.flushed_offset >= log.log_end_offset:
            return
        self._running = True
        self._tasks.spawn(self._run(), f"flush {self._name}")

    async def _run(self) -> None:
        try:
            while await self._flush_once():
                pass
        finally:
            self._running = False

    async def _flush_once(self) -> bool:
        """Whether more is to be flushed: what came meanwhile, or a log that has moved meanwhile."""
        log = self._log()
        if log is None:
            return False
        before = log.flushed_offset
        try:
            if before < log.log_end_offset:
                await log.flush()
        except (OSError, KafkaError) as error:
            if self._log() is log:
                self._failed(error)
                return False
        if self._log() is not log:
            return True
        self._flushed(log)
        return before < log.flushed_offset < log.log_end_offset
