"""The security of a ZooKeeper client: TLS, login, and the ACLs of nodes that it creates.

``zookeeper.ssl.*``, the JAAS section ``Client`` and ``zookeeper.set.acl`` are plain values here. So
without them neither TLS nor a login is imported.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from barnabas.zookeeper.client.operations import Acls, open_acls

if TYPE_CHECKING:
    import ssl

    from barnabas.security.sasl.mechanism import ClientLogin


@dataclass(slots=True, kw_only=True, eq=False)
class ZooKeeperSecurity:
    """The security of one client. With the defaults there is no login, and nodes are open to
    all."""

    tls: ssl.SSLContext | None = None
    """Replaced when keys or certificates are renewed."""
    approve: Callable[[ssl.SSLObject | None], Awaitable[None]] | None = None
    """Looks at the certificates of a server after TLS's own checks, before the session begins. It
    raises OSError if they are not to be believed."""
    begin: Callable[[], ClientLogin] | None = None
    """Begins a SASL login; None without one."""
    begin_at: Callable[[str, str], Awaitable[ClientLogin]] | None = None
    """Begins a Kerberos login to a server, by its name in the settings and its address. It may take
    seconds, and raises AuthenticationFailed."""
    acls: Acls = open_acls
    """The ACLs of new nodes."""

    @property
    def looks_first(self) -> bool:
        """Whether a server is looked at before its session begins."""
        return self.approve is not None or self.begin_at is not None

    @property
    def logs_in(self) -> bool:
        return self.begin is not None or self.begin_at is not None


OPEN: Final = ZooKeeperSecurity()
