"""How handlers read what a page sends, and ask brokers for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from starlette.requests import Request

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.console.context import Console
from barnabas.http.answers import HttpError
from barnabas.names import is_topic, number_in

T = TypeVar("T")


@asynccontextmanager
async def asking(console: Console) -> AsyncIterator[ClusterClient]:
    """A client for one request; what brokers refuse, or cannot be asked, is an HttpError."""
    async with console.new_client() as client:
        try:
            yield client
        except ClientError as error:
            raise HttpError(409, str(error)) from None
        except (Unreachable, OSError) as error:
            raise HttpError(503, str(error) or type(error).__name__) from None


async def body_of(request: Request, shape: type[T]) -> T:
    """The JSON that a page sends. HttpError 400 if it is of another shape."""
    try:
        return msgspec.json.decode(await request.body(), type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HttpError(400, str(error)) from None


def topic_of(request: Request) -> str:
    """The topic that a path names. HttpError 404 for what cannot be one."""
    name = str(request.path_params["topic"])
    if not is_topic(name):
        raise HttpError(404, "no such topic")
    return name


def number_of(request: Request, name: str, default: int, most: int) -> int:
    """A number of the query, at most ``most``. HttpError 400 if it is none."""
    text = request.query_params.get(name)
    if text is None:
        return default
    number = number_in(text)
    if number is None:
        raise HttpError(400, f"{name}: not a number")
    return min(number, most)
