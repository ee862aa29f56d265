"""RequestMetrics: counts of the requests of each API, and how long they took.

Every request is counted. Where requests are frequent only some are measured (``Served.every``), so
that measuring costs little. Where they are rare each one is measured.
"""

from __future__ import annotations

from typing import Final

from barnabas.observe.histogram import Histogram

MEASURED_APART_S_MIN: Final = 0.01
"""Where two measured requests are closer than this, fewer are measured from then on."""
MEASURED_APART_S_MAX: Final = 0.1
EVERY_MAX: Final = 1024


class ApiFigures:
    """The figures of one API, or of one kind of its requests (``FetchFollower``)."""

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
        """Time from the arrival of the request's bytes to its handling."""
        self.local = Histogram()
        """Time in the handler."""
        self.remote = Histogram()
        """Time spent waiting for other brokers or for records."""
        self.response_queue = Histogram()
        """Time from the answer until it is written."""
        self.total = Histogram()
        self.throttle = Histogram()
        """How long throttled clients were told to wait. Other requests are not counted here."""
        self.throttled = 0
        self.errors: dict[str, int] = {}
        """Counts by Kafka's name of the error."""

    def failed(self, error: str) -> None:
        """Count a request, or one of its partitions, that was answered with this error."""
        self.errors[error] = self.errors.get(error, 0) + 1


class Served:
    """The requests of one version of an API. Looked up for each request."""

    __slots__ = ("api", "bytes", "count", "every", "figures", "kinds", "last_s", "version")

    def __init__(self, api: str, version: int, figures: ApiFigures) -> None:
        self.api = api
        self.version = version
        self.figures = figures
        self.kinds = [0, 0]
        """For Fetch: how many were from consumers, and how many from followers."""
        self.count = 0
        self.bytes = 0
        """Bytes of the measured requests, each times the number of requests that it stands for."""
        self.every = 1
        """One of this many requests is measured; a power of two."""
        self.last_s = 0.0
        """When a request was last measured."""

    def adapt(self, now_s: float) -> None:
        """A request is measured now. Change ``every`` if that was too soon or too late."""
        apart, self.last_s = now_s - self.last_s, now_s
        if apart < MEASURED_APART_S_MIN and self.every < EVERY_MAX:
            self.every *= 2
        elif apart > MEASURED_APART_S_MAX and self.every > 1:
            self.every //= 2


class RequestFigures:
    """The figures of all requests of one broker."""

    def __init__(self) -> None:
        self.served: dict[tuple[int, int], Served] = {}
        """By API key and version. Only served versions are in it, so its size is bounded."""
        self.apis: dict[str, ApiFigures] = {}

    def of(self, api: str) -> ApiFigures:
        """The figures of an API, by Kafka's name of it."""
        found = self.apis.get(api)
        if found is None:
            found = self.apis[api] = ApiFigures()
        return found

    def serve(self, key: int, version: int, api: str) -> Served:
        """Where requests of this version are counted."""
        found = self.served.get((key, version))
        if found is None:
            found = self.served[key, version] = Served(api, version, self.of(api))
        return found
