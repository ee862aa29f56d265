"""The console of a cluster that ``barnabas up`` starts: a process of its own, which may write."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from barnabas.broker.main import run_node, system_env, tune_process
from barnabas.broker.zookeeper_security import security_of
from barnabas.client.cluster import Bootstrap
from barnabas.cluster.control import socket_path
from barnabas.cluster.plan import ClusterPlan
from barnabas.cluster.processes import log_to
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError
from barnabas.http.guard import Guard, new_token
from barnabas.logs import configure_logging

if TYPE_CHECKING:
    from barnabas.cluster.secure import SecurePlan

CONSOLE: Final = "console"
"""The process."""
DEFAULT_PORT: Final = 9021
HOST: Final = "127.0.0.1"
BACKLOG: Final = 64
NICENESS: Final = 5
"""Brokers come first."""


class HostedConsole:
    """Its port is taken at once, so that its link can be told; it is served by a process that
    starts when the cluster is ready."""

    def __init__(self, port: int | None) -> None:
        """None: the usual port, or any that is free. Raises ConfigError."""
        self._socket = _listening(port)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self.token = new_token(os.urandom)

    @property
    def link(self) -> str:
        """For a browser."""
        return Guard(token=self.token).link(self.url)

    def runner(
        self, run_process: Callable[[ClusterPlan, str], int], security: SecurePlan | None
    ) -> Callable[[ClusterPlan, str], int]:
        """What a supervisor runs in a child: the console, or what ``run_process`` runs."""

        def run(plan: ClusterPlan, name: str) -> int:
            if name == CONSOLE:
                return self._run_console(plan, security)
            self._socket.close()
            return run_process(plan, name)

        return run

    def _run_console(self, plan: ClusterPlan, security: SecurePlan | None) -> int:
        log_to(plan.log_path(CONSOLE))
        os.nice(NICENESS)
        tune_process(die_with_parent=True)
        configure_logging(os.environ.get("KAFKA_LOG4J_ROOT_LOGLEVEL", "INFO"))
        from barnabas.console.serve import ConsoleSettings, serve  # nobody waits for it any more

        env = system_env()
        config = BrokerConfig(plan.broker_settings(plan.broker_ids[0]))
        settings = ConsoleSettings(
            bootstrap=Bootstrap(servers=plan.bootstrap)
            if security is None
            else security.bootstrap(plan.bootstrap),
            zookeeper=plan.zookeeper_connect,
            zookeeper_security=security_of(env, config.value),
            token=self.token,
            write=True,
            min_isr=config.integer("min.insync.replicas"),
            http_urls={i: url for i in plan.broker_ids if (url := plan.http_url(i))},
            http_token=plan.http_token,
            control_path=socket_path(plan.port),
        )

        async def run(stop: asyncio.Event) -> None:
            await serve(env, settings, stop, sock=self._socket)

        return run_node(run)


def _listening(port: int | None) -> socket.socket:
    ports = (DEFAULT_PORT, 0) if port is None else (port,)
    failure: OSError | None = None
    for wanted in ports:
        listening = socket.socket()
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((HOST, wanted))
            listening.listen(BACKLOG)
        except OSError as error:
            listening.close()
            failure = error
        else:
            return listening
    assert failure is not None
    raise ConfigError(f"--console-port {ports[0]}: {failure.strerror}")
