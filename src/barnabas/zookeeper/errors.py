"""KeeperException: the errors of ZooKeeper operations (reference 1.1).

An error from the server (``NoNode``, ``BadVersion`` ...) means that the operation was not applied.
Two errors are different. After ``ConnectionLoss`` it is unknown whether the operation was applied.
After ``SessionExpired`` every ephemeral node and watch of the session is gone.
"""

from __future__ import annotations

from typing import ClassVar


class ZooKeeperError(Exception):
    """An operation that failed. ``code`` is ZooKeeper's number, ``path`` the node's path."""

    code: ClassVar[int] = -1
    path: str | None
    op_index: int | None = None
    """For a failed multi: the index of the operation that failed."""

    def __init__(self, path: str | None = None, detail: str = "") -> None:
        words = [type(self).__name__, path or "", detail]
        super().__init__(" ".join(word for word in words if word))
        self.path = path


class UnknownZooKeeperError(ZooKeeperError):
    """An error code without a class below; ``number`` is the code."""

    def __init__(self, number: int, path: str | None = None) -> None:
        super().__init__(path, f"error {number}")
        self.number = number


class RuntimeInconsistency(ZooKeeperError):
    """Inside a failed multi: this operation was not tried, because an earlier one failed."""

    code = -2


class ConnectionLoss(ZooKeeperError):
    """The connection closed, or there was none. ``sent`` says whether the request was sent before;
    if it was, its outcome is unknown."""

    code = -4

    def __init__(self, path: str | None = None, detail: str = "", *, sent: bool = True) -> None:
        super().__init__(path, detail)
        self.sent = sent


class MarshallingError(ZooKeeperError):
    """The server could not read the request."""

    code = -5


class Unimplemented(ZooKeeperError):
    """The server does not know the operation."""

    code = -6


class OperationTimeout(ZooKeeperError):
    """The server gave up on the operation."""

    code = -7


class BadArguments(ZooKeeperError):
    """A path or a flag that ZooKeeper does not allow."""

    code = -8


class ApiError(ZooKeeperError):
    """Marks the boundary between system errors and application errors; servers never send it."""

    code = -100


class NoNode(ZooKeeperError):
    """The node (or, for a create, its parent) does not exist."""

    code = -101


class NoAuth(ZooKeeperError):
    """The node's ACL does not allow the operation."""

    code = -102


class BadVersion(ZooKeeperError):
    """The node's dataVersion is not the expected one."""

    code = -103


class NoChildrenForEphemerals(ZooKeeperError):
    """An ephemeral node cannot have children."""

    code = -108


class NodeExists(ZooKeeperError):
    """The node already exists."""

    code = -110


class NotEmpty(ZooKeeperError):
    """The node has children and cannot be deleted."""

    code = -111


class SessionExpired(ZooKeeperError):
    """The session has ended: the server expired it, or this client closed it."""

    code = -112


class InvalidAcl(ZooKeeperError):
    """The ACL is empty or malformed."""

    code = -114


class AuthFailed(ZooKeeperError):
    """The server refused the credentials."""

    code = -115


class SessionMoved(ZooKeeperError):
    """The session is connected to another server."""

    code = -118


class LoginRequired(ZooKeeperError):
    """The server serves only those who have logged in (SESSIONCLOSEDREQUIRESASLAUTH)."""

    code = -124


class NotReadOnly(ZooKeeperError):
    """A write sent to a read-only server."""

    code = -119


_CLASSES: tuple[type[ZooKeeperError], ...] = (
    RuntimeInconsistency,
    ConnectionLoss,
    MarshallingError,
    Unimplemented,
    OperationTimeout,
    BadArguments,
    ApiError,
    NoNode,
    NoAuth,
    BadVersion,
    NoChildrenForEphemerals,
    NodeExists,
    NotEmpty,
    SessionExpired,
    InvalidAcl,
    AuthFailed,
    SessionMoved,
    NotReadOnly,
    LoginRequired,
)
_BY_CODE = {cls.code: cls for cls in _CLASSES}


def error_for(code: int, path: str | None = None) -> ZooKeeperError:
    """The exception for a code in a reply; never for 0."""
    cls = _BY_CODE.get(code)
    return UnknownZooKeeperError(code, path) if cls is None else cls(path)


class MalformedZNode(ValueError):
    """A znode whose body does not have the format for its path. The message names the path."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"malformed znode {path}: {reason}")
        self.path = path
        self.reason = reason
