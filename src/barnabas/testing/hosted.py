"""A test cluster under ``barnabas up``, for tests in another process or language.

The supervisor starts one more process, ``control``. It does for the nodes what the test process
does for those of ``Cluster``: it sends them the faults, and serves the control endpoint. When it
ends the nodes end too.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from barnabas.broker.main import run_node, tune_process
from barnabas.cluster.plan import ClusterPlan
from barnabas.cluster.processes import log_to
from barnabas.http.guard import Guard, new_token
from barnabas.logs import configure_logging
from barnabas.testing.channel import channel_path
from barnabas.testing.core import Core
from barnabas.testing.events import EventLog
from barnabas.testing.faults import Faults
from barnabas.testing.node_process import run_node_process
from barnabas.testing.processes import Processes, remove_socket

CONTROL: Final = "control"
"""The name of the process."""
HOST: Final = "127.0.0.1"
START_TIMEOUT_S: Final = 60.0
WAIT_S: Final = 10.0
"""For waits without a timeout of their own."""


class HostedControl:
    """The control endpoint of a cluster that ``up`` starts. It is made before any process is
    forked, so that all processes know its address."""

    def __init__(self, port: int) -> None:
        """Raises OSError."""
        self._socket = socket.socket()
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((HOST, port))
        except OSError:
            self._socket.close()
            raise
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self.token = new_token(os.urandom)

    @property
    def address(self) -> dict[str, str]:
        """The address as ``up --ready-json`` prints it."""
        return {"url": self.url, "token": self.token}

    def run_process(self, plan: ClusterPlan, name: str) -> int:
        """For ``Supervisor``."""
        if name == CONTROL:
            return self._run_control(plan)
        self._socket.close()
        return run_node_process(plan, name)

    def started(self) -> None:
        """In the parent, after the fork: close the socket, so that the port is closed when the
        process ends."""
        self._socket.close()

    def is_served(self) -> bool:
        """Whether the endpoint answers. Before that its socket does not listen."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    def _run_control(self, plan: ClusterPlan) -> int:
        log_to(plan.log_path(CONTROL))
        tune_process(die_with_parent=True)
        configure_logging(os.environ.get("KAFKA_LOG4J_ROOT_LOGLEVEL", "INFO"))

        async def run(stop: asyncio.Event) -> None:
            await self._control(plan, stop)

        return run_node(run)

    async def _control(self, plan: ClusterPlan, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        log = EventLog()
        members = _Attached(plan, log)
        core = Core(plan, members, log, WAIT_S)

        def publish(apis: Sequence[int]) -> None:
            """Called from another thread than the loop's."""
            asyncio.run_coroutine_threadsafe(members.watch(apis), loop).result()

        def note(broker: str, fields: Mapping[str, object]) -> None:
            log.add(broker, "fault_done", fields)

        faults = Faults(0, publish, note)
        members.judge = faults.judge
        starting = asyncio.ensure_future(core.start(START_TIMEOUT_S))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not starting.done():
            starting.cancel()
            return
        await starting
        from barnabas.testing.control import Control  # imported late, while the nodes start

        control = Control(core, faults)
        async with await control.serve(Guard(token=self.token), sock=self._socket):
            await stop.wait()
        members.forget()


class _Attached(Processes):
    """Processes whose supervisor is already running."""

    async def _launch(self) -> None:
        pass

    def forget(self) -> None:
        """Clean up after the nodes have ended."""
        remove_socket(channel_path(self._plan.port))
