"""Options that several commands share."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import click

from barnabas.client.cluster import Bootstrap
from barnabas.cluster.control import ask
from barnabas.config.sources import parse_properties
from barnabas.errors import ConfigError
from barnabas.names import number_in
from barnabas.security.client import PLAINTEXT

PROBE_TIMEOUT_S = 1.0
PARTITION = click.IntRange(0, 2**31 - 1)
"""The number of a partition, as requests hold it."""
_SECURITY = "barnabas.security"
"""Where one option leaves for the other how brokers are reached."""


def _bootstrap(context: click.Context, _option: click.Parameter, text: str) -> Bootstrap:
    return Bootstrap(
        servers=_rest_of_cluster(text), security=context.meta.get(_SECURITY, PLAINTEXT)
    )


def _command_config(
    context: click.Context, _option: click.Parameter, path: str | None
) -> str | None:
    if path is not None:
        from barnabas.broker.main import system_env
        from barnabas.config.client_config import client_security

        env = system_env()
        try:
            properties = parse_properties(env.files.read(path).decode())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--command-config: cannot read {path}: {error}") from None
        context.meta[_SECURITY] = client_security(
            properties, read=env.files.read, secret=env.secret, wall_ms=env.clock.wall_ms
        )
    return path


def _rest_of_cluster(text: str) -> str:
    """The address as given; if it refuses and is the first of a cluster that ``up`` started, all
    addresses of that cluster: broker 1 may be the one that chaos has killed."""
    host, _, text_of_port = text.rpartition(":")
    port = number_in(text_of_port)
    if host not in ("127.0.0.1", "localhost") or port is None or port > 65_535:
        return text
    try:
        socket.create_connection((host, port), PROBE_TIMEOUT_S).close()
    except ConnectionRefusedError:
        try:
            return str(ask(port, {"verb": "status"})["bootstrap"])
        except (ConfigError, OSError):
            return text
    except OSError:
        return text
    return text


_config_option = click.option(
    "--command-config",
    type=click.Path(exists=True, dir_okay=False),
    envvar="BARNABAS_COMMAND_CONFIG",
    is_eager=True,
    expose_value=False,
    callback=_command_config,
    help="Kafka's client properties: security.protocol, sasl.*, ssl.*.",
)
_server_option = click.option(
    "--bootstrap-server",
    "-b",
    default="127.0.0.1:9092",
    show_default=True,
    envvar="BARNABAS_BOOTSTRAP_SERVER",
    metavar="HOST:PORT[,...]",
    callback=_bootstrap,
    help="Brokers to ask first.",
)


def bootstrap_server(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which brokers to ask, and how they are reached: one argument, ``bootstrap_server``."""
    return _config_option(_server_option(command))


output = click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the result.",
)
