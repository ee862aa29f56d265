"""RevocationChecker: whether its issuer has revoked a certificate (RFC 5280 and RFC 6960).

An authority publishes revocation lists at the distribution points that its certificates name, or
answers questions by OCSP. Nothing but a list or an answer that is signed by the issuer, valid now
and about this very certificate says that it is not revoked. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

SKEW: Final = timedelta(minutes=15)
"""How far the clocks of the authority and of this machine may differ, as in Java."""
DIGEST_BYTES_MIN: Final = 28
"""A signature with SHA-1 or MD5 proves nothing."""
_PEM: Final = b"-----BEGIN"
_ENTRY_EXTENSIONS: Final = {x509.CRLReason.oid, x509.InvalidityDate.oid}
UNREADABLE: Final = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What ``cryptography`` raises for bytes that are no certificate or no list."""


class Revoked(Exception):
    """The issuer has revoked the certificate."""


class NotTold(Exception):
    """Whether the certificate was revoked is not known; the text says why."""


# --- lists ----------------------------------------------------------------------------------------


def list_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    """Where the issuer publishes its whole list, by ``http:``, which is enough as lists are signed.
    Raises NotTold for a certificate whose extensions cannot be read."""
    points = _extension(certificate, x509.CRLDistributionPoints)
    urls = [
        name.value
        for point in points or ()
        if not (point.reasons or point.crl_issuer)
        for name in point.full_name or ()
        if _is_http(name)
    ]
    return tuple(dict.fromkeys(urls))


def read_list(data: bytes) -> x509.CertificateRevocationList:
    """A list in DER or PEM. Raises NotTold."""
    read = x509.load_pem_x509_crl if data.startswith(_PEM) else x509.load_der_x509_crl
    try:
        return read(data)
    except UNREADABLE:
        raise NotTold("what is there is no revocation list") from None


def check_authentic(
    found: x509.CertificateRevocationList, issuer: x509.Certificate, now: datetime
) -> None:
    """Return if the list is the issuer's, and valid now. Raises NotTold."""
    if found.issuer != issuer.subject:
        raise NotTold("the list is of another issuer")
    usage = _extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        raise NotTold("the issuer's key is not for lists")
    _check_signature_of_list(found, issuer)
    until = found.next_update_utc
    if found.last_update_utc > now + SKEW:
        raise NotTold("the list is of the future")
    if until is None or until < now - SKEW:
        raise NotTold("the list has expired")


def check_list(found: x509.CertificateRevocationList, certificate: x509.Certificate) -> None:
    """Return if the list, which is authentic, says that the certificate is not revoked. Raises
    Revoked, NotTold."""
    _check_scope(found, certificate)
    try:
        entry = found.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is None:
            return
        since = entry.revocation_date_utc
        critical = {extension.oid for extension in entry.extensions if extension.critical}
    except UNREADABLE:
        raise NotTold("an entry of the list cannot be read") from None
    if critical - _ENTRY_EXTENSIONS:
        raise NotTold("the list has entries of other issuers")
    raise Revoked(f"revoked since {since:%Y-%m-%d}")


def _check_signature_of_list(
    found: x509.CertificateRevocationList, issuer: x509.Certificate
) -> None:
    try:
        digest = found.signature_hash_algorithm
        if digest is not None and digest.digest_size < DIGEST_BYTES_MIN:
            raise NotTold(f"the list is signed with {digest.name}")
        is_signed = found.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (UnsupportedAlgorithm, TypeError, ValueError):
        raise NotTold("the list's signature is of an unknown kind") from None
    if not is_signed:
        raise NotTold("the list is not signed by the issuer")


def _check_scope(found: x509.CertificateRevocationList, certificate: x509.Certificate) -> None:
    """Raises NotTold for a list that may lack this certificate."""
    try:
        critical = {extension.oid for extension in found.extensions if extension.critical}
    except UNREADABLE:
        raise NotTold("the list cannot be read") from None
    scope = _extension(found, x509.IssuingDistributionPoint)
    if critical - {x509.IssuingDistributionPoint.oid}:
        raise NotTold("the list is of a kind that is not supported")
    if scope is None:
        return
    constraints = _extension(certificate, x509.BasicConstraints)
    is_authority = constraints is not None and constraints.ca
    if (
        scope.indirect_crl
        or scope.only_some_reasons
        or scope.only_contains_attribute_certs
        or scope.relative_name
        or (scope.only_contains_user_certs and is_authority)
        or (scope.only_contains_ca_certs and not is_authority)
    ):
        raise NotTold("the list is of other certificates or of some reasons only")
    names = {name.value for name in scope.full_name or () if _is_http(name)}
    if scope.full_name and not names & set(list_urls(certificate)):
        raise NotTold("the list is of another distribution point")


