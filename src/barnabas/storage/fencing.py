"""What an error of the disk does to a log: nothing more is written or read there (KAFKA-10778)."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from barnabas.errors import KafkaError
from barnabas.storage.index import CorruptIndex


class Fencing:
    """``with fencing:`` around every use of the disk: an OSError or CorruptIndex fences the log and
    leaves the block as KAFKA_STORAGE_ERROR; any other exception passes. One object serves all
    blocks of a log, since it keeps nothing between them; a block may await."""

    __slots__ = ("_fence",)

    def __init__(self, fence: Callable[[Exception], KafkaError]) -> None:
        self._fence = fence

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError | CorruptIndex):
            raise self._fence(error) from error
