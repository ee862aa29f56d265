"""Runs the nodes of a test cluster as processes. The supervisor of ``barnabas up`` forks, signals
and reaps them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from barnabas.cluster.control import ask, socket_path
from barnabas.cluster.plan import COORDINATOR, ClusterPlan
from barnabas.testing.channel import Channel, Message, channel_path
from barnabas.testing.events import EventLog
from barnabas.testing.faults import Question, Verdict
from barnabas.testing.links import Links
from barnabas.testing.members import FAILED, KILLED, PAUSED, RUNNING, STOPPED
from barnabas.testing.zygote import zygote

HELLO_TIMEOUT_S = 30.0
TELL_TIMEOUT_S = 10.0


class Processes:
    """``Members`` as processes. Create it on the loop of the cluster's thread."""

    def __init__(self, plan: ClusterPlan, log: EventLog) -> None:
        self.links = Links()
        self.judge: Callable[[Question], Verdict | None] = lambda _: None
        self._watched: list[int] = []
        self._plan = plan
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.AbstractServer | None = None
        self._supervisor: int | None = None
        self._channels: dict[str, Channel] = {}
        self._pids: dict[str, int] = {}
        self._states: dict[str, str] = {}
        self._full: dict[str, bool] = {}
        self._begun: dict[str, asyncio.Future[None]] = {}
        self._ended: dict[str, asyncio.Future[None]] = {}
        self._failure: str | None = None
        self._closing = False

    @property
    def names(self) -> Sequence[str]:
        return self._plan.process_names()

    def state(self, name: str) -> str:
        return self._states.get(name, STOPPED)

    async def start(self) -> None:
        os.makedirs(self._plan.directory, exist_ok=True)
        path = channel_path(self._plan.port)
        remove_socket(path)
        self._server = await self._loop.create_unix_server(
            lambda: Channel(self._heard, self._lost), path
        )
        for name in self.names:
            self._expect(name)
        await self._launch()
        await self._all_begun(self.names)

    async def _launch(self) -> None:
        """Let the nodes be started."""
        self._supervisor = await self._blocking(lambda: zygote().start(self._plan))

    async def begin(self, name: str) -> None:
        self._expect(name)
        await self._verb("restart", name)
        await self._all_begun([name])

    def _expect(self, name: str) -> None:
        self._begun[name] = self._loop.create_future()
        self._ended[name] = self._loop.create_future()

    async def _all_begun(self, names: Sequence[str]) -> None:
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            await asyncio.gather(*(self._begun[name] for name in names))

    # Messages from nodes

    def _heard(self, channel: Channel, message: Message) -> None:
        if "hello" in message:
            name = channel.name = message["hello"]
            if self._begun[name].done():
                self._expect(name)  # somebody else has had it restarted
            self._channels[name] = channel
            self._pids[name] = message["pid"]
            self._states[name] = RUNNING
            channel.ask({"do": "links", "rows": self.links.as_rows()})
            channel.ask({"do": "disk", "is_full": self._full.get(name, False)})
            channel.ask({"do": "watch", "apis": self._watched})
            channel.ask({"do": "begin"})
            self._begun[name].set_result(None)
        elif "event" in message:
            at = message["at"]
            self._log.add(channel.name, message["event"], message["fields"], at=at)
        elif "question" in message:
            channel.answer(message, self.judge(Question(**message["question"])))
        elif "failed" in message:
            self._failure = self._failure or f"{channel.name}: {message['failed']}"
            self._log.add(channel.name, "failed", {"error": message["failed"]})

    def _lost(self, channel: Channel) -> None:
        """A node's socket has closed: the process has ended."""
        name = channel.name
        if self._channels.get(name) is not channel:
            return
        del self._channels[name]
        if self._states[name] in (RUNNING, PAUSED):
            self._states[name] = FAILED
            self._failure = self._failure or f"{name} has ended; see {self._plan.log_path(name)}"
            if not self._closing:
                self._log.add(name, "ended", {})
        self._ended[name].set_result(None)

    # Actions on nodes

    async def _verb(self, verb: str, name: str) -> None:
        """Have the supervisor do something to a node."""
        command = {"verb": verb, "process": name}
        answer = await self._blocking(lambda: ask(self._plan.port, command))
        if "error" in answer:
            raise RuntimeError(f"{verb} {name}: {answer['error']}")

    async def _blocking(self, call: Any) -> Any:
        return await self._loop.run_in_executor(None, call)

    async def kill(self, name: str) -> None:
        self._states[name] = KILLED
        await self._verb("kill", name)
        await self._ended[name]

    async def stop(self, name: str) -> None:
        self._states[name] = STOPPED
        await self._verb("stop", name)
        await self._ended[name]

    async def pause(self, name: str) -> None:
        await self._verb("pause", name)
        self._states[name] = PAUSED

    async def resume(self, name: str) -> None:
        await self._verb("resume", name)
        self._states[name] = RUNNING

    async def relink(self) -> None:
        rows = self.links.as_rows()
        for name in list(self._channels):
            await self._tell(name, {"do": "links", "rows": rows})

    async def set_disk_full(self, name: str, is_full: bool) -> None:
        self._full[name] = is_full
        await self._tell(name, {"do": "disk", "is_full": is_full})

    async def withhold(self, name: str, topic: str, partition: int, withhold: bool) -> None:
        await self._tell(
            name, {"do": "withhold", "topic": topic, "partition": partition, "withhold": withhold}
        )

    async def drop_from_isr(
        self, name: str, topic: str, partition: int, replicas: Sequence[int]
    ) -> None:
        fields = {"topic": topic, "partition": partition, "replicas": list(replicas)}
        await self._tell(name, {"do": "drop_from_isr", **fields})

    async def watch(self, apis: Sequence[int]) -> None:
        self._watched = list(apis)
        await asyncio.gather(
            *(self._tell(n, {"do": "watch", "apis": self._watched}) for n in list(self._channels))
        )

    async def expire(self, broker: int) -> bool:
        return bool(await self._tell(COORDINATOR, {"do": "expire", "broker": broker}))

    async def _tell(self, name: str, message: Message) -> Any:
        """A node's answer; None if it has ended. A paused node gets the message when it resumes;
        the answer is None too. Somebody else may have paused it, with a signal."""
        channel = self._channels.get(name)
        if channel is None:
            return None
        answer = channel.ask(message)
        answer.add_done_callback(lambda late: late.cancelled() or late.exception())
        if self._states[name] == PAUSED:
            return None
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(TELL_TIMEOUT_S):
                return await asyncio.shield(answer)
        return None

    def why(self) -> str | None:
        return self._failure

    async def close(self) -> None:
        self._closing = True
        waited = [self._ended[name] for name in self._channels]
        for name in list(self._channels):
            self._signal(self._pids[name])
        if waited:
            await asyncio.wait(waited, timeout=HELLO_TIMEOUT_S)
        if self._supervisor is not None:
            self._signal(self._supervisor)
        if self._server is not None:
            self._server.close()
        for path in (channel_path(self._plan.port), socket_path(self._plan.port)):
            remove_socket(path)

    def _signal(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def remove_socket(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
