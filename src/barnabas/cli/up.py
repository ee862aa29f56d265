"""``barnabas up``: a whole cluster on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import click

from barnabas.cluster.plan import ClusterPlan
from barnabas.cluster.processes import check_plan, run_process
from barnabas.cluster.profiles import DEV, PROFILES
from barnabas.cluster.readiness import wait_until_ready
from barnabas.cluster.supervisor import Supervisor
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.settings import no_effect
from barnabas.config.sources import parse_overrides
from barnabas.errors import ConfigError
from barnabas.security.client import PLAINTEXT

if TYPE_CHECKING:
    from barnabas.cluster.secure import SecurePlan

READY_TIMEOUT_S = 60.0


@click.command()
@click.option("--brokers", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option(
    "--data",
    type=click.Path(file_okay=False),
    help="Directory to keep; a temporary one, removed at the end, if not given.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=9092, show_default=True, type=click.IntRange(1, 65_500), help="First broker."
)
@click.option(
    "--zookeeper-port",
    default=2181,
    show_default=True,
    type=click.IntRange(1, 65_535),
    help="Of the embedded coordinator.",
)
@click.option(
    "--zookeeper-host",
    default="127.0.0.1",
    show_default=True,
    help="The same; beyond this machine only with --secure.",
)
@click.option(
    "--zookeeper", metavar="HOST:PORT,...", help="Use this ZooKeeper; start no coordinator."
)
@click.option(
    "--secure",
    is_flag=True,
    help="TLS by a throw-away authority, and a user who logs in with SCRAM.",
)
@click.option(
    "--profile",
    default=DEV.name,
    show_default=True,
    type=click.Choice(list(PROFILES)),
    help="Settings for a purpose; 'server' are Kafka's defaults.",
)
@click.option(
    "--ready-json",
    is_flag=True,
    help="Say when it is ready in one line of JSON: for programs that start it.",
)
@click.option(
    "--override", "-X", multiple=True, metavar="KEY=VALUE", help="Setting of all brokers."
)
def command(
    brokers: int,
    data: str | None,
    host: str,
    port: int,
    zookeeper_port: int,
    zookeeper_host: str,
    zookeeper: str | None,
    secure: bool,
    profile: str,
    ready_json: bool,
    override: tuple[str, ...],
) -> None:
    """Start a coordinator and brokers; say when they serve; stop cleanly on Ctrl-C.

    Each broker is a process of its own. 'barnabas chaos' kills, pauses and restarts them.
    """
    started = time.monotonic()
    directory = data or tempfile.mkdtemp(prefix="barnabas-")
    security = _secure(_absolute(directory), host) if secure else None
    plan = ClusterPlan(
        directory=_absolute(directory),
        brokers=brokers,
        host=host,
        port=port,
        zookeeper_host=zookeeper_host,
        zookeeper_port=zookeeper_port,
        zookeeper=zookeeper,
        protocol="PLAINTEXT" if security is None else "SASL_SSL",
        security={} if security is None else security.broker_settings(),
        profile=PROFILES[profile],
        overrides=parse_overrides(override),
    )
    if security is not None and zookeeper is None:
        plan = security.with_coordinator(plan)
    supervisor = Supervisor(plan, run_process)
    code = 1
    try:
        for name in check_plan(plan):
            click.echo(f"barnabas: warning: {no_effect(name)}", err=True)
        supervisor.start()
        if _until_ready(supervisor, plan, security):
            if security is not None:
                asyncio.run(security.add_admin(plan.bootstrap))
                click.echo(security.guide(plan.bootstrap), err=ready_json)
            took_ms = round((time.monotonic() - started) * 1000)
            click.echo((_ready_json if ready_json else _ready_line)(plan, supervisor, took_ms))
            code = supervisor.run()
        else:
            failure = None if supervisor.interrupted else supervisor.failure()
            supervisor.stop()
            if failure is not None:
                raise ConfigError(failure)
    finally:
        if data is None:
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(code)


def _ready_line(plan: ClusterPlan, _: Supervisor, took_ms: int) -> str:
    return (
        f"ready: brokers {plan.bootstrap}, zookeeper {plan.zookeeper_connect},"
        f" data {plan.directory}, {_in_force(plan)}, {took_ms} ms"
    )


def _ready_json(plan: ClusterPlan, supervisor: Supervisor, took_ms: int) -> str:
    """The same for programs, with the ids of the processes."""
    ready = {
        "bootstrap": plan.bootstrap,
        "zookeeper": plan.zookeeper_connect,
        "data": plan.directory,
        "profile": plan.profile.name,
        "pids": {process.name: process.pid for process in supervisor.processes.values()},
        "supervisor": os.getpid(),
        "ms": took_ms,
    }
    return json.dumps(ready)


def _in_force(plan: ClusterPlan) -> str:
    """The profile, and how soon somebody who falls silent is missed."""
    config = BrokerConfig(plan.broker_settings(1))
    session_ms = config.integer("zookeeper.session.timeout.ms")
    lag_ms = config.integer("replica.lag.time.max.ms")
    return f"profile {plan.profile.name} (session {session_ms} ms, replica lag {lag_ms} ms)"


def _secure(directory: str, host: str) -> SecurePlan:
    from barnabas.cluster.secure import SecurePlan

    return SecurePlan.fresh(directory, host)


def _until_ready(supervisor: Supervisor, plan: ClusterPlan, security: SecurePlan | None) -> bool:
    """True once every broker serves a cluster with a controller; False after an interrupt, a
    process that ended, or a minute."""
    deadline = time.monotonic() + READY_TIMEOUT_S

    async def tick() -> bool:
        supervisor.poll(0.0)
        broken = len(supervisor.living()) < len(supervisor.processes)
        return supervisor.interrupted or broken or time.monotonic() > deadline

    reached = PLAINTEXT if security is None else security.bootstrap(plan.bootstrap).security
    return asyncio.run(wait_until_ready(plan, tick, reached))


def _absolute(path: str) -> str:
    from pathlib import Path

    return str(Path(path).resolve())
