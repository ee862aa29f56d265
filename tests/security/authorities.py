"""Authorities that revoke: certificates with distribution points, lists, answers by OCSP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHA_256 = hashes.SHA256()


class Issued:
    """A certificate, its key, and who issued it (None for a root)."""

    def __init__(
        self,
        name: str,
        issuer: Issued | None = None,
        *,
        is_authority: bool = False,
        points: Sequence[x509.DistributionPoint] = (),
        responder: str = "",
        usages: Sequence[x509.ObjectIdentifier] = (),
        hosts: Sequence[x509.GeneralName] = (),
        signs_lists: bool = True,
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.issuer = issuer or self
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.issuer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if is_authority:
            builder = builder.add_extension(_usage(signs_lists), critical=True)
        if points:
            builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
        if responder:
            access = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder)
            )
            builder = builder.add_extension(
                x509.AuthorityInformationAccess([access]), critical=False
            )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        self.certificate = builder.sign(self.issuer.key, SHA_256)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def chain(self) -> list[bytes]:
        """In DER, from this one to the root."""
        own = self.certificate.public_bytes(Encoding.DER)
        return [own] if self.issuer is self else [own, *self.issuer.chain]

    def revocations(
        self,
        *revoked: Issued,
        issued: datetime = NOW - HOUR,
        until: datetime = NOW + DAY,
        key: ec.EllipticCurvePrivateKey | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        of_entries: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        """The list of what this authority has revoked, in DER."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.subject)
            .last_update(issued)
            .next_update(until)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        for each in revoked:
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(each.certificate.serial_number)
                .revocation_date(datetime(2026, 1, 2))
            )
            for extension, critical in of_entries:
                entry = entry.add_extension(extension, critical)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key or self.key, SHA_256).public_bytes(Encoding.DER)

    def answer(
        self,
        about: Issued,
        status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
        *,
        signer: Issued | None = None,
        issued: datetime = NOW - HOUR,
        until: datetime | None = NOW + DAY,
        by_name: bool = False,
    ) -> bytes:
        """What this authority's responder says of a certificate, in DER."""
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        by = signer or self
        encoding = ocsp.OCSPResponderEncoding.NAME if by_name else ocsp.OCSPResponderEncoding.HASH
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=about.certificate,
                issuer=self.certificate,
                algorithm=hashes.SHA1(),
                cert_status=status,
                this_update=issued,
                next_update=until,
                revocation_time=datetime(2026, 1, 2) if revoked else None,
                revocation_reason=None,
            )
            .responder_id(encoding, by.certificate)
        )
        if by is not self:
            builder = builder.certificates([by.certificate])
        return builder.sign(by.key, SHA_256).public_bytes(Encoding.DER)


def point(*urls: str, **others: Any) -> x509.DistributionPoint:
    """A distribution point with these addresses."""
    given = {"relative_name": None, "reasons": None, "crl_issuer": None, **others}
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url) for url in urls], **given)


def responder(name: str, issuer: Issued) -> Issued:
    """Somebody whom the issuer lets answer."""
    return Issued(name, issuer, usages=[ExtendedKeyUsageOID.OCSP_SIGNING])


def _usage(signs_lists: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=signs_lists,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


Answer = Callable[[bytes], bytes]
"""From the body of a request to that of the answer."""


class Published:
    """What is at each path of a small HTTP server, and what was asked for."""

    def __init__(self) -> None:
        self.at: dict[str, bytes | Answer] = {}
        self.asked: list[str] = []
        self.url = ""

    def reply(self, request: bytes) -> bytes | None:
        """The answer to a request; None as long as it is not all there."""
        head, blank, body = request.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if not blank or len(body) < int(fields.get(b"content-length", 0)):
            return None
        path = head.split(b" ")[1].decode()
        self.asked.append(path)
        found = self.at.get(path)
        if found is None:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        answer = found if isinstance(found, bytes) else found(body)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer)


@asynccontextmanager
async def published() -> AsyncIterator[Published]:
    """An HTTP server."""
    found = Published()

    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport, self.request = transport, b""

        def data_received(self, data: bytes) -> None:
            self.request += data
            answer = found.reply(self.request)
            if answer is not None:
                self.transport.write(answer)
                self.transport.close()

    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()
