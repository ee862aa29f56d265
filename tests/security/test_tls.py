"""Key stores of every kind, contexts, names of certificates and the rules over them."""

from __future__ import annotations

import _ssl
import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from barnabas.cluster.certificates import Authority
from barnabas.errors import BadTls
from barnabas.security import tls13_suites
from barnabas.security.principal_mapping import NoMatchingRule, PrincipalMapping
from barnabas.security.stores import BadStore, StoreSettings, read_identity, read_trusted
from barnabas.security.tls import (
    TlsSettings,
    check_tls,
    client_context,
    peer_name,
    server_context,
)
from barnabas.security.tls13_suites import SUITES
from barnabas.security.x500 import distinguished_name

GOLDEN = Path(__file__).parents[1] / "golden/security"
AUTHORITY = Authority()
KEY, CERTIFICATE = AUTHORITY.issue("localhost", ["localhost", "127.0.0.1"])
PASSWORD = "changeit"
NOTHING = StoreSettings(name="ssl.keystore", type="PEM")
TRUST = StoreSettings(name="ssl.truststore", type="PEM", certificates=AUTHORITY.pem.decode())


def _no_files(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", path)


def _pem(**more: Any) -> StoreSettings:
    return StoreSettings(
        **{
            "name": "ssl.keystore",
            "type": "PEM",
            "key": KEY.decode(),
            "certificates": CERTIFICATE.decode(),
            **more,
        }
    )


def _file(data: bytes, **more: Any) -> tuple[StoreSettings, Callable[[str], bytes]]:
    settings = StoreSettings(
        **{"name": "ssl.keystore", "type": "PKCS12", "location": "/keys", **more}
    )
    return settings, lambda _: data


def _p12(password: str = PASSWORD) -> bytes:
    key = load_pem_private_key(KEY, None)
    certificate = x509.load_pem_x509_certificate(CERTIFICATE)
    others = [x509.load_pem_x509_certificate(AUTHORITY.pem)]
    hidden = BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(b"me", key, certificate, others, hidden)  # type: ignore[arg-type]


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> Any:
    """Both sides in memory; the server's object. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(to_server, to_client, server_side=True)
    other = client.wrap_bio(to_client, to_server, server_hostname=host)
    waiting = [other, one]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return one


@pytest.mark.parametrize("protocols", [("TLSv1.2",), ("TLSv1.3",), ("TLSv1.2", "TLSv1.3")])
def test_versions(protocols: tuple[str, ...]) -> None:
    settings = TlsSettings(keystore=_pem(), truststore=TRUST, protocols=protocols)
    made = _handshake(
        server_context(settings, _no_files), client_context(settings, _no_files), "127.0.0.1"
    )
    assert made.version() == max(protocols)


def test_who_is_trusted_and_by_which_name() -> None:
    both = TlsSettings(keystore=_pem(), truststore=TRUST, client_auth="required")
    server = server_context(both, _no_files)
    made = _handshake(server, client_context(both, _no_files))
    assert peer_name(made.getpeercert(binary_form=True)) == "CN=localhost"
    for client, host in (
        (TlsSettings(keystore=NOTHING, truststore=TRUST), "localhost"),
        (TlsSettings(keystore=_pem(), truststore=TRUST), "elsewhere"),
        (TlsSettings(keystore=_pem(), truststore=NOTHING), "localhost"),
    ):
        with pytest.raises((ssl.SSLError, AssertionError)):
            _handshake(server, client_context(client, _no_files), host)
    careless = TlsSettings(keystore=_pem(), truststore=TRUST, endpoint_identification="")
    _handshake(server, client_context(careless, _no_files), "elsewhere")


def test_stores_of_every_kind(tmp_path: Path) -> None:
    hidden = load_pem_private_key(KEY, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"key-pw")
    )
    for settings, read in (
        (_pem(), _no_files),
        (_pem(key=hidden.decode(), key_password="key-pw"), _no_files),
        _file(KEY + CERTIFICATE, type="PEM"),
        _file(_p12(), password=PASSWORD),
        _file(_p12(), type="JKS", password=PASSWORD),
    ):
        identity = read_identity(settings, read)
        assert identity.key == KEY
        assert identity.chain.startswith(CERTIFICATE.strip())
        assert "PRIVATE" not in repr(settings) + repr(identity)


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("keytool") is None, reason="needs a JDK's keytool")
@pytest.mark.parametrize("kind", ["JKS", "PKCS12"])
def test_stores_of_keytool(tmp_path: Path, kind: str) -> None:
    keys, trust = tmp_path / "keys", tmp_path / "trust"
    (tmp_path / "p12").write_bytes(_p12())
    (tmp_path / "ca").write_bytes(AUTHORITY.pem)
    key_password = "other-pw" if kind == "JKS" else PASSWORD
    _keytool(
        "-importkeystore",
        *("-srckeystore", str(tmp_path / "p12"), "-srcstoretype", "PKCS12"),
        *("-srcstorepass", PASSWORD, "-srcalias", "me", "-destkeystore", str(keys)),
        *("-deststoretype", kind, "-deststorepass", PASSWORD, "-destkeypass", key_password),
    )
    _keytool(
        *("-importcert", "-alias", "ca", "-file", str(tmp_path / "ca"), "-keystore", str(trust)),
        *("-storetype", kind, "-storepass", PASSWORD),
    )
    store = StoreSettings(
        name="ssl.keystore",
        type=kind,
        location=str(keys),
        password=PASSWORD,
        key_password=key_password if kind == "JKS" else "",
    )
    trusted = StoreSettings(
        name="ssl.truststore", type=kind, location=str(trust), password=PASSWORD
    )

    def read(path: str) -> bytes:
        return Path(path).read_bytes()

    assert read_identity(store, read).key == KEY
    assert read_trusted(trusted, read).strip() == AUTHORITY.pem.decode().strip()
    settings = TlsSettings(keystore=store, truststore=trusted, client_auth="required")
    _handshake(server_context(settings, read), client_context(settings, read))
    wrong = StoreSettings(name="ssl.keystore", type=kind, location=str(keys), password="not-it")
    with pytest.raises(BadStore, match="password"):
        read_identity(wrong, read)


def _keytool(*arguments: str) -> None:
    subprocess.run(["keytool", "-noprompt", *arguments], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("settings", "read", "message"),
    [
        (_pem(type="XYZ"), _no_files, "ssl.keystore.type: 'XYZ' is not supported"),
        (_pem(type="JKS"), _no_files, "ssl.keystore.type: PEM is needed"),
        (_pem(location="/x"), _no_files, "only one of a file and of PEM texts"),
        (_pem(key=""), _no_files, "ssl.keystore.key: holds 0 private keys"),
        (_pem(certificates=""), _no_files, "ssl.keystore.certificate.chain: holds no certificate"),
        (_pem(key=KEY.decode().replace("M", "N")), _no_files, "a private key that cannot be read"),
        (*_file(b"", password=PASSWORD)[:1], _no_files, "cannot read '/keys': No such file"),
        (*_file(_p12()), "ssl.keystore.password: required"),
        (*_file(_p12(), password="wrong-pw"), "does not open it"),
        (*_file(b"garbage", password=PASSWORD), "no PKCS12 or JKS store"),
        (*_file(b"\xfe\xed\xfe\xed" + bytes(40), password=PASSWORD), "password: does not open"),
        (*_file(KEY + CERTIFICATE, type="PEM", password="x"), "cannot be given for PEM"),
    ],
)
def test_stores_that_are_none(
    settings: StoreSettings, read: Callable[[str], bytes], message: str
) -> None:
    with pytest.raises(BadStore, match=message) as raised:
        read_identity(settings, read)
    assert "wrong-pw" not in str(raised.value)
    assert "\n" not in str(raised.value)


@given(st.binary(max_size=200))
def test_any_bytes_of_a_store(data: bytes) -> None:
    for start in (b"", b"\xfe\xed\xfe\xed\0\0\0\2", b"-----BEGIN CERTIFICATE-----"):
        for kind in ("JKS", "PEM"):
            settings, read = _file(start + data, type=kind, name="ssl.truststore")
            try:
                read_trusted(settings, read)
            except BadStore:
                continue


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"protocols": ("TLSv1.1",)}, "ssl.enabled.protocols: TLSv1.1 is not supported"),
        ({"protocols": ()}, "ssl.enabled.protocols: nothing"),
        ({"cipher_suites": ("TLS_NOPE",)}, "ssl.cipher.suites: 'TLS_NOPE' is not supported"),
        ({"protocol": "TLSv1.1"}, "ssl.protocol: 'TLSv1.1' is not supported, only TLS, TLSv1.3"),
        ({"protocol": ""}, "ssl.protocol: '' is not supported"),
        (
            {"cipher_suites": ("TLS_AES_256_GCM_SHA384",), "protocols": ("TLSv1.2",)},
            "none is for TLSv1.2, the only version",
        ),
        ({"endpoint_identification": "ldaps"}, "ssl.endpoint.identification.algorithm"),
        (
            {
                "cipher_suites": ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",),
                "protocols": ("TLSv1.3",),
            },
            "none is for TLSv1.3",
        ),
    ],
)
def test_what_tls_cannot_do(more: dict[str, Any], message: str) -> None:
    with pytest.raises(BadTls, match=message):
        check_tls(TlsSettings(keystore=NOTHING, truststore=NOTHING, **more))


@pytest.mark.parametrize(
    "suites",
    [
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    ],
)
def test_suites_of_tls_1_2_leave_no_1_3(suites: tuple[str, ...]) -> None:
    settings = TlsSettings(keystore=_pem(), truststore=TRUST, cipher_suites=suites)
    made = _handshake(server_context(settings, _no_files), client_context(settings, _no_files))
    assert made.version() == "TLSv1.2"


def _spoken(server: dict[str, Any], client: dict[str, Any]) -> tuple[str, str]:
    stores: dict[str, Any] = {"keystore": _pem(), "truststore": TRUST}
    made = _handshake(
        server_context(TlsSettings(**stores, **server), _no_files),
        client_context(TlsSettings(**stores, **client), _no_files),
    )
    return made.version(), made.cipher()[0]


ALL_OF_1_3 = tuple(SUITES)
AES_128, CHACHA = "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"
OF_1_2 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"


@pytest.mark.parametrize(
    ("server", "client", "version"),
    [
        ({"protocol": "TLSv1.2"}, {}, "TLSv1.3"),
        ({}, {"protocol": "TLSv1.2"}, "TLSv1.2"),
        ({}, {"protocol": "tlsv1.2"}, "TLSv1.2"),
        ({"protocol": "TLS"}, {"protocol": "SSL"}, "TLSv1.3"),
        ({}, {"protocol": "TLSv1.2", "cipher_suites": (*ALL_OF_1_3, OF_1_2)}, "TLSv1.3"),
        ({"protocol": "TLSv1.2", "protocols": ("TLSv1.3",)}, {}, "TLSv1.3"),
    ],
)
def test_the_protocol_limits_what_is_connected_to_as_in_java(
    server: dict[str, Any], client: dict[str, Any], version: str
) -> None:
    """What Java 17 spoke with the same contexts."""
    assert _spoken(server, client)[0] == version


def test_a_client_of_tls_1_2_that_may_speak_1_3_only() -> None:
    settings = TlsSettings(
        keystore=_pem(), truststore=TRUST, protocol="TLSv1.2", protocols=("TLSv1.3",)
    )
    with pytest.raises(BadTls, match=r"ssl\.protocol: TLSv1\.2 is not in ssl\.enabled\.protocols"):
        client_context(settings, _no_files)


CHOOSES = hasattr(_ssl, "__file__") or hasattr(ssl.SSLContext, "set_ciphersuites")


@pytest.mark.skipif(not CHOOSES, reason="needs a Python whose OpenSSL is a library")
@pytest.mark.parametrize("suites", [(AES_128,), (CHACHA, AES_128), (AES_128, OF_1_2)])
def test_suites_of_tls_1_3_are_chosen(suites: tuple[str, ...]) -> None:
    assert _spoken({"cipher_suites": suites}, {}) == ("TLSv1.3", suites[0])
    assert _spoken({}, {"cipher_suites": suites}) == ("TLSv1.3", suites[0])
    for more in ({"cipher_suites": ("TLS_AES_256_GCM_SHA384",)}, {"protocols": ("TLSv1.2",)}):
        if OF_1_2 in suites and "protocols" in more:
            assert _spoken({"cipher_suites": suites}, more)[0] == "TLSv1.2"
            continue
        with pytest.raises((ssl.SSLError, AssertionError)):
            _spoken({"cipher_suites": suites}, more)


def test_suites_of_tls_1_3_alone_leave_no_1_2() -> None:
    with pytest.raises((ssl.SSLError, AssertionError)):
        _spoken({"cipher_suites": ALL_OF_1_3}, {"protocols": ("TLSv1.2",)})


def test_a_python_that_cannot_choose_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for broken in (lambda context, suites: False, lambda context, suites: True):
        monkeypatch.setattr(tls13_suites, "_by_library", broken)
        monkeypatch.setattr(tls13_suites, "_SET", "no_such_method")
        with pytest.raises(BadTls, match=r"ssl\.cipher\.suites: .* TLSv1\.3"):
            _spoken({"cipher_suites": (AES_128,)}, {})
        assert _spoken({"cipher_suites": ALL_OF_1_3}, {})[0] == "TLSv1.3", "nothing to choose"


@pytest.mark.skipif(hasattr(ssl.SSLContext, "set_ciphersuites"), reason="this Python has it itself")
def test_pythons_own_function_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Context(ssl.SSLContext):
        def set_ciphersuites(self, suites: str) -> None:
            asked.append(suites)

    monkeypatch.setattr(tls13_suites, "_by_library", None)
    with pytest.raises(BadTls, match="OpenSSL does not take TLS_AES_128_GCM_SHA256 of"):
        tls13_suites.choose_suites(Context(ssl.PROTOCOL_TLS_SERVER), [AES_128])
    assert asked == [AES_128]


def test_a_server_needs_a_key_and_a_certificate_that_fit() -> None:
    with pytest.raises(BadTls, match=r"ssl\.keystore\.location: required"):
        server_context(TlsSettings(keystore=NOTHING, truststore=TRUST), _no_files)
    other, _ = AUTHORITY.issue("other")
    with pytest.raises(BadTls, match="do not match"):
        server_context(TlsSettings(keystore=_pem(key=other.decode()), truststore=TRUST), _no_files)
    with pytest.raises(BadTls, match=r"ssl\.truststore\.location: required"):
        server_context(
            TlsSettings(keystore=_pem(), truststore=NOTHING, client_auth="requested"), _no_files
        )


# Names

E_MAIL = NameOID.EMAIL_ADDRESS


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            [
                (NameOID.DOMAIN_COMPONENT, "com"),
                (NameOID.DOMAIN_COMPONENT, "example"),
                (NameOID.ORGANIZATIONAL_UNIT_NAME, "ops"),
                (NameOID.COMMON_NAME, "bob"),
                (E_MAIL, "bob@example.com"),
                (NameOID.USER_ID, "42"),
            ],
            "UID=42,1.2.840.113549.1.9.1=#160f626f62406578616d706c652e636f6d,CN=bob,OU=ops,"
            "DC=example,DC=com",
        ),
        (
            [(NameOID.ORGANIZATION_NAME, "Org, Inc"), (NameOID.COMMON_NAME, 'a+b="c" #;<>\\')],
            'CN=a\\+b\\=\\"c\\" \\#\\;\\<\\>\\\\,O=Org\\, Inc',
        ),
        ([(NameOID.COMMON_NAME, " ü  ")], "CN=\\ ü\\ \\ "),
        ([], ""),
    ],
)
def test_names_as_java_spells_them(parts: Sequence[Any], expected: str) -> None:
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
    assert distinguished_name(name.public_bytes()) == expected


@given(st.binary(max_size=80))
def test_any_bytes_of_a_name(data: bytes) -> None:
    try:
        distinguished_name(data)
    except ValueError:
        return


def _recorded() -> list[dict[str, str]]:
    found = json.loads((GOLDEN / "ssl-principal-mapping.json").read_text())
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("case", _recorded(), ids=lambda c: f"{c['rules']} {c['name'][:6]}")
def test_the_rules_as_the_original_applies_them(case: dict[str, str]) -> None:
    kind, _, text = case["result"].partition(": ")
    if kind.endswith("NoMatchingRule"):
        with pytest.raises(NoMatchingRule) as unmatched:
            PrincipalMapping(case["rules"]).name_of(case["name"])
        assert str(unmatched.value).partition(", rules")[0] == text.partition(", rules")[0]
    elif kind.endswith("IllegalArgumentException"):
        with pytest.raises(ValueError, match=re.escape(text)):
            PrincipalMapping(case["rules"])
    else:
        assert PrincipalMapping(case["rules"]).name_of(case["name"]) == case["result"]


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_rules(rules: str, name: str) -> None:
    for text in (rules, f"RULE:{rules}/$1/", f"RULE:(.*)/{rules}/L,DEFAULT"):
        try:
            PrincipalMapping(text).name_of(name)
        except (ValueError, NoMatchingRule):
            continue
