"""``barnabas cluster events``: what all brokers have noted, as one timeline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from barnabas.cli.completion import topic_names
from barnabas.cli.options import bootstrap_server, output
from barnabas.cli.output import print_line
from barnabas.client.cluster import Bootstrap
from barnabas.errors import ConfigError

if TYPE_CHECKING:
    from barnabas.observe.events import Event

LISTENER: Final = "barnabas.http.listener"


@click.command("events")
@click.option("--follow", "-f", is_flag=True, help="Go on with new events, until Ctrl-C.")
@click.option("--last", "-n", default=50, show_default=True, type=click.IntRange(0))
@click.option(
    "--kind", "-k", "kinds", multiple=True, help="Only events of this kind (docs/events.md)."
)
@click.option(
    "--topic",
    "-t",
    "topics",
    multiple=True,
    shell_complete=topic_names,
    help="Only events of this topic.",
)
@click.option(
    "--url",
    "urls",
    multiple=True,
    help="HTTP listeners of brokers. Without it the brokers are asked for theirs.",
)
@click.option("--token", envvar="BARNABAS_HTTP_TOKEN", help="Token of these listeners.")
@bootstrap_server
@output
def events_command(
    follow: bool,
    last: int,
    kinds: tuple[str, ...],
    topics: tuple[str, ...],
    urls: tuple[str, ...],
    token: str | None,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """Show what happened: elections, ISR changes, sessions, brokers that come and go.

    Brokers keep events if they have an HTTP listener (barnabas.http.listener), which 'barnabas up'
    gives them. With -o json each event is a line of JSON.
    """
    from barnabas.cli import event_reader as reader  # its imports are for this command only

    where = [url.rstrip("/") for url in urls] or asyncio.run(
        reader.listeners(bootstrap_server, LISTENER)
    )
    if not where:
        raise ConfigError(f"no broker has an HTTP listener ({LISTENER})")

    def wanted(events: Sequence[Event]) -> list[Event]:
        return [
            event
            for event in events
            if (not kinds or event.kind in kinds) and (not topics or event.topic in topics)
        ]

    def show(events: Sequence[Event]) -> None:
        for event in events:
            if output == "json":
                print_line(json.loads(reader.as_json(event)))
            else:
                click.echo(reader.as_line(event))

    known = reader.kept(where, token)
    chosen = wanted(reader.one_timeline(known.values()))
    show(chosen[len(chosen) - last :] if last < len(chosen) else chosen)
    if follow:
        after = {url: events[-1].sequence if events else 0 for url, events in known.items()}
        for together in reader.following(where, token, after):
            show(wanted(together))
