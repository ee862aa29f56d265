"""``barnabas completion``: scripts for shells, and the live names that they ask for."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ConfigError

CLIENT_ID: Final = "barnabas-completion"
ANSWER_MS: Final = 700
"""How long a cluster may take to answer; then there are no names."""
END_S: Final = 2.0
"""Then the process ends, whatever it waits for: a resolver may take minutes."""
PROGRAM: Final = "barnabas"
VARIABLE: Final = "_BARNABAS_COMPLETE"
NAMES_MAX: Final = 5_000

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print a script that lets SHELL complete commands, topics, groups and brokers.

    \b
    bash:  eval "$(barnabas completion bash)"        in ~/.bashrc (bash 4.4 or newer)
    zsh:   eval "$(barnabas completion zsh)"         in ~/.zshrc, after compinit
    fish:  barnabas completion fish > ~/.config/fish/completions/barnabas.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(context.find_root().command, {}, PROGRAM, VARIABLE)
    # ``source()`` would run a bash to ask for its version.
    click.echo(made.source_template % made.source_vars())


class _Bash(BashComplete):
    """Completes the line as it is. The words that bash gives are parted at colons, so an address
    would be three of them."""

    source_template = BashComplete.source_template.replace(
        " COMP_CWORD=$COMP_CWORD",
        ' COMP_CWORD=$COMP_CWORD COMP_LINE="$COMP_LINE" COMP_POINT=$COMP_POINT',
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        line, point = os.environ.get("COMP_LINE"), os.environ.get("COMP_POINT", "")
        if not line or not point.isdigit():
            return super().get_completion_args()
        typed = line.encode()[: int(point)].decode(errors="replace")
        words = split_arg_string(typed)[1:]
        incomplete = words.pop() if words and not typed[-1].isspace() else ""
        self._parted = incomplete.rpartition(":")[0]
        return words, incomplete

    _parted = ""
    """What of the word is before its last colon: bash completes only the rest."""

    def format_completion(self, item: CompletionItem) -> str:
        if self._parted and item.value.startswith(f"{self._parted}:"):
            item = CompletionItem(item.value[len(self._parted) + 1 :], item.type)
        return super().format_completion(item)


add_completion_class(_Bash)


def _live(ask: Callable[[ClusterClient], Awaitable[Iterable[str]]]) -> Completer:
    """Completes with what a cluster answers: the one that the command line names so far."""

    def complete(
        context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        bootstrap = context.params.get("bootstrap_server")
        if not isinstance(bootstrap, Bootstrap):
            return []
        if VARIABLE in os.environ:
            signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
            signal.setitimer(signal.ITIMER_REAL, END_S)
        try:
            names = asyncio.run(_asked(bootstrap, ask))
        except (ClientError, Unreachable, ConfigError, OSError, TimeoutError):
            return []
        found = [name for name in names if name.startswith(incomplete) and name.isprintable()]
        return [CompletionItem(name) for name in found[:NAMES_MAX]]

    return complete


async def _asked(
    bootstrap: Bootstrap, ask: Callable[[ClusterClient], Awaitable[Iterable[str]]]
) -> list[str]:
    async with (
        asyncio.timeout(ANSWER_MS / 1000),
        ClusterClient(bootstrap, CLIENT_ID, ANSWER_MS) as client,
    ):
        return sorted(await ask(client))


async def _topics(client: ClusterClient) -> Iterable[str]:
    return [t.name for t in (await client.metadata()).topics.values() if not t.internal]


async def _partitions(client: ClusterClient) -> Iterable[str]:
    topics = (await client.metadata()).topics.values()
    return [f"{t.name}/{p.partition}" for t in topics for p in t.partitions if not t.internal]


async def _groups(client: ClusterClient) -> Iterable[str]:
    from barnabas.client.groups import list_groups

    return [group.name for group in await list_groups(client)]


async def _brokers(client: ClusterClient) -> Iterable[str]:
    return map(str, (await client.metadata([])).brokers)


async def _transactional_ids(client: ClusterClient) -> Iterable[str]:
    from barnabas.client.transaction_admin import list_transactions

    return [each.transactional_id for each in await list_transactions(client)]


topic_names: Final = _live(_topics)
partition_names: Final = _live(_partitions)
"""``TOPIC/PARTITION``: bash takes a colon for the end of a word."""
group_names: Final = _live(_groups)
broker_ids: Final = _live(_brokers)
transactional_ids: Final = _live(_transactional_ids)


def context_names(_context: click.Context, _param: Any, incomplete: str) -> list[CompletionItem]:
    """The contexts of the user's and the project's file."""
    from barnabas.cli.contexts import load_contexts

    try:
        found = load_contexts().all()
    except ConfigError:
        return []
    return [CompletionItem(c.name, help=c.servers) for c in found if c.name.startswith(incomplete)]
