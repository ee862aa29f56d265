"""The supervisor of a cluster of ``barnabas up``, asked over its Unix socket without blocking."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from barnabas.cluster.control import LINE_BYTES_MAX
from barnabas.console.hub import Hub

ANSWER_S: Final = 40.0
"""A clean stop of a broker may take 30 s."""
ROUND_S: Final = 0.5
VERBS: Final = ("kill", "pause", "resume", "restart", "stop")


class ControlError(Exception):
    """The supervisor refused, or does not answer; one line."""


class Control:
    """Asks the supervisor that listens on ``path``."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def ask(self, command: Mapping[str, str]) -> dict[str, Any]:
        """One command, one answer. Raises ControlError."""
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_unix_connection(
                    self._path, limit=LINE_BYTES_MAX
                )
                try:
                    writer.write(json.dumps(command).encode() + b"\n")
                    answer = json.loads(await reader.readline())
                finally:
                    writer.close()
        except (OSError, ValueError) as error:
            raise ControlError(f"the supervisor does not answer: {error}") from None
        if not isinstance(answer, dict):
            raise ControlError("the supervisor's answer cannot be read")
        if "error" in answer:
            raise ControlError(str(answer["error"]))
        return answer

    async def states(self) -> dict[str, str]:
        """The state of each process: running, paused, killed, stopped or failed."""
        status = await self.ask({"verb": "status"})
        return {name: str(process["state"]) for name, process in status["processes"].items()}

    async def follow(self, hub: Hub) -> None:
        """Tell the hub the states of the processes again and again, until cancelled."""
        while True:
            try:
                hub.set_processes(await self.states())
            except ControlError:
                hub.set_processes({})
            await asyncio.sleep(ROUND_S)
