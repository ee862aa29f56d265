"""FinalRequestProcessor: the operations that change no znode (reads, watches, auth). One function
each, listed in ``_HANDLERS``. The rules are those of ZooKeeper 3.8.

A handler returns the reply's record or raises ``Refused``. Not done: reconfig (refused as by a
standalone server), and SASL mechanisms other than DIGEST-MD5. Without users a SASL request is
answered without a token, as by a server without SASL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from barnabas.logs import visible
from barnabas.security.sasl.mechanism import AuthenticationFailed, ServerLogin
from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import (
    EMPTY,
    AddWatchMode,
    AddWatchRequest,
    AuthRequest,
    Children2Response,
    ChildrenResponse,
    Code,
    ErrorResponse,
    GetAclResponse,
    GetDataResponse,
    MultiRequest,
    MultiResponse,
    MultiResult,
    NumberResponse,
    OpCode,
    PathRequest,
    PathResponse,
    ReadRequest,
    Record,
    SaslRequest,
    SaslResponse,
    SetWatches2Request,
    SetWatchesRequest,
    StatResponse,
    WatcherType,
    WatchesRequest,
    WhoAmIResponse,
)
from barnabas.zookeeper.server import acl as access
from barnabas.zookeeper.server import quota
from barnabas.zookeeper.server.connection import Connection
from barnabas.zookeeper.server.node import Node, Refused

if TYPE_CHECKING:
    from barnabas.zookeeper.server.coordinator import Coordinator

log = logging.getLogger(__name__)

NONCE_BYTES: Final = 20


def handle(
    coordinator: Coordinator, connection: Connection, xid: int, op: int, record: Record
) -> None:
    """Answer one request that is not a write. An unknown operation ends the connection."""
    if op == OpCode.AUTH:
        _auth(coordinator, connection, xid, record)
        return
    if op == OpCode.SASL:
        _sasl(coordinator, connection, xid, record)
        return
    handler = _HANDLERS.get(op)
    if handler is None:
        coordinator.reply(connection, xid, op, Code.UNIMPLEMENTED)
        connection.stop_serving()
        coordinator.outbox.send(connection, None)
        return
    try:
        result = handler(coordinator, connection, record)
    except Refused as refused:
        coordinator.reply(connection, xid, op, refused.code)
    else:
        coordinator.reply(connection, xid, op, 0, result)


def _auth(coordinator: Coordinator, connection: Connection, xid: int, record: AuthRequest) -> None:
    """Add an identity to the connection. The reply's zxid is always 0. An unknown scheme ends the
    connection."""
    proved = _prove(coordinator, connection, record)
    if proved is None:
        connection.stop_serving()
        coordinator.outbox.send(connection, jute.encode_error_reply(xid, 0, Code.AUTH_FAILED))
        coordinator.outbox.send(connection, None)
        return
    connection.identities += [who for who in proved if who not in connection.identities]
    coordinator.outbox.send(connection, jute.encode_reply(xid, 0, OpCode.AUTH))


def _prove(
    coordinator: Coordinator, connection: Connection, record: AuthRequest
) -> list[access.Identity] | None:
    if record.scheme == "ip":
        return [("ip", connection.host)]
    if record.scheme != "digest":
        return None
    if record.auth is None:
        return None
    digest = access.digest_of(record.auth)
    if digest == coordinator.config.super_digest:
        return [access.SUPER, ("digest", digest)]
    return [("digest", digest)]


def _sasl(coordinator: Coordinator, connection: Connection, xid: int, record: SaslRequest) -> None:
    """One step of a SASL login. The reply's zxid is always 0. A failure ends the connection."""
    token = None
    if coordinator.config.users:
        try:
            token = _login_of(coordinator, connection).step(record.token or b"")
        except AuthenticationFailed as problem:
            log.warning("the login of %s failed: %s", connection.host, visible(str(problem)))
            coordinator.refuse_login(connection, xid)
            return
        _take_user(connection)
    coordinator.outbox.send(connection, jute.encode_reply(xid, 0, OpCode.SASL, SaslResponse(token)))


