"""Topics: settings with their sources, offsets, creation, deletion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from starlette.requests import Request

from barnabas.client.admin import alter_topic, create_topic, delete_topic
from barnabas.client.configs import TOPIC, Setting, describe_settings
from barnabas.client.consumer import EARLIEST, LATEST
from barnabas.client.errors import ClientError
from barnabas.client.offsets import list_offsets
from barnabas.console.asking import asking, body_of, topic_of
from barnabas.console.context import console_of
from barnabas.http.answers import Json
from barnabas.types import TopicPartition

PARTITIONS_MAX: Final = 1_000
"""Of whose offsets one answer tells."""


class NewTopic(msgspec.Struct, forbid_unknown_fields=True):
    """What a page sends to create a topic; -1 is the cluster's default."""

    name: str
    partitions: int = -1
    replicas: int = -1
    configs: dict[str, str] = {}


class SettingChanges(msgspec.Struct, forbid_unknown_fields=True):
    """Settings to set, and settings to take back to the brokers' value."""

    set: dict[str, str] = {}
    delete: list[str] = []


async def topic(request: Request) -> Json:
    """``GET /api/topics/{topic}``: its settings, and where each partition begins and ends."""
    console, name = console_of(request), topic_of(request)
    async with asking(console) as client:
        view = (await client.metadata([name])).topics[name]
        if view.error:
            raise ClientError(f"topic {name}", view.error)
        some = [TopicPartition(name, p.partition) for p in view.partitions[:PARTITIONS_MAX]]
        starts = await list_offsets(client, some, EARLIEST)
        ends = await list_offsets(client, some, LATEST)
        settings = await describe_settings(client, TOPIC, name)
    return Json(
        {
            "name": name,
            "offsets": {str(tp.partition): _range(starts, ends, tp) for tp in some},
            "settings": settings_document(settings),
        }
    )


def _range(
    starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], tp: TopicPartition
) -> list[int | None]:
    return [starts.get(tp), ends.get(tp)]


def settings_document(settings: Sequence[Setting]) -> list[dict[str, object]]:
    """For a page; ``value`` is null for secrets."""
    return [
        {
            "name": s.name,
            "value": s.value,
            "source": s.source,
            "sensitive": s.sensitive,
            "read_only": s.read_only,
            "documentation": s.documentation,
        }
        for s in settings
    ]


async def create(request: Request) -> Json:
    """``POST /api/topics``."""
    console = console_of(request)
    console.check_write()
    wanted = await body_of(request, NewTopic)
    async with asking(console) as client:
        await create_topic(
            client,
            wanted.name,
            partitions=wanted.partitions,
            replication_factor=wanted.replicas,
            configs=wanted.configs,
        )
    return Json({"created": wanted.name}, 201)


async def delete(request: Request) -> Json:
    """``DELETE /api/topics/{topic}``."""
    console, name = console_of(request), topic_of(request)
    console.check_write()
    async with asking(console) as client:
        await delete_topic(client, name)
    return Json({"deleted": name})


async def alter(request: Request) -> Json:
    """``POST /api/topics/{topic}/settings``: all changes or none."""
    console, name = console_of(request), topic_of(request)
    console.check_write()
    changes = await body_of(request, SettingChanges)
    async with asking(console) as client:
        await alter_topic(client, name, changes.set, changes.delete)
    return Json({"altered": name})
