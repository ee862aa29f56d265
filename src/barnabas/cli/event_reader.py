"""Reads the events of brokers from their HTTP listeners."""

from __future__ import annotations

import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from http.client import HTTPException
from typing import Final

import click
import msgspec

from barnabas.cli.client import cluster_client
from barnabas.client.cluster import Bootstrap
from barnabas.client.configs import BROKER, describe_settings
from barnabas.client.errors import ClientError
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.observe.events import Event, events_of_document, from_json, merged, to_json

TIMEOUT_S: Final = 5.0
AGAIN_S: Final = 0.3
"""Until a broker that has gone is asked again."""
TOGETHER_S: Final = 0.1
"""Events that come within so long are put into the cluster's order."""
LINE_BYTES_MAX: Final = 1 << 20
DOCUMENT_BYTES_MAX: Final = 64 << 20

_TROUBLE: Final = (OSError, HTTPException, ValueError, msgspec.MsgspecError)
"""Of somebody who does not answer, or not with events."""


def one_timeline(kept_by: Iterable[Iterable[Event]]) -> list[Event]:
    """The events of several brokers in the cluster's order."""
    return merged(event for events in kept_by for event in events)


def as_json(event: Event) -> str:
    """One line."""
    return to_json(event).decode()


def as_line(event: Event) -> str:
    """For people."""
    at = time.strftime("%H:%M:%S", time.localtime(event.time_ms / 1000))
    epoch = "-" if event.controller_epoch < 0 else event.controller_epoch
    mark = {"info": " ", "warning": "!", "error": "E"}.get(event.level, " ")
    when = f"{at}.{event.time_ms % 1000:03}"
    return f"{when} {epoch:>3} {mark} {visible(event.source):<11} {visible(event.text)}"


async def listeners(bootstrap: Bootstrap, setting: str) -> list[str]:
    """The URLs of the brokers' HTTP listeners, as their settings name them."""
    found = []
    async with cluster_client(bootstrap, "barnabas-events") as client:
        view = await client.status()
        for broker in sorted(view.brokers):
            try:
                settings = await describe_settings(client, BROKER, str(broker), [setting])
            except (ClientError, ConnectionError):
                continue
            value = next((s.value for s in settings if s.name == setting), None)
            if value:
                found.append(f"http://{value}")
    return found


def _open(url: str, token: str | None) -> urllib.request.Request:
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--url {url}: not an address of HTTP")
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return urllib.request.Request(url, headers=headers)


def kept(urls: Sequence[str], token: str | None) -> dict[str, list[Event]]:
    """What each broker that answers has kept. ConfigError if none does."""
    found: dict[str, list[Event]] = {}
    trouble = []
    for url in urls:
        try:
            with urllib.request.urlopen(_open(f"{url}/events", token), timeout=TIMEOUT_S) as answer:
                found[url] = events_of_document(answer.read(DOCUMENT_BYTES_MAX))
        except _TROUBLE as error:
            trouble.append(f"{url}: {error}")
    if not found:
        raise ConfigError(f"no broker tells its events: {', '.join(trouble)}")
    for text in trouble:
        click.echo(f"barnabas: {visible(text)}", err=True)
    return found


def following(
    urls: Sequence[str], token: str | None, after: dict[str, int]
) -> Iterator[list[Event]]:
    """What happens, those events together that come at about the same time. Nothing is asked for
    any more once the iterator is closed."""
    come: queue.Queue[Event] = queue.Queue()
    closed = threading.Event()
    for url in urls:
        threading.Thread(
            target=_follow, args=(url, token, after.get(url, 0), come, closed), daemon=True
        ).start()
    try:
        while True:
            yield merged(_together(come))
    finally:
        closed.set()


def _together(come: queue.Queue[Event]) -> list[Event]:
    """The next event, and what comes within a moment after it."""
    together = [come.get()]
    until = time.monotonic() + TOGETHER_S
    while (left := until - time.monotonic()) > 0:
        try:
            together.append(come.get(timeout=left))
        except queue.Empty:
            break
    return together


def _follow(
    url: str, token: str | None, after: int, come: queue.Queue[Event], closed: threading.Event
) -> None:
    """One broker's stream, again and again: a broker may be away for a while."""
    while not closed.is_set():
        try:
            request = _open(f"{url}/events?follow&after={after}", token)
            with urllib.request.urlopen(request, timeout=None) as stream:
                while line := stream.readline(LINE_BYTES_MAX):
                    if line.startswith(b"data: "):
                        event = from_json(line.removeprefix(b"data: ").strip())
                        after = event.sequence
                        come.put(event)
        except _TROUBLE:
            pass
        closed.wait(AGAIN_S)
