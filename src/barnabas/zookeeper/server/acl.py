"""ZooKeeperServer.checkACL, PrepRequestProcessor.fixupACL: who may do what to a znode. Pure.

Schemes are world, auth, digest, ip, sasl, x509 and the super user. An identity is (scheme, id). A
connection always has that of its address ("ip"). It may have those of its certificate's name
("x509"), of the user who logged in ("sasl"), and those that ``auth`` requests added.
"""

from __future__ import annotations

import base64
import hashlib
import re
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
SUPER_USER = "super"
"""The name under which the super user logs in with SASL."""
PROVED = ("digest", "sasl", "x509")
"""The identities that ``auth`` in a new ACL stands for are the creator's of these schemes."""
SCHEMES = frozenset(("world", "auth", "digest", "ip"))
"""The schemes that every server has. One that asks for logins has sasl too, one that asks for
certificates x509."""


_NUMBER = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)


def digest_of(credentials: bytes) -> str:
    """The digest scheme's id for ``user:password``. Without a colon all of it is the user's name,
    and the hash is that of the name alone, as in ZooKeeper."""
    user = credentials.partition(b":")[0]
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
    own, other = _network_of(address), _network_of(network)
    if own is None or other is None:
        return False
    ignored = 32 - other[1]
    return own[0] >> ignored == other[0] >> ignored


def _network_of(text: str) -> tuple[int, int] | None:
    """(address, number of network bits) of ``1.2.3.4`` or ``1.2.3.4/8``; None if it is neither.
    Only IPv4, and numbers with leading zeros are decimal, as in ``IPAuthenticationProvider``."""
    address, slash, bits = text.partition("/")
    octets = [_number(part, 255) for part in address.split(".")]
    mask = _number(bits, 32) if slash else 32
    if mask is None or len(octets) != 4:
        return None
    value = 0
    for octet in octets:
        if octet is None:
            return None
        value = value << 8 | octet
    return value, mask


def _number(text: str, most: int) -> int | None:
    number = int(text) if _NUMBER.fullmatch(text) else -1
    return number if 0 <= number <= most else None


def resolve(
    acl: Sequence[Acl], identities: Sequence[Identity], schemes: frozenset[str] = SCHEMES
) -> tuple[Acl, ...] | None:
    """The list to store: without duplicates, and with "auth" replaced by the creator's identities.

    None if it is empty or has a malformed entry (INVALID_ACL)."""
    if acl is OPEN_ACL_UNSAFE:
        return OPEN_ACL_UNSAFE
    resolved: list[Acl] = []
    for entry in dict.fromkeys(acl):
        if entry.scheme == "auth":
            proved = [Acl(entry.perms, *who) for who in identities if who[0] in PROVED]
            if not proved:
                return None
            resolved += proved
        elif entry.scheme in schemes and _well_formed(entry):
            resolved.append(entry)
        else:
            return None
    # One object for the usual list, so that ``permits`` recognises it without reading it.
    return OPEN_ACL_UNSAFE if resolved == [*OPEN_ACL_UNSAFE] else tuple(resolved) or None


def _well_formed(entry: Acl) -> bool:
    if entry.scheme == "world":
        return entry.id == "anyone"
    if entry.scheme == "digest":
        return (
            entry.id.rstrip(":").count(":") == 1
        )  # as Java splits: without empty parts at the end
    if entry.scheme == "ip":
        return _network_of(entry.id) is not None
    return entry.scheme in PROVED and entry.id != ""


def masked(acl: Sequence[Acl]) -> tuple[Acl, ...]:
    """The list as it is shown without the admin permission: without password hashes."""
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
