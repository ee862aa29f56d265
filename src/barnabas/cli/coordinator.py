"""``barnabas coordinator``: the embedded coordinator as a process of its own."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from barnabas.cluster.processes import coordinator_process, load_coordinator_settings
from barnabas.config.http_listener import parse_http_listener
from barnabas.config.sources import parse_overrides
from barnabas.limits import ZOOKEEPER_SERVER_FRAME_BYTES_MAX
from barnabas.zookeeper.messages import INT_MAX
from barnabas.zookeeper.server.coordinator import CoordinatorConfig


@click.command()
@click.option(
    "--data", required=True, type=click.Path(file_okay=False), help="Directory of its data."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=2181, show_default=True, type=click.IntRange(0, 65_535))
@click.option(
    "--jute-maxbuffer",
    default=ZOOKEEPER_SERVER_FRAME_BYTES_MAX,
    show_default=True,
    type=click.IntRange(1024, INT_MAX),
    help="Size of the longest request in bytes.",
)
@click.option(
    "--config", type=click.Path(dir_okay=False), help="File with settings for logins and TLS."
)
@click.option(
    "--override", "-X", multiple=True, metavar="KEY=VALUE", help="Setting for logins or TLS."
)
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Metrics, health and events over HTTP. BARNABAS_HTTP_TOKEN: what readers must send.",
)
@click.option(
    "--allow-strangers",
    is_flag=True,
    help="Listen beyond this machine without logins.",
)
def command(
    data: str,
    host: str,
    port: int,
    jute_maxbuffer: int,
    config: str | None,
    override: tuple[str, ...],
    http: str | None,
    allow_strangers: bool,
) -> None:
    """Run a single node that speaks ZooKeeper's protocol and keeps its tree in SQLite.

    It is for one machine. Use a ZooKeeper ensemble for several machines.

    Users who may log in (DIGEST-MD5) are in the section Server of a JAAS file. TLS settings have
    the names of zoo.cfg. With users, or if certificates are asked for, every client must log in or
    show a certificate, unless sessionRequireClientSASLAuth=false.

    \b
    barnabas coordinator --data d -X java.security.auth.login.config=server.jaas
    barnabas coordinator --data d -X ssl.keyStore.location=key.pem -X ssl.trustStore.location=ca.pem
    """
    given = load_coordinator_settings(config)
    given.update(parse_overrides(override))
    settings = {
        "host": host,
        "port": port,
        "jute_maxbuffer": jute_maxbuffer,
        "allow_strangers": allow_strangers,
    }
    shown = None
    if http is not None:
        shown = parse_http_listener(http, os.environ.get("BARNABAS_HTTP_TOKEN"))
    sys.exit(coordinator_process(data, _config(given, settings), http=shown))


def _config(given: dict[str, str], settings: dict[str, Any]) -> CoordinatorConfig:
    if not given:
        return CoordinatorConfig(**settings)
    from barnabas.broker.main import system_env
    from barnabas.cluster.coordinator_security import coordinator_config

    return coordinator_config(given, system_env().files.read, **settings)
