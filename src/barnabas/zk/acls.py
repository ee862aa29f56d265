"""ZkData.defaultAcls: which ACL the original gives a node with ``zookeeper.set.acl``. Pure.

Only its creation counts: what is there already keeps the ACL that it has, as in the original;
``zookeeper-security-migration.sh`` changes those.
"""

from __future__ import annotations

from typing import Final

from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, Acl

CREATOR_ALL_ACL: Final = (Acl(31, "auth", ""),)
"""The server puts in whoever its creator has shown to be."""
READ_ACL_UNSAFE: Final = (Acl(1, "world", "anyone"),)
CONSUMERS: Final = "/consumers"
"""Consumers of long ago write below it."""
SENSITIVE_ROOT_PATHS: Final = ("/config/users", "/config/brokers", "/delegation_token/tokens")
"""What begins so is read by brokers only."""


def secure_acls(path: str) -> tuple[Acl, ...]:
    """Of a new node, by its path below the chroot."""
    if path == CONSUMERS:
        return OPEN_ACL_UNSAFE
    if path.startswith(SENSITIVE_ROOT_PATHS):
        return CREATOR_ALL_ACL
    return CREATOR_ALL_ACL + READ_ACL_UNSAFE
