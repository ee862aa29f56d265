"""``barnabas broker``: one broker from a server.properties."""

from __future__ import annotations

import os
import sys

import click

from barnabas.cluster.processes import broker_process, load_config


@click.command()
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False),
    required=False,
    help="server.properties, with Kafka's names.",
)
@click.option(
    "--override", "-X", multiple=True, metavar="KEY=VALUE", help="Setting that overrides the file."
)
def command(config_file: str | None, override: tuple[str, ...]) -> None:
    """Run one broker until SIGTERM or Ctrl-C, which begin a controlled shutdown.

    Settings come from Kafka's defaults, the file, KAFKA_* variables and --override. Each of these
    overrides the ones before it.
    """
    sys.exit(broker_process(load_config(config_file, os.environ, override)))
