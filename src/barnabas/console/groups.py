"""Consumer groups: members, positions, lag; and other positions for a group at rest."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from starlette.requests import Request

from barnabas.client.errors import ClientError
from barnabas.client.groups import (
    DEAD,
    GroupDescription,
    commit_offsets,
    committed_offsets,
    delete_group,
    describe_group,
    list_groups,
)
from barnabas.client.positions import group_positions, reset_targets
from barnabas.console.asking import asking, body_of
from barnabas.console.context import console_of
from barnabas.errors import ErrorCode
from barnabas.http.answers import HttpError, Json

POSITIONS_MAX: Final = 2_000


class Reset(msgspec.Struct, forbid_unknown_fields=True):
    """Where a group begins again: in one topic, or (null) in all that it has positions in."""

    to: Literal["to_earliest", "to_latest", "to_offset", "shift_by", "to_time"]
    value: int = 0
    topic: str | None = None
    execute: bool = False
    """False: only show what would be done."""


async def groups(request: Request) -> Json:
    """``GET /api/groups``."""
    async with asking(console_of(request)) as client:
        found = await list_groups(client)
    return Json(
        {
            "groups": [
                {
                    "name": g.name,
                    "state": g.state,
                    "type": g.protocol_type,
                    "protocol": g.kind,
                    "coordinator": g.coordinator,
                }
                for g in found
            ]
        }
    )


async def group(request: Request) -> Json:
    """``GET /api/groups/{group}``: members, and how far it has read each partition."""
    name = _name(request)
    async with asking(console_of(request)) as client:
        found = await describe_group(client, name)
        positions = await group_positions(client, found)
        if found.state == DEAD and not positions:
            raise ClientError(f"group {name}", ErrorCode.GROUP_ID_NOT_FOUND)
    return Json({**_group(found), "positions": positions[:POSITIONS_MAX]})


def _name(request: Request) -> str:
    return str(request.path_params["group"])


def _group(found: GroupDescription) -> dict[str, object]:
    return {
        "name": found.name,
        "state": found.state,
        "type": found.protocol_type,
        "assignor": found.protocol,
        "coordinator": found.coordinator,
        "protocol": found.kind,
        "epoch": found.epoch,
        "members": [
            {
                "id": m.id,
                "instance": m.instance_id,
                "client": m.client_id,
                "host": m.host.lstrip("/"),
                "partitions": None
                if m.partitions is None
                else [[p.topic, p.partition] for p in m.partitions],
            }
            for m in found.members
        ],
    }


async def reset(request: Request) -> Json:
    """``POST /api/groups/{group}/reset``: the new positions; set only with ``execute``."""
    console, name = console_of(request), _name(request)
    wanted = await body_of(request, Reset)
    if wanted.execute:
        console.check_write()
    async with asking(console) as client:
        committed = await committed_offsets(client, name)
        chosen = sorted(p for p in committed if wanted.topic in (None, p.topic))
        if not chosen:
            raise HttpError(409, f"group {name} has no position there")
        new = await reset_targets(client, chosen, committed, wanted.to, wanted.value)
        if wanted.execute and new:
            if (await describe_group(client, name)).members:
                raise ClientError(f"group {name}", ErrorCode.NON_EMPTY_GROUP)
            await commit_offsets(client, name, new)
    return Json(
        {
            "executed": wanted.execute,
            "positions": [
                {
                    "topic": p.topic,
                    "partition": p.partition,
                    "committed": committed.get(p),
                    "new": offset,
                }
                for p, offset in new.items()
            ],
        }
    )


async def delete(request: Request) -> Json:
    """``DELETE /api/groups/{group}``."""
    console, name = console_of(request), _name(request)
    console.check_write()
    async with asking(console) as client:
        await delete_group(client, name)
    return Json({"deleted": name})
