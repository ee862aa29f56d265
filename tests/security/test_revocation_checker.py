"""Looking up a chain: from where, how often, and what happens if there is no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from cryptography.x509 import ocsp
from tests.security.authorities import DAY, HOUR, NOW, Issued, Published, point, published

from barnabas.security.revocation_checker import (
    FRESH_MS,
    LIST_BYTES_MAX,
    CertificateRejected,
    RevocationChecker,
)

ROOT = Issued("root", is_authority=True)


class Site:
    """A chain of three, whose lists and answers are on a server, and a clock."""

    def __init__(self, there: Published) -> None:
        self.there = there
        self.now = NOW
        lists = [point(f"{there.url}/root.crl")]
        self.middle = Issued("middle", ROOT, is_authority=True, points=lists)
        self.server = Issued(
            "zookeeper",
            self.middle,
            points=[point("ldap://nowhere/"), point(f"{there.url}/middle.crl")],
            responder=f"{there.url}/ocsp",
        )
        there.at["/root.crl"] = ROOT.revocations()
        there.at["/middle.crl"] = self.middle.revocations()

    def checker(self, *, by_ocsp: bool = False) -> RevocationChecker:
        return RevocationChecker(lambda: int(self.now.timestamp() * 1000), by_ocsp=by_ocsp)


def run(test: Callable[[Site], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), published() as there:
            await test(Site(there))

    asyncio.run(main())


def test_every_certificate_but_the_trusted_one_is_looked_up() -> None:
    async def test(site: Site) -> None:
        await site.checker().check(site.server.chain)
        assert site.there.asked == ["/root.crl", "/middle.crl"]
        site.there.at["/root.crl"] = ROOT.revocations(site.middle)
        with pytest.raises(CertificateRejected, match=r"^CN=middle: revoked since"):
            await site.checker().check(site.server.chain)
        site.there.at["/root.crl"] = ROOT.revocations()
        site.there.at["/middle.crl"] = site.middle.revocations(site.server)
        with pytest.raises(CertificateRejected, match=r"^CN=zookeeper: revoked since"):
            await site.checker().check(site.server.chain)
        await site.checker().check(ROOT.chain)
        for chain in ([], [b"x", *ROOT.chain]):
            with pytest.raises(CertificateRejected):
                await site.checker().check(chain)

    run(test)


def test_what_cannot_be_looked_up_counts_as_revoked(caplog: pytest.LogCaptureFixture) -> None:
    async def test(site: Site) -> None:
        checker = site.checker()
        for there, why in (
            (None, "status 404"),
            (b"nonsense", "no revocation list"),
            (ROOT.revocations(), "of another issuer"),
            (site.middle.revocations(until=NOW - HOUR), "expired"),
            (b"x" * (LIST_BYTES_MAX + 1), "more than"),
        ):
            site.there.at.pop("/middle.crl", None)
            if there is not None:
                site.there.at["/middle.crl"] = there
            with pytest.raises(CertificateRejected, match=f"is not known .*{why}"):
                await checker.check(site.server.chain)
        silent = Issued("silent", ROOT)
        with pytest.raises(CertificateRejected, match="names no list"):
            await checker.check(silent.chain)
        told = [record.message for record in caplog.records if record.levelname == "ERROR"]
        for _ in range(3):
            with pytest.raises(CertificateRejected):
                await checker.check(silent.chain)
        errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
        assert errors == told, "the same is said once"

    run(test)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999/", "http://[::1", "http:///x", "http://a b/"]
)
def test_an_address_that_is_none(url: str) -> None:
    async def test(site: Site) -> None:
        with pytest.raises(CertificateRejected, match="is not known"):
            await site.checker().check(Issued("x", ROOT, points=[point(url)]).chain)

    run(test)


def test_a_list_counts_for_a_while_and_without_its_server_until_its_end() -> None:
    async def test(site: Site) -> None:
        checker, there = site.checker(), site.there
        await checker.check(site.server.chain)
        there.at["/middle.crl"] = site.middle.revocations(site.server)
        site.now += timedelta(milliseconds=FRESH_MS - 1)
        await checker.check(site.server.chain)
        assert len(there.asked) == 2
        before, there.at["/middle.crl"] = there.at["/middle.crl"], b"nonsense"
        site.now += timedelta(milliseconds=1)
        await checker.check(site.server.chain)
        assert len(there.asked) == 4
        site.now += DAY - HOUR
        await checker.check(site.server.chain)
        site.now += 2 * HOUR
        there.at["/root.crl"] = ROOT.revocations(until=NOW + 3 * DAY)
        with pytest.raises(CertificateRejected, match="expired"):
            await checker.check(site.server.chain)
        site.now = NOW + HOUR
        there.at["/middle.crl"] = before
        with pytest.raises(CertificateRejected, match="revoked since"):
            await checker.check(site.server.chain)

    run(test)


def test_a_responder_is_asked_first_and_lists_count_without_its_answer() -> None:
    async def test(site: Site) -> None:
        there, checker = site.there, site.checker(by_ocsp=True)
        there.at["/middle.crl"] = b""
        with pytest.raises(CertificateRejected, match=r"status 404; .*no revocation list"):
            await checker.check(site.server.chain)
        there.at["/ocsp"] = lambda _: site.middle.answer(site.server)
        await checker.check(site.server.chain)
        there.at["/middle.crl"] = site.middle.revocations()
        there.at["/ocsp"] = lambda _: site.middle.answer(site.server, ocsp.OCSPCertStatus.REVOKED)
        with pytest.raises(CertificateRejected, match="zookeeper: revoked since"):
            await checker.check(site.server.chain)
        there.at["/ocsp"] = b"nonsense"
        await checker.check(site.server.chain)
        there.at["/middle.crl"] = site.middle.revocations(site.server)
        site.now += timedelta(milliseconds=FRESH_MS)
        with pytest.raises(CertificateRejected, match="zookeeper: revoked since"):
            await checker.check(site.server.chain)

    run(test)
