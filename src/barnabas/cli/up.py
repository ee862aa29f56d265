"""``barnabas up``: a whole cluster on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from barnabas.cluster.plan import COORDINATOR, HTTP_HOST, ClusterPlan
from barnabas.cluster.ports import Ports
from barnabas.cluster.processes import check_plan, run_process, temporary_directory
from barnabas.cluster.profiles import DEV, PROFILES, TEST
from barnabas.cluster.readiness import wait_until_ready
from barnabas.cluster.supervisor import Supervisor
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.settings import no_effect
from barnabas.config.sources import parse_overrides
from barnabas.errors import ConfigError
from barnabas.http.guard import is_loopback, new_token
from barnabas.security.client import PLAINTEXT

if TYPE_CHECKING:
    from barnabas.cluster.secure import SecurePlan
    from barnabas.console.hosted import HostedConsole
    from barnabas.testing.hosted import HostedControl

READY_TIMEOUT_S = 60.0
CONTROL_PAUSE_S = 0.01


@click.command()
@click.option("--brokers", default=3, show_default=True, type=click.IntRange(1, 100))
@click.option(
    "--data",
    type=click.Path(file_okay=False),
    help="Directory for the data. Default: a temporary one that is removed at the end.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=9092,
    show_default=True,
    type=click.IntRange(0, 65_500),
    help="Port of the first broker; 0 takes free ports for all.",
)
@click.option(
    "--zookeeper-port",
    default=2181,
    show_default=True,
    type=click.IntRange(1, 65_535),
    help="Port of the embedded coordinator.",
)
@click.option(
    "--zookeeper-host",
    default="127.0.0.1",
    show_default=True,
    help="Its address; beyond this machine only with --secure.",
)
@click.option(
    "--zookeeper", metavar="HOST:PORT,...", help="Use this ZooKeeper; start no coordinator."
)
@click.option(
    "--secure",
    is_flag=True,
    help="Use TLS with a temporary authority, and a user who logs in with SCRAM.",
)
@click.option(
    "--profile",
    default=DEV.name,
    show_default=True,
    type=click.Choice(list(PROFILES)),
    help="A set of settings; 'server' has Kafka's defaults.",
)
@click.option(
    "--ready-json",
    is_flag=True,
    help="Print one line of JSON when it is ready, for programs that start it.",
)
@click.option(
    "--stop-with-stdin",
    is_flag=True,
    help="Stop when standard input, a pipe, ends: it does with the program that has started this.",
)
@click.option(
    "--control/--no-control",
    default=None,
    help="HTTP endpoint for programs that cause failures. Default: with --profile test.",
)
@click.option(
    "--control-port",
    default=0,
    type=click.IntRange(0, 65_535),
    help="Port of that endpoint. Default: a free one.",
)
@click.option(
    "--http/--no-http",
    default=True,
    show_default=True,
    help="Metrics, health and events of each broker over HTTP, for this machine only.",
)
@click.option(
    "--console/--no-console",
    default=None,
    help="A web page that shows the cluster; not there with --profile test.",
)
@click.option(
    "--console-port",
    type=click.IntRange(0, 65_535),
    help="Port of that page. Default: 9021, or a free one.",
)
@click.option(
    "--override", "-X", multiple=True, metavar="KEY=VALUE", help="Setting for all brokers."
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
    stop_with_stdin: bool,
    control: bool | None,
    control_port: int,
    http: bool,
    console: bool | None,
    console_port: int | None,
    override: tuple[str, ...],
) -> None:
    """Start a coordinator and brokers in the foreground. Ctrl-C stops them cleanly.

    Each of them is a process. 'barnabas chaos' kills, pauses and restarts them.
    """
    started = time.monotonic()
    hosted = _control(control, control_port, profile, host, secure=secure)
    page = _console(console, console_port, profile)
    held = _free_ports(host, brokers + 1) if port == 0 else None
    ports = () if held is None else held.numbers
    directory = data or temporary_directory(PROFILES[profile])
    security = _secure(_absolute(directory), host) if secure else None
    watched = _free_ports(HTTP_HOST, brokers + 1 if http else 0)
    plan = ClusterPlan(
        directory=_absolute(directory),
        brokers=brokers,
        host=host,
        port=ports[0] if ports else port,
        ports=ports[:-1],
        zookeeper_host=zookeeper_host,
        zookeeper_port=ports[-1] if ports else zookeeper_port,
        zookeeper=zookeeper,
        protocol="PLAINTEXT" if security is None else "SASL_SSL",
        security={} if security is None else security.broker_settings(),
        http_ports=watched.numbers[:brokers],
        coordinator_http_port=None if zookeeper or not http else watched.numbers[-1],
        http_token=None if security is None else new_token(os.urandom),
        profile=PROFILES[profile],
        overrides=parse_overrides(override),
    )
    if security is not None and zookeeper is None:
        plan = security.with_coordinator(plan)
    supervisor = _supervisor(plan, hosted, page, security)
    code = 1
    try:
        for name in check_plan(plan):
            click.echo(f"barnabas: warning: {no_effect(name)}", err=True)
        if stop_with_stdin:
            supervisor.stop_with(sys.stdin.fileno())
        supervisor.start()
        if hosted is not None:
            hosted.started()
        if _until_ready(supervisor, plan, security, hosted):
            if security is not None:
                asyncio.run(security.add_admin(plan.bootstrap))
                click.echo(security.guide(plan.bootstrap), err=ready_json)
            took_ms = round((time.monotonic() - started) * 1000)
            tell = _ready_json if ready_json else _ready_line
            click.echo(tell(plan, supervisor, took_ms, hosted, page))
            code = supervisor.run()
        else:
            failure = None if supervisor.interrupted else supervisor.failure()
            supervisor.stop()
            if failure is not None:
                raise ConfigError(failure)
    finally:
        if held is not None:
            held.close()
        watched.close()
        if data is None:
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(code)


def _control(
    wanted: bool | None, port: int, profile: str, host: str, *, secure: bool
) -> HostedControl | None:
    """Raises ConfigError, UsageError."""
    impossible = "--secure" if secure else "" if is_loopback(host) else f"--host {host}"
    if wanted is None:
        wanted = profile == TEST.name and not impossible
    if not wanted:
        return None
    if impossible:
        raise click.UsageError(f"--control is not possible with {impossible}")
    from barnabas.testing.hosted import HostedControl  # a cluster without it imports none of it

    try:
        return HostedControl(port)
    except OSError as error:
        raise ConfigError(f"--control-port {port}: {error.strerror}") from None


def _free_ports(host: str, count: int) -> Ports:
    """Ports that nobody else is given while this process runs. Raises ConfigError."""
    try:
        return Ports(host, [0] * count)
    except OSError as error:
        raise ConfigError(f"--host {host}: {error.strerror}") from None


def _console(wanted: bool | None, port: int | None, profile: str) -> HostedConsole | None:
    """Raises ConfigError."""
    if not (profile != TEST.name if wanted is None else wanted):
        return None
    from barnabas.console.hosted import HostedConsole

    return HostedConsole(port)


def _supervisor(
    plan: ClusterPlan,
    hosted: HostedControl | None,
    page: HostedConsole | None,
    security: SecurePlan | None,
) -> Supervisor:
    run: Callable[[ClusterPlan, str], int] = run_process
    helpers: list[str] = []
    late: list[str] = []
    about: dict[str, object] = {}
    if hosted is not None:
        from barnabas.testing.hosted import CONTROL

        run, about = hosted.run_process, {"http": hosted.address}
        helpers.append(CONTROL)
    if page is not None:
        from barnabas.console.hosted import CONSOLE

        run = page.runner(run, security)
        about["console"] = page.link
        late.append(CONSOLE)
    return Supervisor(plan, run, helpers=helpers, late=late, about=about)


def _ready_line(
    plan: ClusterPlan,
    _: Supervisor,
    took_ms: int,
    hosted: HostedControl | None,
    page: HostedConsole | None,
) -> str:
    control = "" if hosted is None else f" control {hosted.url},"
    watched = "" if not plan.http_ports else f" metrics {_metrics(plan)},"
    console = "" if page is None else f" console {page.link},"
    beside = f"{control}{watched}{console}"
    return (
        f"ready: brokers {plan.bootstrap}, zookeeper {plan.zookeeper_connect},{beside}"
        f" data {plan.directory}, {_in_force(plan)}, {took_ms} ms"
    )


def _ready_json(
    plan: ClusterPlan,
    supervisor: Supervisor,
    took_ms: int,
    hosted: HostedControl | None,
    page: HostedConsole | None,
) -> str:
    """The same for programs, with the ids of the processes."""
    ready = {
        "bootstrap": plan.bootstrap,
        "zookeeper": plan.zookeeper_connect,
        "http": None if hosted is None else hosted.address,
        "console": None if page is None else page.link,
        "data": plan.directory,
        "metrics": _listeners(plan),
        "metrics_token": plan.http_token,
        "profile": plan.profile.name,
        "pids": {process.name: process.pid for process in supervisor.processes.values()},
        "supervisor": os.getpid(),
        "ms": took_ms,
    }
    return json.dumps(ready)


def _listeners(plan: ClusterPlan) -> dict[str, str]:
    """The HTTP listeners of all nodes."""
    found = {f"broker:{i}": plan.http_url(i) or "" for i in plan.broker_ids if plan.http_ports}
    if plan.coordinator_http_port is not None:
        found[COORDINATOR] = f"http://{HTTP_HOST}:{plan.coordinator_http_port}"
    return found


def _metrics(plan: ClusterPlan) -> str:
    """Where those of all nodes are read: brokers in order, then the coordinator."""
    first, *others = _listeners(plan).values()
    urls = [f"{first}/metrics", *(":" + url.rpartition(":")[2] for url in others)]
    token = "" if plan.http_token is None else f" (token {plan.http_token})"
    return ",".join(urls) + token


def _in_force(plan: ClusterPlan) -> str:
    """The profile, and how soon a silent broker and a lagging replica are noticed."""
    config = BrokerConfig(plan.broker_settings(1))
    session_ms = config.integer("zookeeper.session.timeout.ms")
    lag_ms = config.integer("replica.lag.time.max.ms")
    return f"profile {plan.profile.name} (session {session_ms} ms, replica lag {lag_ms} ms)"


def _secure(directory: str, host: str) -> SecurePlan:
    from barnabas.cluster.secure import SecurePlan

    return SecurePlan.fresh(directory, host)


def _until_ready(
    supervisor: Supervisor,
    plan: ClusterPlan,
    security: SecurePlan | None,
    hosted: HostedControl | None,
) -> bool:
    """True once every broker serves a cluster with a controller; False after an interrupt, a
    process that ended, or a minute."""
    deadline = time.monotonic() + READY_TIMEOUT_S

    async def tick() -> bool:
        supervisor.poll(0.0)
        broken = len(supervisor.living()) < len(supervisor.processes)
        return supervisor.interrupted or broken or time.monotonic() > deadline

    reached = PLAINTEXT if security is None else security.bootstrap(plan.bootstrap).security

    async def ready() -> bool:
        if not await wait_until_ready(plan, tick, reached):
            return False
        while hosted is not None and not hosted.is_served():
            if await tick():
                return False
            await asyncio.sleep(CONTROL_PAUSE_S)
        return True

    return asyncio.run(ready())


def _absolute(path: str) -> str:
    from pathlib import Path

    return str(Path(path).resolve())
