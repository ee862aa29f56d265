"""Options that several commands share."""

from __future__ import annotations

import socket

import click

from barnabas.cluster.control import ask
from barnabas.errors import ConfigError
from barnabas.names import number_in

PROBE_TIMEOUT_S = 1.0
PARTITION = click.IntRange(0, 2**31 - 1)
"""The number of a partition, as requests hold it."""


def _rest_of_cluster(_context: click.Context, _option: click.Parameter, text: str) -> str:
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


bootstrap_server = click.option(
    "--bootstrap-server",
    "-b",
    default="127.0.0.1:9092",
    show_default=True,
    envvar="BARNABAS_BOOTSTRAP_SERVER",
    metavar="HOST:PORT[,...]",
    callback=_rest_of_cluster,
    help="Brokers to ask first.",
)
output = click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the result.",
)
