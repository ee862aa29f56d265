"""RequestMetrics: what is counted of the requests of each API, and how long they took.

Every request is counted. Of those that come fast only some are measured (``Served.every``), so that
looking costs little; what comes seldom is measured each time.
"""

from __future__ import annotations

from typing import Final

from barnabas.observe.histogram import Histogram

MEASURED_APART_S_MIN: Final = 0.01
"""Requests that are measured more often than so are measured more seldom from then on."""
MEASURED_APART_S_MAX: Final = 0.1
EVERY_MAX: Final = 1024


class ApiFigures:
    """Of the requests of one API, or of one kind of them (``FetchFollower``)."""

    __slots__ = (
        "errors",
        "local",
        "queue",
        "remote",
        "response_queue",
        "throttle",
        "throttled",
        "total",
    )

    def __init__(self) -> None:
        self.queue = Histogram()
        """From the arrival of its bytes until it is handled."""
        self.local = Histogram()
        """In its handler."""
        self.remote = Histogram()
        """Waiting for other brokers or for records."""
        self.response_queue = Histogram()
        """From its answer until that is written."""
        self.total = Histogram()
        self.throttle = Histogram()
        """Its sender was told to wait so long. Only requests that were throttled are in it."""
        self.throttled = 0
        self.errors: dict[str, int] = {}
        """By Kafka's name of the error."""

    def failed(self, error: str) -> None:
        """It was answered with this error, or a partition of it was."""
        self.errors[error] = self.errors.get(error, 0) + 1


class Served:
    """The requests of one version of an API: looked up with each of them."""

    __slots__ = ("api", "bytes", "count", "every", "figures", "kinds", "last_s", "version")

    def __init__(self, api: str, version: int, figures: ApiFigures) -> None:
        self.api = api
        self.version = version
        self.figures = figures
        self.kinds = [0, 0]
        """Of a Fetch: consumers', followers'."""
        self.count = 0
        self.bytes = 0
        """Of the requests that were measured, times how many each stands for."""
        self.every = 1
        """One of so many is measured; a power of two."""
        self.last_s = 0.0
        """When one was last measured."""

    def adapt(self, now_s: float) -> None:
        """One is measured now: it is to be neither too often nor too seldom."""
        apart, self.last_s = now_s - self.last_s, now_s
        if apart < MEASURED_APART_S_MIN and self.every < EVERY_MAX:
            self.every *= 2
        elif apart > MEASURED_APART_S_MAX and self.every > 1:
            self.every //= 2


class RequestFigures:
    """Of all requests of one broker."""

    def __init__(self) -> None:
        self.served: dict[tuple[int, int], Served] = {}
        """By API key and version; only of those that are served, so there is a bound."""
        self.apis: dict[str, ApiFigures] = {}

    def of(self, api: str) -> ApiFigures:
        """An API's, by Kafka's name."""
        found = self.apis.get(api)
        if found is None:
            found = self.apis[api] = ApiFigures()
        return found

    def serve(self, key: int, version: int, api: str) -> Served:
        """The place where requests of this version are counted."""
        found = self.served.get((key, version))
        if found is None:
            found = self.served[key, version] = Served(api, version, self.of(api))
        return found
