"""Options that several commands share."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from barnabas.cli.output import FORMATS, TABLE, choose
from barnabas.client.cluster import Bootstrap
from barnabas.cluster.control import ask
from barnabas.errors import ConfigError
from barnabas.names import number_in
from barnabas.security.client import PLAINTEXT, ClientSecurity

F = TypeVar("F", bound=Callable[..., Any])

PROBE_TIMEOUT_S = 1.0
MILLISECONDS_MAX = 2**63 - 1
PARTITION = click.IntRange(0, 2**31 - 1)
"""A partition's number, within the bounds of requests."""
_CONFIG = "barnabas.command-config"
"""Where one option leaves its file for the other."""


def _bootstrap(context: click.Context, _option: click.Parameter, text: str) -> Bootstrap:
    servers, security = _reached(context, text)
    return Bootstrap(servers=_rest_of_cluster(servers), security=security)


def _reached(context: click.Context, text: str) -> tuple[str, ClientSecurity]:
    """Which brokers, and how: what the command line says, else the context that was named, else
    the variables, else the context that was chosen. ConfigError."""
    # While a command line is completed, no command is called, so nothing has set ``obj``.
    path, name = context.meta.get(_CONFIG), context.obj or context.find_root().params.get("name")
    servers_from = context.get_parameter_source("bootstrap_server")
    config_from = context.get_parameter_source("command_config")
    if not name and servers_from is config_from is ParameterSource.DEFAULT:
        from barnabas.cli.contexts import load_contexts

        name = load_contexts().chosen
    if not name:
        return text, PLAINTEXT if path is None else _security(path)
    from barnabas.cli.contexts import load_contexts, properties_of, security_of

    found = load_contexts().find(name)
    servers = text if servers_from is ParameterSource.COMMANDLINE else found.servers
    if path is not None and config_from is ParameterSource.COMMANDLINE:
        return servers, _security(path)
    return servers, security_of(properties_of(found))


def _security(path: str) -> ClientSecurity:
    from barnabas.cli.contexts import read_properties, security_of

    return security_of(read_properties(path, "--command-config"))


def _command_config(
    context: click.Context, _option: click.Parameter, path: str | None
) -> str | None:
    context.meta[_CONFIG] = path
    return path


def _rest_of_cluster(text: str) -> str:
    """The address as given. If it refuses connections and is the first one of a cluster of ``up``,
    all addresses of that cluster are returned, since ``chaos`` may have killed broker 1."""
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
    help="Brokers to connect to first. Default: those of the chosen context, if there is one.",
)


def bootstrap_server(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --bootstrap-server and --command-config; the command gets one ``bootstrap_server``."""
    return _config_option(_server_option(command))


output = click.option(
    "--output",
    "-o",
    type=click.Choice(FORMATS),
    default=TABLE,
    show_default=True,
    callback=lambda context, _option, form: choose(context, form),
    help="Format of the result: jsonl is a line of JSON for each row.",
)

text_output = click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help="Lines for people, or one JSON document a line.",
)
"""For what may be long, or has no end: nothing is kept until it is whole."""


def milliseconds(text: str, option: str) -> int:
    """Milliseconds since 1970, given as such or as an ISO time (UTC unless it has an offset).
    UsageError that names the option."""
    try:
        if text.isdecimal():
            found = int(text)
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            found = int(moment.timestamp() * 1000)
        if not 0 <= found <= MILLISECONDS_MAX:
            raise ValueError
    except ValueError:
        raise click.UsageError(f"{option}: '{text}' is not a time.") from None
    return found


def timeout_option(what: str) -> Callable[[F], F]:
    """Adds --timeout, in seconds. ``what``: its help."""
    return click.option(
        "--timeout",
        type=click.IntRange(1),
        default=300,
        show_default=True,
        metavar="SECONDS",
        help=what,
    )


def throttle_option(command: F) -> F:
    """Adds --throttle."""
    return click.option(
        "--throttle",
        type=click.IntRange(1, 2**63 - 2),
        metavar="BYTES/S",
        help="The most that each broker sends, and fetches, for the moves.",
    )(command)


def listed_brokers(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> list[int]:
    """Reads an option like 1,2,3."""
    if text is None:
        return []
    ids = [part.strip() for part in text.split(",")]
    if not all(p.isdecimal() and int(p) < 2**31 for p in ids) or len(set(ids)) != len(ids):
        raise click.BadParameter("not a list of broker ids like 1,2,3")
    return [int(part) for part in ids]
