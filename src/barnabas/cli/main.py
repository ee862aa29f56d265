"""``barnabas``: the command line. Each command is one file; this one names them."""

from __future__ import annotations

import importlib
import sys

import click

from barnabas.errors import ConfigError

EXIT_FAILED = 1
"""The cluster refused, or the answer is not what was asked for."""
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
"""No broker answered in time."""

_COMMANDS = {
    "up": ("barnabas.cli.up", "Start a local cluster in the foreground."),
    "broker": ("barnabas.cli.broker", "Run one broker."),
    "coordinator": ("barnabas.cli.coordinator", "Run the embedded coordinator."),
    "topic": ("barnabas.cli.topic", "Create, list, describe and delete topics."),
    "produce": ("barnabas.cli.produce", "Send lines of standard input as records."),
    "consume": ("barnabas.cli.consume", "Print records of a topic."),
    "cluster": ("barnabas.cli.cluster", "Show brokers, controller and partitions."),
    "chaos": ("barnabas.cli.chaos", "Kill, pause, resume and restart processes of 'up'."),
}


class _LazyGroup(click.Group):
    """Imports a command only when it is used: ``barnabas --help`` starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="barnabas")
def cli() -> None:
    """A Kafka-compatible replicated log: brokers, coordinator, and tools to use and break them.

    \b
    Start three brokers:      barnabas up
    See who leads what:       barnabas cluster status
    Kill a leader:            barnabas chaos kill leader:orders/0

    \b
    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no broker reachable, 130 Ctrl-C.
    """


def main() -> None:
    """Entry point: errors are one line on stderr, never a traceback for what a user did."""
    from barnabas.client.errors import ClientError, Unreachable

    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    except Unreachable as error:
        click.echo(f"barnabas: {error}", err=True)
        code = EXIT_UNREACHABLE
    except (ConfigError, ClientError) as error:
        click.echo(f"barnabas: {error}", err=True)
        code = EXIT_FAILED
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
