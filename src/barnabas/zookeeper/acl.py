"""Who may do what to a znode: schemes world, auth, digest, ip and the super user. Pure.

An identity is (scheme, id), as a connection has proved it: always its address ("ip"), and what
``auth`` added. Rules of ``PrepRequestProcessor.fixupACL`` and ``ZooKeeperServer.checkACL`` (3.8).
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, Acl, ClientInfo

Identity: TypeAlias = tuple[str, str]

READ = 1
WRITE = 2
CREATE = 4
DELETE = 8
ADMIN = 16

READ_ACL_UNSAFE: tuple[Acl, ...] = (Acl(READ, "world", "anyone"),)
SUPER: Identity = ("super", "")


def digest_of(credentials: bytes) -> str | None:
    """The digest scheme's id of ``user:password``, or None if there is no colon in it."""
    user, colon, _ = credentials.partition(b":")
    if not colon:
        return None
    digest = base64.b64encode(hashlib.sha1(credentials).digest())
    return f"{user.decode(errors='replace')}:{digest.decode()}"


def permits(acl: Sequence[Acl], permission: int, identities: Sequence[Identity]) -> bool:
    """Whether one of the identities has one of the permissions."""
    if acl is OPEN_ACL_UNSAFE or not acl or SUPER in identities:
        return True
    return any(_grants(entry, identities) for entry in acl if entry.perms & permission)


def _grants(entry: Acl, identities: Sequence[Identity]) -> bool:
    if entry.scheme == "world":
        return entry.id == "anyone"
    if entry.scheme == "ip":
        return any(_in_network(id_, entry.id) for scheme, id_ in identities if scheme == "ip")
    return (entry.scheme, entry.id) in identities


def _in_network(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def resolve(acl: Sequence[Acl], identities: Sequence[Identity]) -> tuple[Acl, ...] | None:
    """The list to store: duplicates dropped, "auth" replaced by what the creator has proved.

    None if it is empty or has an entry that is not well formed (INVALID_ACL)."""
    resolved: list[Acl] = []
    for entry in dict.fromkeys(acl):
        if entry.scheme == "auth":
            proved = [Acl(entry.perms, *who) for who in identities if who[0] == "digest"]
            if not proved:
                return None
            resolved += proved
        elif _well_formed(entry):
            resolved.append(entry)
        else:
            return None
    # One object for the usual list: it is recognised without being looked through.
    return OPEN_ACL_UNSAFE if resolved == [*OPEN_ACL_UNSAFE] else tuple(resolved) or None


def _well_formed(entry: Acl) -> bool:
    if entry.scheme == "world":
        return entry.id == "anyone"
    if entry.scheme == "digest":
        return entry.id.count(":") == 1
    if entry.scheme == "ip":
        try:
            ipaddress.ip_network(entry.id, strict=False)
        except ValueError:
            return False
        return True
    return False


def masked(acl: Sequence[Acl]) -> tuple[Acl, ...]:
    """The list as somebody without the admin permission may read it: no password hashes."""
    return tuple(
        entry._replace(id=entry.id.partition(":")[0] + ":x") if entry.scheme == "digest" else entry
        for entry in acl
    )


def client_infos(identities: Sequence[Identity]) -> tuple[ClientInfo, ...]:
    """The answer to whoAmI."""
    return tuple(
        ClientInfo(scheme, id_.partition(":")[0] if scheme == "digest" else id_)
        for scheme, id_ in identities
    )
