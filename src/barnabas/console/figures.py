"""What charts are made of: counters of brokers, from their ``/metrics`` where these are known.

Where no broker tells its metrics, the ends of logs say how many records came in, and nothing else
is known. A page makes rates of two answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from barnabas.client.consumer import LATEST
from barnabas.client.offsets import list_offsets
from barnabas.console.asking import asking
from barnabas.console.context import Console, console_of
from barnabas.console.model import Snapshot
from barnabas.console.scrape import ScrapeError, scrape
from barnabas.http.answers import HttpError, Json
from barnabas.types import TopicPartition

PARTITIONS_MAX: Final = 500
"""Whose log ends one answer tells."""
METRICS, OFFSETS = "metrics", "offsets"

_TOPIC: Final = re.compile(
    rb"^kafka_server_brokertopicmetrics_(messagesin|bytesin|bytesout)persec"
    rb'(?:\{topic="([a-zA-Z0-9._-]+)"\})? ([0-9.e+]+)$',
    re.MULTILINE,
)
_LATENCY: Final = re.compile(
    rb"^kafka_network_requestmetrics_(requestqueue|local|remote|responsequeue)timems"
    rb'\{quantile="0\.99",request="(\w+)"\} ([0-9.e+-]+)$',
    re.MULTILINE,
)
_NAMES: Final = {b"messagesin": "records_in", b"bytesin": "bytes_in", b"bytesout": "bytes_out"}
_PARTS: Final = {
    b"requestqueue": "queue",
    b"local": "local",
    b"remote": "remote",
    b"responsequeue": "response",
}
Counters = dict[str, float]


async def figures(request: Request) -> Json:
    """``GET /api/figures?topic=NAME``: counters by broker (``source`` is ``metrics``) or by
    partition (``offsets``), of one topic or of all. ``left_out``: partitions that are not told;
    ``why``: the reason if nothing is. A page asks all the time: that is no failure of its own."""
    console, topic = console_of(request), request.query_params.get("topic")
    found: dict[str, Counters] = {}
    for broker, text in (await _all(console)).items():
        found[str(broker)] = topic_counters(text, topic)
    if found:
        return Json({"source": METRICS, "counters": found, "left_out": 0})
    wanted = _partitions(console.hub.snapshot, topic)
    try:
        async with asking(console) as client:
            await client.metadata(sorted({tp.topic for tp in wanted[:PARTITIONS_MAX]}))
            ends = await list_offsets(client, wanted[:PARTITIONS_MAX], LATEST)
    except HttpError as error:
        return Json({"source": OFFSETS, "counters": {}, "left_out": 0, "why": error.text})
    return Json(
        {
            "source": OFFSETS,
            "counters": {f"{tp.topic}/{tp.partition}": {"records_in": n} for tp, n in ends.items()},
            "left_out": max(len(wanted) - PARTITIONS_MAX, 0),
        }
    )


async def latency(request: Request) -> Json:
    """``GET /api/figures/brokers/{broker}``: how long the slowest of a hundred requests took in
    each part of their way, in milliseconds, by API; ``requests`` is null, with ``why``, if the
    broker does not tell."""
    console, broker = console_of(request), int(request.path_params["broker"])
    url = console.http_urls.get(broker)
    if url is None:
        why = f"The HTTP listener of broker {broker} is not known, so its latency is not."
        return Json({"requests": None, "why": why})
    try:
        text = await scrape(url, console.http_token)
    except ScrapeError as error:
        return Json({"requests": None, "why": str(error)})
    return Json({"requests": request_latencies(text)})


async def _all(console: Console) -> Mapping[int, bytes]:
    """The metrics of each broker that answers."""

    async def one(broker: int, url: str) -> tuple[int, bytes] | None:
        try:
            return broker, await scrape(url, console.http_token)
        except ScrapeError:
            return None

    live = [(b, url) for b, url in console.http_urls.items() if b in console.hub.snapshot.brokers]
    answers = await asyncio.gather(*(one(broker, url) for broker, url in live))
    return dict(answer for answer in answers if answer is not None)


def topic_counters(text: bytes, topic: str | None) -> Counters:
    """Records and bytes of one topic, or of all, in the text of a broker's metrics. Pure."""
    wanted = b"" if topic is None else topic.encode()
    found: Counters = dict.fromkeys(_NAMES.values(), 0.0)
    for name, label, value in _TOPIC.findall(text):
        if label == wanted:
            found[_NAMES[name]] = float(value)
    return found


def request_latencies(text: bytes) -> dict[str, dict[str, Any]]:
    """Milliseconds by API and part of the way, in the text of a broker's metrics. Pure."""
    found: dict[str, dict[str, Any]] = {}
    for part, api, value in _LATENCY.findall(text):
        found.setdefault(api.decode(), {})[_PARTS[part]] = float(value)
    return dict(sorted(found.items()))


def _partitions(snapshot: Snapshot, topic: str | None) -> list[TopicPartition]:
    return [
        TopicPartition(each.name, number)
        for each, number, partition in snapshot.partitions()
        if (each.name == topic if topic is not None else not each.is_internal)
        and partition.leader in snapshot.brokers
    ]
