"""Makes the client of a command. It says on standard error which addresses do not answer."""

from __future__ import annotations

import sys

import click

from barnabas.cli.progress import ERASE
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.logs import visible


def cluster_client(
    bootstrap: Bootstrap | str, client_id: str, timeout_ms: int = 10_000
) -> ClusterClient:
    """A client that reports addresses which do not answer. Raises ConfigError."""
    return ClusterClient(bootstrap, client_id, timeout_ms, on_silence=_say)


def _say(text: str) -> None:
    before = ERASE if sys.stderr.isatty() else ""
    click.echo(f"{before}barnabas: {visible(text)}", err=True)
