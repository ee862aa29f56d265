"""``barnabas broker``: one broker from a server.properties, and what is done to one that runs."""

from __future__ import annotations

import os
import sys

import click

from barnabas.cluster.processes import broker_process, load_config


class _LazyGroup(click.Group):
    """A broker that runs imports nothing of the commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["drain", "undrain"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        from barnabas.cli import drain

        found = getattr(drain, cmd_name)
        assert isinstance(found, click.Command)
        return found


@click.group(cls=_LazyGroup, invoke_without_command=True)
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
@click.pass_context
def command(context: click.Context, config_file: str | None, override: tuple[str, ...]) -> None:
    """Run one broker until SIGTERM or Ctrl-C, which begin a controlled shutdown.

    Settings come from Kafka's defaults, the file, KAFKA_* variables and --override. Each of these
    overrides the ones before it. The commands are for brokers that run.
    """
    if context.invoked_subcommand is not None:
        return
    sys.exit(broker_process(load_config(config_file, os.environ, override)))
