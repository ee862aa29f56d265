"""What a revocation list or a responder's answer says of a certificate, and what says nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from tests.security.authorities import DAY, HOUR, NOW, Issued, point, responder

from barnabas.security.revocation import (
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

URL = "http://lists.example/one.crl"
ROOT = Issued("root", is_authority=True)
STRANGER = Issued("root", is_authority=True)
MIDDLE = Issued("middle", ROOT, is_authority=True, points=[point(URL)])
SERVER = Issued("zookeeper", ROOT, points=[point(URL)], responder="http://ocsp.example/")
OTHER = Issued("other", ROOT, points=[point(URL)])
RESPONDER = responder("responder", ROOT)


def look(data: bytes, about: Issued = SERVER, issuer: Issued = ROOT) -> None:
    found = read_list(data)
    check_authentic(found, issuer.certificate, NOW)
    check_list(found, about.certificate)


def scope(**given: bool | Sequence[x509.GeneralName]) -> list[tuple[x509.ExtensionType, bool]]:
    said = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
        **given,
    }
    return [(x509.IssuingDistributionPoint(**said), True)]  # type: ignore[arg-type]


def test_a_list_names_what_is_revoked() -> None:
    look(ROOT.revocations())
    look(ROOT.revocations(OTHER))
    for more in ([], [(x509.CRLReason(x509.ReasonFlags.key_compromise), True)]):
        with pytest.raises(Revoked, match="revoked since 2026-01-02"):
            look(ROOT.revocations(OTHER, SERVER, of_entries=more))


def test_a_list_in_pem() -> None:
    found = x509.load_der_x509_crl(ROOT.revocations())
    from cryptography.hazmat.primitives.serialization import Encoding

    look(found.public_bytes(Encoding.PEM))


SHORT = Issued("root", is_authority=True, signs_lists=False)
NAMED = [x509.UniformResourceIdentifier(URL)]
ELSEWHERE = [x509.UniformResourceIdentifier("http://lists.example/two.crl")]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: b"", "no revocation list"),
        (lambda: b"-----BEGIN X", "no revocation list"),
        (lambda: ROOT.revocations()[:-1], "no revocation list"),
        (lambda: ROOT.revocations(key=STRANGER.key), "not signed by the issuer"),
        (lambda: MIDDLE.revocations(), "of another issuer"),
        (lambda: ROOT.revocations(issued=NOW - 2 * DAY, until=NOW - HOUR), "expired"),
        (lambda: ROOT.revocations(issued=NOW + HOUR), "of the future"),
        (lambda: ROOT.revocations(extensions=[(x509.DeltaCRLIndicator(3), True)]), "of a kind"),
        (lambda: ROOT.revocations(extensions=scope(indirect_crl=True)), "of other certificates"),
        (lambda: ROOT.revocations(extensions=scope(only_contains_ca_certs=True)), "of other"),
        (lambda: ROOT.revocations(extensions=scope(full_name=ELSEWHERE)), "of another distrib"),
        (
            lambda: ROOT.revocations(
                SERVER, of_entries=[(x509.CertificateIssuer([x509.DNSName("a")]), True)]
            ),
            "entries of other issuers",
        ),
    ],
)
def test_a_list_that_says_nothing(data: Callable[[], bytes], why: str) -> None:
    with pytest.raises(NotTold, match=why):
        look(data())


def test_whose_certificates_a_list_is_of() -> None:
    users = ROOT.revocations(extensions=scope(only_contains_user_certs=True, full_name=NAMED))
    authorities = ROOT.revocations(extensions=scope(only_contains_ca_certs=True))
    look(users)
    look(authorities, MIDDLE)
    with pytest.raises(NotTold, match="of other certificates"):
        look(users, MIDDLE)


def test_an_issuer_whose_key_is_not_for_lists() -> None:
    with pytest.raises(NotTold, match="not for lists"):
        look(SHORT.revocations(), issuer=SHORT)


def test_where_lists_and_responders_are() -> None:
    assert list_urls(SERVER.certificate) == (URL,)
    assert list_urls(ROOT.certificate) == ()
    assert responder_urls(SERVER.certificate) == ("http://ocsp.example/",)
    assert responder_urls(OTHER.certificate) == ()
    some = frozenset([x509.ReasonFlags.key_compromise])
    points = [
        point("ldap://lists.example/", "https://lists.example/", URL, URL),
        point("http://of-some-reasons.example/", reasons=some),
        point("http://of-another.example/", crl_issuer=[x509.DirectoryName(MIDDLE.subject)]),
    ]
    assert list_urls(Issued("x", ROOT, points=points).certificate) == (URL,)


@pytest.mark.parametrize("signer", [None, RESPONDER])
@pytest.mark.parametrize("by_name", [True, False])
def test_an_answer(signer: Issued | None, by_name: bool) -> None:
    def ask(status: ocsp.OCSPCertStatus) -> None:
        data = ROOT.answer(SERVER, status, signer=signer, by_name=by_name)
        check_answer(data, SERVER.certificate, ROOT.certificate, NOW)

    ask(ocsp.OCSPCertStatus.GOOD)
    with pytest.raises(Revoked, match="revoked since 2026-01-02"):
        ask(ocsp.OCSPCertStatus.REVOKED)
    with pytest.raises(NotTold, match="does not know"):
        ask(ocsp.OCSPCertStatus.UNKNOWN)


def refusal() -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    status = ocsp.OCSPResponseStatus.TRY_LATER
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: b"", "cannot be read"),
        (lambda: ROOT.answer(SERVER)[:-1], "cannot be read"),
        (refusal, "try_later"),
        (lambda: ROOT.answer(OTHER), "about another certificate"),
        (lambda: STRANGER.answer(SERVER), "not of the issuer"),
        (lambda: STRANGER.answer(SERVER, by_name=True), "not signed by the issuer"),
        (lambda: ROOT.answer(SERVER, signer=OTHER), "not of the issuer"),
        (lambda: ROOT.answer(SERVER, signer=responder("x", STRANGER)), "not of the issuer"),
        (lambda: ROOT.answer(SERVER, issued=NOW - DAY, until=NOW - HOUR), "expired"),
        (lambda: ROOT.answer(SERVER, until=None), "expired"),
        (lambda: ROOT.answer(SERVER, issued=NOW + HOUR), "of the future"),
    ],
)
def test_an_answer_that_says_nothing(data: Callable[[], bytes], why: str) -> None:
    with pytest.raises(NotTold, match=why):
        check_answer(data(), SERVER.certificate, ROOT.certificate, NOW)


def test_a_question_names_the_certificate() -> None:
    asked = ocsp.load_der_ocsp_request(ocsp_question(SERVER.certificate, ROOT.certificate))
    assert asked.serial_number == SERVER.certificate.serial_number