# --- OCSP -----------------------------------------------------------------------------------------


def responder_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    """Where the issuer answers questions by OCSP, by ``http:``. Raises NotTold as ``list_urls``."""
    found = _extension(certificate, x509.AuthorityInformationAccess)
    return tuple(
        access.access_location.value
        for access in found or ()
        if access.access_method == AuthorityInformationAccessOID.OCSP
        and _is_http(access.access_location)
    )


def ocsp_question(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """The request to a responder, in DER."""
    return _question(certificate, issuer).public_bytes(Encoding.DER)


def _question(certificate: x509.Certificate, issuer: x509.Certificate) -> ocsp.OCSPRequest:
    # SHA-1 only names the issuer here, and is what every responder knows.
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())
    return builder.build()


def check_answer(
    data: bytes, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
) -> None:
    """Return if a responder's answer says that the certificate is good. Raises Revoked, NotTold."""
    try:
        answer = ocsp.load_der_ocsp_response(data)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise NotTold(f"the responder answers {answer.response_status.name.lower()}")
        _check_signature_of_answer(answer, _signer(answer, issuer, now))
        said = _about(answer, _question(certificate, issuer))
    except (*UNREADABLE, TypeError, UnsupportedAlgorithm):
        raise NotTold("the responder's answer cannot be read") from None
    if said.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        since = said.revocation_time_utc
        raise Revoked("revoked" if since is None else f"revoked since {since:%Y-%m-%d}")
    if said.this_update_utc > now + SKEW:
        raise NotTold("the responder's answer is of the future")
    if (said.next_update_utc or said.this_update_utc) < now - SKEW:
        raise NotTold("the responder's answer has expired")
    if said.certificate_status is not ocsp.OCSPCertStatus.GOOD:
        raise NotTold("the responder does not know the certificate")


def _about(answer: ocsp.OCSPResponse, question: ocsp.OCSPRequest) -> ocsp.OCSPSingleResponse:
    for said in answer.responses:
        if (
            said.serial_number == question.serial_number
            and said.issuer_key_hash == question.issuer_key_hash
            and said.issuer_name_hash == question.issuer_name_hash
        ):
            return said
    raise NotTold("the responder's answer is about another certificate")


def _signer(answer: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> x509.Certificate:
    """Who has signed: the issuer, or a responder to whom the issuer gave a certificate for it."""
    if _is_responder(answer, issuer):
        return issuer
    for certificate in answer.certificates:
        usages = _extension(certificate, x509.ExtendedKeyUsage)
        if (
            _is_responder(answer, certificate)
            and usages is not None
            and ExtendedKeyUsageOID.OCSP_SIGNING in usages
            and certificate.not_valid_before_utc - SKEW <= now
            and now <= certificate.not_valid_after_utc + SKEW
        ):
            try:
                certificate.verify_directly_issued_by(issuer)
            except InvalidSignature:
                continue
            return certificate
    raise NotTold("the responder's answer is not of the issuer")


def _is_responder(answer: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    if answer.responder_key_hash is None:
        return answer.responder_name == certificate.subject
    key = certificate.public_key()
    return answer.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(key).digest


def _check_signature_of_answer(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> None:
    key: Any = signer.public_key()
    digest = answer.signature_hash_algorithm
    if digest is not None and digest.digest_size < DIGEST_BYTES_MIN:
        raise NotTold(f"the responder's answer is signed with {digest.name}")
    arguments: tuple[Any, ...]
    if isinstance(key, rsa.RSAPublicKey):
        arguments = (padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
        arguments = (ec.ECDSA(digest),)
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        arguments = ()
    else:
        raise NotTold("the responder's key is of an unknown kind")
    try:
        key.verify(answer.signature, answer.tbs_response_bytes, *arguments)
    except InvalidSignature:
        raise NotTold("the responder's answer is not signed by the issuer") from None


# --- both -----------------------------------------------------------------------------------------


def _extension(found: x509.Certificate | x509.CertificateRevocationList, kind: type[Any]) -> Any:
    """The value of an extension; None without it."""
    try:
        return found.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE:
        raise NotTold("its extensions cannot be read") from None


def _is_http(name: x509.GeneralName) -> bool:
    return isinstance(name, x509.UniformResourceIdentifier) and name.value.lower().startswith(
        "http://"
    )
