"""ZkData.defaultAcls: the ACL of a new node with ``zookeeper.set.acl``. Pure.

Only new nodes get it, as in Kafka. Existing nodes keep their ACL; Kafka's tool
``zookeeper-security-migration.sh`` changes those.
"""

from __future__ import annotations

from typing import Final

from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, Acl

CREATOR_ALL_ACL: Final = (Acl(31, "auth", ""),)
"""The server replaces ``auth`` by the identity of the node's creator."""
READ_ACL_UNSAFE: Final = (Acl(1, "world", "anyone"),)
CONSUMERS: Final = "/consumers"
"""Very old consumers write below it."""
SENSITIVE_ROOT_PATHS: Final = ("/config/users", "/config/brokers", "/delegation_token/tokens")
"""Only brokers may read paths that begin with these."""


def secure_acls(path: str) -> tuple[Acl, ...]:
    """The ACL of a new node, by its path below the chroot."""
    if path == CONSUMERS:
        return OPEN_ACL_UNSAFE
    if path.startswith(SENSITIVE_ROOT_PATHS):
        return CREATOR_ALL_ACL
    return CREATOR_ALL_ACL + READ_ACL_UNSAFE
