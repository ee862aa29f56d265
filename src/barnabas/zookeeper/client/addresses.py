"""Parses ``zookeeper.connect``: hosts and chroot. Pure."""

from __future__ import annotations

from typing import NamedTuple

from barnabas.errors import ConfigError

DEFAULT_PORT = 2181


class ConnectString(NamedTuple):
    """The servers, and the path below which all nodes are ("" for the root)."""

    hosts: tuple[tuple[str, int], ...]
    chroot: str


def parse_connect_string(text: str) -> ConnectString:
    """Parse ``h1:2181,h2:2181,[::1]:2181/kafka``. Raises ConfigError."""
    servers, slash, rest = text.strip().partition("/")
    chroot = (slash + rest).rstrip("/")
    if "//" in chroot:
        raise ConfigError(f"zookeeper.connect={text}: the chroot {chroot} has an empty component")
    hosts = tuple(_host(text, server.strip()) for server in servers.split(",") if server.strip())
    if not hosts:
        raise ConfigError(f"zookeeper.connect={text}: names no server")
    return ConnectString(hosts, chroot)


def _host(text: str, server: str) -> tuple[str, int]:
    if server.startswith("["):
        host, bracket, rest = server[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ConfigError(f"zookeeper.connect={text}: {server} is not [host]:port")
        port = rest[1:]
    else:
        host, _, port = server.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise ConfigError(f"zookeeper.connect={text}: {server} is not host:port")
    return host, int(port) if port else DEFAULT_PORT
