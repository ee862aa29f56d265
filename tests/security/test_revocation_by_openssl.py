"""Lists and answers of an authority that OpenSSL keeps."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from barnabas.security.revocation import (
    NotTold,
    Revoked,
    check_answer,
    check_authentic,
    check_list,
    ocsp_question,
    read_list,
)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]

CONFIG = """
[ca]
default_ca = own
[own]
dir = .
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
CN = unused
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
[responder]
extendedKeyUsage = OCSPSigning
[server]
basicConstraints = CA:false
"""
KEYS = {"rsa": ["rsa:2048"], "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]}


class Authority:
    """Files of ``openssl ca`` in a directory."""

    def __init__(self, directory: Path, kind: str) -> None:
        self._directory = directory
        self._kind = KEYS[kind]
        (directory / "conf").write_text(CONFIG)
        (directory / "index.txt").write_text("")
        (directory / "serial").write_text("01\n")
        self.run("req", "-x509", *self._new("ca"), "-out", "ca.pem", "-extensions", "root")
        for name in ("server", "responder"):
            self.run("req", *self._new(name), "-out", f"{name}.csr")
            sign = ("-in", f"{name}.csr", "-out", f"{name}.pem", "-extensions", name)
            self.run("ca", "-config", "conf", "-batch", *sign)

    def _new(self, name: str) -> list[str]:
        key = ["-nodes", "-newkey", *self._kind, "-keyout", f"{name}.key"]
        return ["-new", "-config", "conf", *key, "-subj", f"/CN={name}"]

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            ["openssl", *arguments],
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def certificate(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self._directory / f"{name}.pem").read_bytes())

    def look(self, digest: str = "sha256") -> None:
        self.run("ca", "-config", "conf", "-gencrl", "-md", digest, "-out", "crl.pem")
        found = read_list((self._directory / "crl.pem").read_bytes())
        check_authentic(found, self.certificate("ca"), datetime.now(UTC))
        check_list(found, self.certificate("server"))

    def ask(self, signer: str, digest: str = "sha256") -> None:
        server, issuer = self.certificate("server"), self.certificate("ca")
        (self._directory / "question").write_bytes(ocsp_question(server, issuer))
        by = ("-rsigner", f"{signer}.pem", "-rkey", f"{signer}.key", "-ndays", "1")
        files = ("-rmd", digest, "-reqin", "question", "-respout", "answer")
        self.run("ocsp", "-index", "index.txt", "-CA", "ca.pem", *by, *files)
        answer = (self._directory / "answer").read_bytes()
        check_answer(answer, server, issuer, datetime.now(UTC))


@pytest.mark.parametrize("kind", KEYS)
def test_what_openssl_revokes(tmp_path: Path, kind: str) -> None:
    authority = Authority(tmp_path, kind)
    ways: list[Callable[[], None]] = [
        authority.look,
        lambda: authority.ask("ca"),
        lambda: authority.ask("responder"),
    ]
    for way in ways:
        way()
    with pytest.raises(NotTold, match="signed with sha1"):
        authority.look("sha1")
    with pytest.raises(NotTold, match="signed with sha1"):
        authority.ask("responder", "sha1")
    authority.run("ca", "-config", "conf", "-revoke", "server.pem")
    for way in ways:
        with pytest.raises(Revoked, match="revoked since 2"):
            way()
