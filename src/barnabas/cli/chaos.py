"""``barnabas chaos``: break a cluster that ``barnabas up`` started."""

from __future__ import annotations

import asyncio

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.options import bootstrap_server
from barnabas.client.cluster import Bootstrap
from barnabas.cluster.control import ask
from barnabas.errors import ConfigError
from barnabas.names import number_in
from barnabas.security.client import ClientSecurity


@click.command()
@click.argument("verb", type=click.Choice(["kill", "pause", "resume", "restart", "stop"]))
@click.argument("target", metavar="TARGET")
@bootstrap_server
def command(verb: str, target: str, bootstrap_server: Bootstrap) -> None:
    """Do VERB to the process behind TARGET.

    \b
    kill     SIGKILL: no goodbye, as in a crash
    pause    SIGSTOP: alive, but silent
    resume   SIGCONT
    restart  start it again (stopping it first if it runs)
    stop     a clean, controlled shutdown

    \b
    TARGET is leader:TOPIC/PARTITION, controller, broker:ID or coordinator.
    """
    first = bootstrap_server.servers.split(",")[0]
    port = number_in(first.rpartition(":")[2])
    if port is None:
        raise click.UsageError(f"--bootstrap-server: '{first}' is not host:port")
    process = target
    if target == "controller" or target.startswith("leader:"):
        process = asyncio.run(_resolve(target, port, bootstrap_server.security))
    answer = ask(port, {"verb": verb, "process": process})
    if "error" in answer:
        raise ConfigError(str(answer["error"]))
    click.echo(f"{verb} {process} pid={answer['pid']}")


async def _resolve(target: str, port: int, security: ClientSecurity) -> str:
    """The process that holds a role just now."""
    status = ask(port, {"verb": "status"})
    bootstrap = Bootstrap(servers=str(status["bootstrap"]), security=security)
    async with cluster_client(bootstrap, "barnabas-chaos") as client:
        metadata = await client.metadata()
        if target == "controller":
            return f"broker:{metadata.controller_id}"
        topic, _, number = target.removeprefix("leader:").rpartition("/")
        partition = number_in(number)
        if not topic or partition is None:
            raise click.UsageError(f"'{target}' is not leader:TOPIC/PARTITION")
        leader = metadata.leader(topic, partition)
        if leader is None:
            raise ConfigError(f"{topic}/{partition} has no leader")
        return f"broker:{leader}"
