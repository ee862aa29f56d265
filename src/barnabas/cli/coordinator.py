"""``barnabas coordinator``: the embedded coordinator as a process of its own."""

from __future__ import annotations

import sys

import click

from barnabas.cluster.processes import coordinator_process
from barnabas.limits import ZOOKEEPER_SERVER_FRAME_BYTES_MAX
from barnabas.zookeeper.messages import INT_MAX
from barnabas.zookeeper.server.coordinator import CoordinatorConfig


@click.command()
@click.option("--data", required=True, type=click.Path(file_okay=False), help="Its directory.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=2181, show_default=True, type=click.IntRange(0, 65_535))
@click.option(
    "--jute-maxbuffer",
    default=ZOOKEEPER_SERVER_FRAME_BYTES_MAX,
    show_default=True,
    type=click.IntRange(1024, INT_MAX),
    help="Longest request in bytes.",
)
def command(data: str, host: str, port: int, jute_maxbuffer: int) -> None:
    """A single node that speaks ZooKeeper's protocol and keeps its tree in SQLite.

    It is for one machine. Several machines use a ZooKeeper ensemble instead.
    """
    config = CoordinatorConfig(host=host, port=port, jute_maxbuffer=jute_maxbuffer)
    sys.exit(coordinator_process(data, config))
