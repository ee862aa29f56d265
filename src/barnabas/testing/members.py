"""The interface to the nodes of a test cluster, for nodes in this process and in others."""

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
"""The node has ended by itself."""


class Members(Protocol):
    """All nodes of one cluster, by name: ``broker:N`` and ``coordinator``. Used on the loop of the
    cluster's thread."""

    links: Links
    judge: Callable[[Question], Verdict | None]
    """Decides what happens to a request."""

    @property
    def names(self) -> Sequence[str]: ...

    def state(self, name: str) -> str:
        """The state of a node: one of the words above."""
        ...

    async def start(self) -> None:
        """Start every node."""
        ...

    async def begin(self, name: str) -> None:
        """Start a node that is not running."""
        ...

    async def kill(self, name: str) -> None: ...
    async def stop(self, name: str) -> None:
        """Stop a node cleanly; returns when it has ended."""
        ...

    async def pause(self, name: str) -> None: ...
    async def resume(self, name: str) -> None: ...
    async def relink(self) -> None:
        """Apply ``links``, which have changed."""
        ...

    async def set_disk_full(self, name: str, is_full: bool) -> None: ...
    async def withhold(self, name: str, topic: str, partition: int, withhold: bool) -> None:
        """Stop a broker from copying a partition, or let it copy again."""
        ...

    async def drop_from_isr(
        self, name: str, topic: str, partition: int, replicas: Sequence[int]
    ) -> None:
        """Let a leader propose an ISR without these replicas."""
        ...

    async def watch(self, apis: Sequence[int]) -> None:
        """Let all brokers ask about requests of these APIs; returns when they do."""
        ...

    async def expire(self, broker: int) -> bool:
        """Expire the session of a broker; False if it has none."""
        ...

    def why(self) -> str | None:
        """Why a node has failed; None if none has."""
        ...

    async def close(self) -> None:
        """End all nodes at once."""
        ...
