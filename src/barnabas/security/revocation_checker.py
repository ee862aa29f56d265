"""Looks up whether a server's certificates were revoked, before the server is told anything.

Every certificate of the chain but the trusted one is looked up, as Java does. What cannot be looked
up counts as revoked. A list is fetched again after 30 seconds; if that fails, the last one counts
until its end, so that a list server that is down for a while takes nothing down with it.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from barnabas.logs import visible
from barnabas.security.http_client import FetchFailed, fetch
from barnabas.security.revocation import (
    UNREADABLE,
    NotTold,
    Revoked,
    check_answer,
    check_authentic,
    check_list,
    list_urls,
    ocsp_question,
    read_list,
    responder_urls,
)
from barnabas.security.x500 import distinguished_name

log = logging.getLogger("kafka.security.revocation")

FRESH_MS: Final = 30_000
"""How long a list is not fetched again, as in Java (URICertStore)."""
LIST_BYTES_MAX: Final = 8 * 1024 * 1024
ANSWER_BYTES_MAX: Final = 64 * 1024
LISTS_MAX: Final = 8
"""Lists in memory; the one fetched first gives way."""
URLS_MAX: Final = 4
"""How many addresses of one certificate are tried."""
CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 10.0


class CertificateRejected(OSError):
    """A certificate was revoked, or nobody says that it was not."""


class RevocationChecker:
    """The lists that one client has read."""

    def __init__(self, wall_ms: Callable[[], int], *, by_ocsp: bool) -> None:
        """``by_ocsp``: ask a responder, and look at lists only if there is no answer."""
        self._wall_ms = wall_ms
        self._by_ocsp = by_ocsp
        self._lists: dict[str, tuple[int, x509.CertificateRevocationList]] = {}
        """By URL: when it was fetched, and the list."""
        self._told = ""

    async def check(self, chain: Sequence[bytes]) -> None:
        """Look up a chain in DER, from the server's certificate to the trusted one. Raises
        CertificateRejected."""
        if not chain:
            raise CertificateRejected("it shows no certificate")
        try:
            certificates = [x509.load_der_x509_certificate(each) for each in chain]
        except UNREADABLE:
            raise CertificateRejected("its certificate cannot be read") from None
        pairs = list(itertools.pairwise(certificates))
        try:
            for certificate, issuer in reversed(pairs):
                await self._check_one(certificate, issuer)
        except CertificateRejected as problem:
            if str(problem) != self._told:
                self._told = str(problem)
                log.error("a server is not believed: %s", visible(str(problem)))
            raise
        self._told = ""

    async def _check_one(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        reasons = []
        try:
            for way in (self._ask, self._look) if self._by_ocsp else (self._look,):
                try:
                    await way(certificate, issuer)
                    return
                except NotTold as problem:
                    reasons.append(str(problem))
        except Revoked as problem:
            raise CertificateRejected(f"{_name(certificate)}: {problem}") from None
        raise CertificateRejected(
            f"{_name(certificate)}: whether it was revoked is not known ({'; '.join(reasons)})"
        )

    # --- OCSP -------------------------------------------------------------------------------------

    async def _ask(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        problem = NotTold("the certificate names no OCSP responder")
        for url in responder_urls(certificate)[:URLS_MAX]:
            try:
                answer = await _fetched(
                    url,
                    "application/ocsp-response",
                    ANSWER_BYTES_MAX,
                    ocsp_question(certificate, issuer),
                )
                check_answer(answer, certificate, issuer, self._now())
                return
            except NotTold as failure:
                problem = NotTold(f"{url}: {failure}")
        raise problem

    # --- lists ------------------------------------------------------------------------------------

    async def _look(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        problem = NotTold("the certificate names no list at an http: address")
        for url in list_urls(certificate)[:URLS_MAX]:
            try:
                check_list(await self._list(url, issuer), certificate)
                return
            except NotTold as failure:
                problem = NotTold(f"{url}: {failure}")
        raise problem

    async def _list(self, url: str, issuer: x509.Certificate) -> x509.CertificateRevocationList:
        """An authentic list. Raises NotTold."""
        since, known = self._lists.get(url, (0, None))
        if known is None or not 0 <= self._wall_ms() - since < FRESH_MS:
            try:
                found = read_list(await _fetched(url, "application/pkix-crl", LIST_BYTES_MAX))
                check_authentic(found, issuer, self._now())
            except NotTold as problem:
                if known is None:
                    raise
                log.warning("%s: %s; the list read before counts", visible(url), problem)
            else:
                self._keep(url, found)
                return found
        check_authentic(known, issuer, self._now())
        return known

    def _keep(self, url: str, found: x509.CertificateRevocationList) -> None:
        self._lists.pop(url, None)
        while len(self._lists) >= LISTS_MAX:
            del self._lists[next(iter(self._lists))]
        self._lists[url] = (self._wall_ms(), found)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall_ms() / 1000, UTC)


async def _fetched(url: str, kind: str, bytes_max: int, body: bytes | None = None) -> bytes:
    """Raises NotTold."""
    headers = {"Accept": kind}
    if body is not None:
        headers["Content-Type"] = "application/ocsp-request"
    try:
        return await fetch(
            url,
            tls=None,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            read_timeout_s=READ_TIMEOUT_S,
            headers=headers,
            body=body,
            bytes_max=bytes_max,
        )
    except FetchFailed as problem:
        raise NotTold(str(problem)) from None
    except ValueError:  # a URL that is none, as one with a port beyond 65535
        raise NotTold("no address to fetch from") from None


def _name(certificate: x509.Certificate) -> str:
    return distinguished_name(certificate.subject.public_bytes())
