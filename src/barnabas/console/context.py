"""What the handlers of a console share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from barnabas.client.cluster import ClusterClient
from barnabas.console.control import Control
from barnabas.console.hub import Hub
from barnabas.http.answers import HttpError
from barnabas.seams import Env
from barnabas.zookeeper.client.client import ZooKeeperClient

READ_ONLY = "this console only reads: start it with --write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """One console: what it knows, the brokers and ZooKeeper that it asks, and what it may do."""

    env: Env
    hub: Hub
    new_client: Callable[[], ClusterClient]
    """Makes a client for each request, since a client keeps what it last heard of topics."""
    zookeeper: ZooKeeperClient | None = None
    zookeeper_connect: str = ""
    http_urls: Mapping[int, str] = field(default_factory=dict)
    """HTTP listeners of brokers, ``http://host:port``, by broker."""
    http_token: str | None = field(default=None, repr=False)
    write: bool = False
    control: Control | None = None
    """The supervisor of a cluster of ``barnabas up``; None for other clusters."""

    def check_write(self) -> None:
        """Raise HttpError unless this console may change something."""
        if not self.write:
            raise HttpError(403, READ_ONLY)


def console_of(request: Request) -> Console:
    """The console that a request is for."""
    console = request.app.state.console
    assert isinstance(console, Console)
    return console