def _login_of(coordinator: Coordinator, connection: Connection) -> ServerLogin:
    if connection.login is None:
        from barnabas.security.sasl.digest_md5 import DigestMd5Server

        nonce = coordinator.env.secret(NONCE_BYTES).hex()
        connection.login = DigestMd5Server(coordinator.config.users.get, nonce)
    return connection.login


def _take_user(connection: Connection) -> None:
    user = None if connection.login is None else connection.login.authorization_id
    if user is None:
        return
    connection.is_known = True
    connection.identities.append(("sasl", user))
    if user == access.SUPER_USER:
        connection.identities.append(access.SUPER)


def _ping(coordinator: Coordinator, connection: Connection, record: Record) -> Record:
    return EMPTY


def _sync(coordinator: Coordinator, connection: Connection, record: PathRequest) -> Record:
    return PathResponse(record.path)


def _exists(coordinator: Coordinator, connection: Connection, record: ReadRequest) -> Record:
    if "\0" in record.path:
        raise Refused(Code.BAD_ARGUMENTS)
    if record.path in coordinator.tree.nodes:
        coordinator.tree.readable(record.path, connection.identities, access.READ)
    if record.watch:
        coordinator.watches.watch_data(record.path, connection)
    node = coordinator.tree.get(record.path)
    return StatResponse(quota.shown(coordinator.tree.nodes, record.path, node)[1])


def _get_data(coordinator: Coordinator, connection: Connection, record: ReadRequest) -> Record:
    node = coordinator.tree.readable(record.path, connection.identities, access.READ)
    if record.watch:
        coordinator.watches.watch_data(record.path, connection)
    return GetDataResponse(*quota.shown(coordinator.tree.nodes, record.path, node))


def _listed(coordinator: Coordinator, connection: Connection, record: ReadRequest) -> Node:
    node = coordinator.tree.readable(record.path, connection.identities, access.READ)
    if record.watch:
        coordinator.watches.watch_children(record.path, connection)
    return node


def _get_children(coordinator: Coordinator, connection: Connection, record: ReadRequest) -> Record:
    return ChildrenResponse(tuple(sorted(_listed(coordinator, connection, record).children)))


def _get_children2(coordinator: Coordinator, connection: Connection, record: ReadRequest) -> Record:
    node = _listed(coordinator, connection, record)
    return Children2Response(
        tuple(sorted(node.children)), quota.shown(coordinator.tree.nodes, record.path, node)[1]
    )


def _get_all_children_number(
    coordinator: Coordinator, connection: Connection, record: PathRequest
) -> Record:
    coordinator.tree.readable(record.path, connection.identities, access.READ)
    return NumberResponse(coordinator.tree.descendants(record.path))


def _get_acl(coordinator: Coordinator, connection: Connection, record: PathRequest) -> Record:
    node = coordinator.tree.readable(record.path, connection.identities, access.READ | access.ADMIN)
    if access.permits(node.acl, access.ADMIN, connection.identities):
        return GetAclResponse(node.acl, node.stat())
    return GetAclResponse(access.masked(node.acl), node.stat())


def _get_ephemerals(
    coordinator: Coordinator, connection: Connection, record: PathRequest
) -> Record:
    session = connection.session
    owned = coordinator.tree.ephemerals.get(session.id, {}) if session is not None else {}
    return ChildrenResponse(tuple(sorted(p for p in owned if p.startswith(record.path))))


def _who_am_i(coordinator: Coordinator, connection: Connection, record: Record) -> Record:
    return WhoAmIResponse(access.client_infos(connection.identities))


def _set_watches(
    coordinator: Coordinator, connection: Connection, record: SetWatchesRequest | SetWatches2Request
) -> Record:
    missed = coordinator.watches.arm_again(
        coordinator.tree,
        connection,
        record.relative_zxid,
        record.data_watches,
        record.exist_watches,
        record.child_watches,
    )
    coordinator.tell(connection, missed)
    if isinstance(record, SetWatches2Request):
        for path in record.persistent_watches:
            coordinator.watches.watch_persistently(path, connection, recursive=False)
        for path in record.persistent_recursive_watches:
            coordinator.watches.watch_persistently(path, connection, recursive=True)
    return EMPTY


