"""Sends requests to the coordinator of a group or of a transactional id, and finds it again when it
moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from functools import partial
from typing import TypeVar

from barnabas.client.cluster import RETRY_PAUSE_S, ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import RequestTimedOut
from barnabas.protocol.message import RequestMessage, ResponseT
from barnabas.protocol.messages.find_coordinator import FindCoordinatorRequest

T = TypeVar("T")

FIND_COORDINATOR_VERSION = 4
GROUP, TRANSACTION = 0, 1
"""Kinds of keys."""
_WHAT = {GROUP: "group", TRANSACTION: "transactional id"}

ASK_AGAIN = frozenset(
    {
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.REQUEST_TIMED_OUT,
    }
)


async def ask_coordinator(
    client: ClusterClient,
    kind: int,
    key: str,
    api: ApiKey,
    version: int,
    request: RequestMessage[ResponseT],
    error: Callable[[ResponseT], int],
    *,
    again: Collection[ErrorCode] = ASK_AGAIN,
) -> tuple[int, ResponseT]:
    """(broker id, response) of a key's coordinator. If it has moved, it is looked up again; after
    an error in ``again`` the request is sent again. Raises ClientError and Unreachable."""
    asked = -1

    async def ask() -> ResponseT:
        nonlocal asked
        asked = await find_coordinator(client, kind, key)
        return await client.broker(asked, api, version, request)

    response = await retried(client, ask, error, f"{_WHAT[kind]} {key}", again=again)
    return asked, response


async def ask_all_coordinators(
    client: ClusterClient,
    api: ApiKey,
    version: int,
    request: RequestMessage[ResponseT],
    error: Callable[[ResponseT], int],
) -> AsyncIterator[tuple[int, ResponseT]]:
    """(broker id, response) of every registered broker, by id, for what each coordinates. Raises
    ClientError, Unreachable."""
    for broker in sorted((await client.status([])).brokers):
        ask = partial(client.broker, broker, api, version, request)
        yield broker, await retried(client, ask, error, f"broker {broker}")


async def find_coordinator(client: ClusterClient, kind: int, key: str) -> int:
    """The id of the broker that now coordinates a key. Raises ClientError, Unreachable."""
    request = FindCoordinatorRequest(key_type=kind, coordinator_keys=[key])
    response = await client.any_broker(ApiKey.FIND_COORDINATOR, FIND_COORDINATOR_VERSION, request)
    found = response.coordinators[0]
    if int(found.error_code):
        raise ClientError(
            f"{_WHAT[kind]} {key}", int(found.error_code), found.error_message or None
        )
    if int(found.node_id) not in client.view.brokers:
        await client.metadata([])
    return int(found.node_id)


async def retried(
    client: ClusterClient,
    ask: Callable[[], Awaitable[T]],
    error: Callable[[T], int],
    what: str,
    *,
    again: Collection[ErrorCode] = ASK_AGAIN,
) -> T:
    """The response of ``ask()``, asked until ``error(response)`` is NONE. Raises ClientError,
    Unreachable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + client.timeout_ms / 1000
    while True:
        code: int = ErrorCode.NETWORK_EXCEPTION
        try:
            response = await ask()
            code = error(response)
            if code == ErrorCode.NONE:
                return response
        except RequestTimedOut:
            code = ErrorCode.REQUEST_TIMED_OUT
        except OSError:
            pass
        except ClientError as refused:
            code = refused.code
        if code not in again:
            raise ClientError(what, code)
        if loop.time() > deadline:
            if code == ErrorCode.REQUEST_TIMED_OUT:
                raise Unreachable(f"{what}: not answered in time; it may still be carried out")
            raise Unreachable(f"{what}: no coordinator answers ({ErrorCode(code).name})")
        await asyncio.sleep(RETRY_PAUSE_S)
