"""How a client shows who it is, and who may do what with the nodes that it makes.

``zookeeper.ssl.*``, the JAAS section ``Client`` and ``zookeeper.set.acl`` come here as values; who
asks for none of them imports neither TLS nor a login.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from barnabas.zookeeper.client.operations import Acls, open_acls

if TYPE_CHECKING:
    import ssl

    from barnabas.security.sasl.mechanism import ClientLogin


@dataclass(slots=True, kw_only=True, eq=False)
class ZooKeeperSecurity:
    """Of one client; without anything nobody is asked and everybody may do everything."""

    tls: ssl.SSLContext | None = None
    """Another one when keys or certificates are renewed."""
    begin: Callable[[], ClientLogin] | None = None
    """A new SASL login; None: none is made."""
    acls: Acls = open_acls
    """Of new nodes."""


OPEN: Final = ZooKeeperSecurity()
