"""Creates, changes and deletes topics for a client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from barnabas.client.cluster import RETRY_PAUSE_S, ClusterClient, no_controller, still_working
from barnabas.client.configs import TOPIC, alter_settings
from barnabas.client.errors import ClientError, Unanswered, Unfinished
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.create_topics import CreateTopicsRequest
from barnabas.protocol.messages.delete_topics import DeleteTopicsRequest

CREATE_TOPICS_VERSION = 7
DELETE_TOPICS_VERSION = 6
AT_ONCE_MS = 2_000
"""How long the controller may wait with its answer while it creates or deletes. After that the
client looks at the metadata."""
LONGEST_PAUSE_S = 1.0

Progress = Callable[[int, int], None]
"""Called with the number of partitions that are ready, and the number of all."""


async def create_topic(
    client: ClusterClient,
    name: str,
    *,
    partitions: int = -1,
    replication_factor: int = -1,
    configs: Mapping[str, str] | None = None,
    assignments: Mapping[int, Sequence[int]] | None = None,
    progress: Progress | None = None,
) -> None:
    """Create a topic, and wait until its partitions have leaders. -1 means the cluster's default.
    Raises ClientError and Unreachable. Raises Unfinished (a ClientError) if the controller has
    begun and there is no more progress."""
    request = CreateTopicsRequest(
        topics=[
            CreateTopicsRequest.CreatableTopic(
                name=name,
                num_partitions=-1 if assignments else partitions,
                replication_factor=-1 if assignments else replication_factor,
                assignments=[
                    CreateTopicsRequest.CreatableReplicaAssignment(
                        partition_index=p, broker_ids=list(ids)
                    )
                    for p, ids in (assignments or {}).items()
                ],
                configs=[
                    CreateTopicsRequest.CreatableTopicConfig(name=k, value=v)
                    for k, v in (configs or {}).items()
                ],
            )
        ],
        timeout=AT_ONCE_MS,
        validate_only=False,
    )
    code = await _asked(
        client,
        lambda: client.ask_controller(ApiKey.CREATE_TOPICS, CREATE_TOPICS_VERSION, request),
        lambda response: response.topics[0],
        name,
        done=ErrorCode.TOPIC_ALREADY_EXISTS,
    )
    if code == ErrorCode.REQUEST_TIMED_OUT:
        await wait_for_leaders(client, name, partitions=partitions, progress=progress)


async def delete_topic(client: ClusterClient, name: str) -> None:
    """Delete a topic, and wait until it is gone. Raises ClientError, Unreachable."""
    request = DeleteTopicsRequest(
        topics=[DeleteTopicsRequest.DeleteTopicState(name=name, topic_id=None)], timeout=AT_ONCE_MS
    )
    code = await _asked(
        client,
        lambda: client.ask_controller(ApiKey.DELETE_TOPICS, DELETE_TOPICS_VERSION, request),
        lambda response: response.responses[0],
        name,
        done=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    )
    if code == ErrorCode.REQUEST_TIMED_OUT:
        await _wait_until_gone(client, name)


async def _asked(
    client: ClusterClient,
    ask: Callable[[], Awaitable[Any]],
    result_of: Callable[[Any], Any],
    topic: str,
    *,
    done: ErrorCode,
) -> ErrorCode:
    """Send the request, again if the controller moves. Returns NONE, or REQUEST_TIMED_OUT if the
    controller has begun and is not ready yet. ``done``: the error which shows, after a request
    without an answer, that the controller had carried it out."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + client.timeout_ms / 1000
    heard = False
    while True:
        try:
            result = result_of(await ask())
            code = ErrorCode(int(result.error_code))
        except Unanswered as error:
            if error.is_late and heard:
                raise Unfinished(f"topic {topic}", still_working(error.broker)) from None
            if error.is_late:
                deadline = loop.time() + client.timeout_ms / 1000
            heard, code = True, ErrorCode.NOT_CONTROLLER
        if heard and code == done:
            return ErrorCode.REQUEST_TIMED_OUT
        if code in (ErrorCode.NONE, ErrorCode.REQUEST_TIMED_OUT):
            return code
        if code != ErrorCode.NOT_CONTROLLER:
            raise ClientError(f"topic {topic}", code, result.error_message)
        if loop.time() > deadline:
            raise no_controller()
        await asyncio.sleep(RETRY_PAUSE_S)


async def alter_topic(
    client: ClusterClient, name: str, configs: Mapping[str, str], deleted: Sequence[str] = ()
) -> None:
    """Set and delete a topic's own settings, all or none. Raises ClientError, Unreachable."""
    changes = {name: {**configs, **dict.fromkeys(deleted)}}
    error = (await alter_settings(client, TOPIC, changes))[name]
    if error is not None:
        raise error


async def wait_for_leaders(
    client: ClusterClient,
    topic: str,
    *,
    partitions: int = -1,
    timeout_ms: int = 30_000,
    progress: Progress | None = None,
) -> None:
    """Wait until every partition of ``topic`` (at least ``partitions`` of them) has a leader.
    Raises Unfinished if no further partition gets one for ``timeout_ms``, and Unreachable."""
    best = (-1, 0)

    async def look() -> str | None:
        nonlocal best
        view = (await client.metadata([topic])).topics.get(topic)
        found = view.partitions if view is not None else ()
        led, known = sum(p.leader >= 0 for p in found), max(len(found), partitions)
        if progress is not None and known > 0:
            progress(led, known)
        best = max(best, (led, known))
        if found and led == known:
            return None
        return f"{led} of {known} partitions have leaders" if known > 0 else "it does not exist yet"

    await _watch(look, lambda: best, f"topic {topic}", timeout_ms)


async def _wait_until_gone(client: ClusterClient, topic: str, timeout_ms: int = 30_000) -> None:
    left = -1

    async def look() -> str | None:
        nonlocal left
        view = (await client.metadata([topic])).topics.get(topic)
        gone = view is None or view.error == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        left = 0 if view is None else len(view.partitions)
        return None if gone else "it is being deleted"

    await _watch(look, lambda: left, f"topic {topic}", timeout_ms)


async def _watch(
    look: Callable[[], Awaitable[str | None]],
    reached: Callable[[], object],
    what: str,
    timeout_ms: int,
) -> None:
    """Call ``look`` at growing intervals until it returns None. Raises Unfinished if ``reached``
    stays the same for ``timeout_ms``."""
    loop = asyncio.get_running_loop()
    last, since, pause = reached(), loop.time(), RETRY_PAUSE_S
    while (missing := await look()) is not None:
        now = loop.time()
        if reached() != last:
            last, since = reached(), now
        elif now - since > timeout_ms / 1000:
            seconds = timeout_ms // 1000
            raise Unfinished(what, f"{missing}, and nothing has changed for {seconds} s")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)
