"""Errors of the client."""

from __future__ import annotations

from barnabas.errors import ErrorCode


class ClientError(Exception):
    """The cluster refused. The text is one line with the name of Kafka's error."""

    def __init__(self, what: str, code: int, message: str | None = None) -> None:
        try:
            self.code = ErrorCode(code)
            name = self.code.name
        except ValueError:
            self.code = ErrorCode.UNKNOWN_SERVER_ERROR
            name = f"error {code}"
        super().__init__(f"{what}: {name}" + (f" ({message})" if message else ""))


class Unfinished(ClientError):
    """A broker did not finish a request in time. It may still be working on it."""

    def __init__(self, what: str, message: str) -> None:
        super().__init__(what, ErrorCode.REQUEST_TIMED_OUT, message)


class Unreachable(Exception):
    """No broker answered in time."""


class Unanswered(ConnectionError):
    """A request was sent, but there is no answer. It may have been carried out. ``is_late``: the
    answer did not come in time; otherwise the connection was lost."""

    def __init__(self, broker: int, error: OSError, *, is_late: bool) -> None:
        super().__init__(f"broker {broker}: {error}")
        self.broker = broker
        self.is_late = is_late


RETRIABLE = frozenset(
    {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.NOT_CONTROLLER,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.OFFSET_NOT_AVAILABLE,
        ErrorCode.CORRUPT_MESSAGE,
    }
)
"""Errors after which another attempt with new metadata may succeed."""
