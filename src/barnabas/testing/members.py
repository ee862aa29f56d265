"""The nodes of a test cluster as the test sees them, wherever they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from barnabas.testing.faults import Question, Verdict
from barnabas.testing.links import Links

RUNNING: Final = "running"
PAUSED: Final = "paused"
KILLED: Final = "killed"
STOPPED: Final = "stopped"
FAILED: Final = "failed"
"""It has ended by itself."""


class Members(Protocol):
    """All nodes of one cluster, by name: ``broker:N`` and ``coordinator``. Used on the loop of the
    cluster's thread."""

    links: Links
    judge: Callable[[Question], Verdict | None]
    """Says what is to be done with a request."""

    @property
    def names(self) -> Sequence[str]: ...

    def state(self, name: str) -> str:
        """One of the words above."""
        ...

    async def start(self) -> None:
        """Start every node."""
        ...

    async def begin(self, name: str) -> None:
        """Start a node that does not run."""
        ...

    async def kill(self, name: str) -> None: ...
    async def stop(self, name: str) -> None:
        """Returns when it has ended."""
        ...

    async def pause(self, name: str) -> None: ...
    async def resume(self, name: str) -> None: ...
    async def relink(self) -> None:
        """``links`` have changed."""
        ...

    async def set_disk_full(self, name: str, is_full: bool) -> None: ...
    async def withhold(self, name: str, topic: str, partition: int, withhold: bool) -> None:
        """Let a broker not copy a partition, or copy it again."""
        ...

    async def drop_from_isr(
        self, name: str, topic: str, partition: int, replicas: Sequence[int]
    ) -> None:
        """Let a leader propose an ISR without these."""
        ...

    async def watch(self, apis: Sequence[int]) -> None:
        """Let brokers ask about requests of these APIs; returns when they do."""
        ...

    async def expire(self, broker: int) -> bool:
        """End the session of a broker; whether it had one."""
        ...

    def why(self) -> str | None:
        """Why a node has failed, if one has."""
        ...

    async def close(self) -> None:
        """End everything at once."""
        ...
