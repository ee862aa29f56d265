"""Access lists."""

from __future__ import annotations

import pytest

from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, Acl
from barnabas.zookeeper.server import acl as access

LOCAL = (("ip", "127.0.0.1"),)
ALICE = (("ip", "127.0.0.1"), ("digest", "alice:h"))


def test_digests_are_those_of_zookeeper() -> None:
    assert access.digest_of(b"super:test") == "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
    assert access.digest_of(b"alice") == "alice:UisnajVr3zkBPfq+os1D4UHsyeg="
    assert access.digest_of(b"").startswith(":")


@pytest.mark.parametrize(
    ("entry", "identities", "allowed"),
    [
        (Acl(1, "world", "anyone"), (), True),
        (Acl(2, "world", "anyone"), (), False),
        (Acl(1, "digest", "alice:h"), ALICE, True),
        (Acl(1, "digest", "alice:other"), ALICE, False),
        (Acl(1, "ip", "127.0.0.1"), LOCAL, True),
        (Acl(1, "ip", "127.0.0.0/8"), LOCAL, True),
        (Acl(1, "ip", "10.0.0.0/8"), LOCAL, False),
        (Acl(1, "ip", "0127.0.0.1"), LOCAL, True),
        (Acl(1, "ip", "10.0.0.0/0"), LOCAL, True),
        (Acl(1, "ip", "127.0.0.1"), (("ip", "::1"),), False),
        (Acl(0, "world", "anyone"), (access.SUPER,), True),
    ],
)
def test_who_may_read(entry: Acl, identities: tuple[tuple[str, str], ...], allowed: bool) -> None:
    assert access.permits((entry,), access.READ, identities) is allowed


@pytest.mark.parametrize(
    "entry",
    [
        Acl(31, "world", "somebody"),
        *(Acl(31, "digest", text) for text in ("nocolon", "", ":", "a:", "a:b:c")),
        *(Acl(31, "ip", text) for text in ("x", "", "127.1", "1.2.3.256", "1.2.3.4/", "1.2.3.4/x")),
        *(Acl(31, "ip", text) for text in ("::1", "::1/64", "127.0.0.1/255.0.0.0", "1.2.3.-4")),
        Acl(31, "ip", "1.2.3.4/33"),
        Acl(31, "sasl", "kafka"),
    ],
)
def test_malformed_entries_are_refused(entry: Acl) -> None:
    assert access.resolve((entry,), ALICE) is None


def test_lists_are_resolved() -> None:
    assert access.resolve((), ALICE) is None
    assert access.resolve((Acl(31, "auth", ""),), LOCAL) is None
    assert access.resolve((Acl(31, "auth", ""),), ALICE) == (Acl(31, "digest", "alice:h"),)
    assert access.resolve((Acl(31, "world", "anyone"),) * 2, ()) is OPEN_ACL_UNSAFE


def test_hashes_are_hidden_and_users_named() -> None:
    assert access.masked((Acl(31, "digest", "alice:h"), Acl(1, "ip", "1.2.3.4"))) == (
        Acl(31, "digest", "alice:x"),
        Acl(1, "ip", "1.2.3.4"),
    )
    assert access.client_infos(ALICE) == (("ip", "127.0.0.1"), ("digest", "alice"))
