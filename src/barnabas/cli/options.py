"""Options that several commands share."""

from __future__ import annotations

import click

bootstrap_server = click.option(
    "--bootstrap-server",
    "-b",
    default="127.0.0.1:9092",
    show_default=True,
    envvar="BARNABAS_BOOTSTRAP_SERVER",
    metavar="HOST:PORT[,...]",
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