def _add_watch(coordinator: Coordinator, connection: Connection, record: AddWatchRequest) -> Record:
    if record.mode not in (AddWatchMode.PERSISTENT, AddWatchMode.PERSISTENT_RECURSIVE):
        raise Refused(Code.MARSHALLING_ERROR)
    recursive = record.mode == AddWatchMode.PERSISTENT_RECURSIVE
    coordinator.watches.watch_persistently(record.path, connection, recursive=recursive)
    return ErrorResponse(0)


def _check_watches(
    coordinator: Coordinator, connection: Connection, record: WatchesRequest
) -> Record:
    _check_watcher_type(record)
    if not coordinator.watches.contains(record.path, connection, record.type):
        raise Refused(Code.NO_WATCHER)
    return EMPTY


def _check_watcher_type(record: WatchesRequest) -> None:
    """Types 4 and 5 are those of ZooKeeper 3.9."""
    if not WatcherType.CHILDREN <= record.type <= WatcherType.PERSISTENT_RECURSIVE:
        raise Refused(Code.MARSHALLING_ERROR)


def _remove_watches(
    coordinator: Coordinator, connection: Connection, record: WatchesRequest
) -> Record:
    _check_watcher_type(record)
    if not coordinator.watches.remove(record.path, connection, record.type):
        raise Refused(Code.NO_WATCHER)
    return EMPTY


def _multi_read(coordinator: Coordinator, connection: Connection, record: MultiRequest) -> Record:
    """Each part has its own result or error."""
    results = []
    for op, part in record.ops:
        try:
            results.append(MultiResult(op, _HANDLERS[op](coordinator, connection, part)))
        except Refused as refused:
            results.append(MultiResult(OpCode.ERROR, ErrorResponse(refused.code)))
    return MultiResponse(tuple(results))


def _reconfig(coordinator: Coordinator, connection: Connection, record: Record) -> Record:
    coordinator.zxid += 1
    raise Refused(Code.RECONFIG_DISABLED)


def _delete_container(
    coordinator: Coordinator, connection: Connection, record: PathRequest
) -> Record:
    """A ZooKeeper server sends this request only to itself; clients get this error."""
    coordinator.zxid += 1
    raise Refused(Code.BAD_ARGUMENTS)


def _create_session(coordinator: Coordinator, connection: Connection, record: Record) -> Record:
    """A client never sends this as a request."""
    coordinator.zxid += 1
    raise Refused(Code.MARSHALLING_ERROR)


_Handler: TypeAlias = "Callable[[Coordinator, Connection, Record], Record]"

_HANDLERS: Mapping[int, _Handler] = MappingProxyType(
    {
        OpCode.PING: _ping,
        OpCode.SYNC: _sync,
        OpCode.EXISTS: _exists,
        OpCode.GET_DATA: _get_data,
        OpCode.GET_CHILDREN: _get_children,
        OpCode.GET_CHILDREN2: _get_children2,
        OpCode.GET_ALL_CHILDREN_NUMBER: _get_all_children_number,
        OpCode.GET_ACL: _get_acl,
        OpCode.GET_EPHEMERALS: _get_ephemerals,
        OpCode.WHO_AM_I: _who_am_i,
        OpCode.SET_WATCHES: _set_watches,
        OpCode.SET_WATCHES2: _set_watches,
        OpCode.ADD_WATCH: _add_watch,
        OpCode.CHECK_WATCHES: _check_watches,
        OpCode.REMOVE_WATCHES: _remove_watches,
        OpCode.MULTI_READ: _multi_read,
        OpCode.RECONFIG: _reconfig,
        OpCode.DELETE_CONTAINER: _delete_container,
        OpCode.CREATE_SESSION: _create_session,
    }
)
