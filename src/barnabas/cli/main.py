"""``barnabas``: the command line. Each command is in a file of its own, listed here."""

from __future__ import annotations

import importlib
import os
import sys

import click
from click.shell_completion import CompletionItem

from barnabas.errors import ConfigError, first_error
from barnabas.logs import visible

EXIT_FAILED = 1
"""The cluster refused, or the answer to a question is no."""
EXIT_UNREACHABLE = 3
"""No broker answered in time."""
EXIT_INTERRUPTED = 130
_COMPLETE = "_BARNABAS_COMPLETE"
"""Set by a shell that wants a line completed."""

_COMMANDS = {
    "up": ("barnabas.cli.up", "Start a local cluster in the foreground."),
    "broker": ("barnabas.cli.broker", "Run one broker; drain one."),
    "host": ("barnabas.cli.host", "Run a broker for each core of this machine."),
    "coordinator": ("barnabas.cli.coordinator", "Run the embedded coordinator."),
    "topic": ("barnabas.cli.topic", "Create, list, describe and delete topics."),
    "produce": ("barnabas.cli.produce", "Send lines of standard input as records."),
    "consume": ("barnabas.cli.consume", "Print records of a topic."),
    "group": ("barnabas.cli.group", "List, describe, reset and delete consumer groups."),
    "tx": ("barnabas.cli.tx", "List transactions, find those that hang, abort them."),
    "user": ("barnabas.cli.user", "Add, list and delete users who log in with SCRAM."),
    "acl": ("barnabas.cli.acl", "Add, list, delete and check ACLs."),
    "token": ("barnabas.cli.token", "Create, renew, expire and list delegation tokens."),
    "quota": ("barnabas.cli.quota", "Set, list and delete quotas."),
    "log": ("barnabas.cli.log", "Show and verify files of a log directory."),
    "cluster": ("barnabas.cli.cluster", "Show brokers and partitions, move them, elect leaders."),
    "zk": ("barnabas.cli.zk", "Show what is in ZooKeeper."),
    "context": ("barnabas.cli.context", "Name clusters, and choose the one that is used."),
    "completion": ("barnabas.cli.completion", "Complete commands and names in your shell."),
    "console": ("barnabas.cli.console", "Show a cluster in a browser."),
    "tour": ("barnabas.cli.tour", "Seven lessons on a live cluster: leaders, failures, groups."),
    "chaos": ("barnabas.cli.chaos", "Break a cluster of 'up': kill, pause, isolate …"),
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands by name; none of them is imported for that."""
        found = [
            CompletionItem(name, help=text)
            for name, (_, text) in _COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


def _context_names(ctx: click.Context, param: click.Parameter, text: str) -> list[CompletionItem]:
    from barnabas.cli.completion import context_names

    return context_names(ctx, param, text)


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="barnabas")
@click.option(
    "--context",
    "name",
    envvar="BARNABAS_CONTEXT",
    metavar="NAME",
    shell_complete=_context_names,
    help="The cluster of this name: see barnabas context.",
)
@click.pass_context
def cli(context: click.Context, name: str | None) -> None:
    """A Kafka-compatible replicated log: brokers, coordinator, and tools to use and break them.

    \b
    Start three brokers:      barnabas up
    See who leads what:       barnabas cluster status
    Kill a leader:            barnabas chaos kill leader:orders/0

    \b
    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no broker reachable, 130 Ctrl-C.
    """
    context.obj = name


def main() -> None:
    """Entry point. A user's error is one line on standard error, never a traceback."""
    try:
        if _COMPLETE in os.environ:
            importlib.import_module("barnabas.cli.completion")  # its own way to read bash's line
        code = cli.main(standalone_mode=False, complete_var=_COMPLETE)
    except BaseException as error:
        code = _exit_code(first_error(error))
    sys.exit(code if isinstance(code, int) else 0)


def _exit_code(error: BaseException) -> int:
    """Print a user's error and return the exit code. Raises all other errors again."""
    from barnabas.client.errors import ClientError, Unreachable

    if isinstance(error, KeyboardInterrupt | click.exceptions.Abort):
        return EXIT_INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    # For a closed pipe Click replaces the standard output and raises SystemExit.
    closed = isinstance(error, SystemExit) and sys.stdout is not sys.__stdout__
    if closed or isinstance(error, BrokenPipeError):
        # The reader has closed the pipe. Data that is still buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, Unreachable | ConfigError | ClientError):
        click.echo(f"barnabas: {visible(error)}", err=True)
        return EXIT_UNREACHABLE if isinstance(error, Unreachable) else EXIT_FAILED
    raise error


if __name__ == "__main__":
    main()
