"""``barnabas chaos``: break a cluster that ``barnabas up`` started."""

from __future__ import annotations

import asyncio
from typing import Final

import click

from barnabas.cli import chaos_control
from barnabas.cli.chaos_control import control_of, first_port, target_path
from barnabas.cli.client import cluster_client
from barnabas.cli.options import bootstrap_server
from barnabas.client.cluster import Bootstrap
from barnabas.cluster.control import ask
from barnabas.cluster.plan import COORDINATOR
from barnabas.errors import ConfigError
from barnabas.names import number_in
from barnabas.security.client import ClientSecurity

CONTROLLER: Final = "controller"


@click.group()
def command() -> None:
    """Break a cluster that 'barnabas up' started, on this machine.

    \b
    TARGET is leader:TOPIC/PARTITION, controller, coordinator or the id of a broker.

    kill, pause, resume, restart and stop work with any such cluster. The others need a cluster
    for tests: 'barnabas up --profile test', or one started with --control.
    """


def _of_process(verb: str, text: str) -> None:
    """Make the command that does ``verb`` to one process."""

    @command.command(verb, help=text)
    @click.argument("target", metavar="TARGET")
    @bootstrap_server
    def run(target: str, bootstrap_server: Bootstrap) -> None:
        _do(verb, target, bootstrap_server)


def _of_role(name: str, verb: str, target: str, text: str) -> None:
    """Make the command that does ``verb`` to the process of a role."""

    @command.command(name, help=text)
    @bootstrap_server
    def run(bootstrap_server: Bootstrap) -> None:
        _do(verb, target, bootstrap_server)


_of_process("kill", "SIGKILL: ends at once, as in a crash.")
_of_process("pause", "SIGSTOP: stops answering, but keeps its connections.")
_of_process("resume", "SIGCONT: runs again after pause.")
_of_process("restart", "Start it again; if it runs, stop it before.")
_of_process("stop", "A clean, controlled shutdown.")
_of_role("kill-controller", "kill", CONTROLLER, "Kill the controller.")
_of_role(
    "stop-coordinator", "kill", COORDINATOR, "Kill the coordinator; then no leader is elected."
)
_of_role("restart-coordinator", "restart", COORDINATOR, "Start the coordinator again.")
chaos_control.add_to(command)


def _do(verb: str, target: str, bootstrap: Bootstrap) -> None:
    port = first_port(bootstrap)
    status = ask(port, {"verb": "status"})
    control = control_of(status)
    if control is not None:
        process = str(control.post(f"/{verb}/{target_path(target)}")["node"])
        pid = ask(port, {"verb": "status"})["processes"][process]["pid"]
    else:
        process = _process(target, port, bootstrap.security)
        answer = ask(port, {"verb": verb, "process": process})
        if "error" in answer:
            raise ConfigError(str(answer["error"]))
        pid = answer["pid"]
    click.echo(f"{verb} {process} pid={pid}")


def _process(target: str, port: int, security: ClientSecurity) -> str:
    if target == CONTROLLER or target.startswith("leader:"):
        return asyncio.run(_resolve(target, port, security))
    return target if number_in(target) is None else f"broker:{target}"


async def _resolve(target: str, port: int, security: ClientSecurity) -> str:
    """The process that holds a role just now."""
    status = ask(port, {"verb": "status"})
    bootstrap = Bootstrap(servers=str(status["bootstrap"]), security=security)
    async with cluster_client(bootstrap, "barnabas-chaos") as client:
        metadata = await client.metadata()
        if target == CONTROLLER:
            return f"broker:{metadata.controller_id}"
        topic, _, number = target.removeprefix("leader:").rpartition("/")
        partition = number_in(number)
        if not topic or partition is None:
            raise click.UsageError(f"'{target}' is not leader:TOPIC/PARTITION")
        leader = metadata.leader(topic, partition)
        if leader is None:
            raise ConfigError(f"{topic}/{partition} has no leader")
        return f"broker:{leader}"
