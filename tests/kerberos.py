"""A real KDC (MIT's, of Debian's ``krb5-kdc`` and ``krb5-admin-server``) on loopback."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

REALM = "EXAMPLE.COM"
_SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing() -> str | None:
    """What a test with Kerberos needs and this machine has not, or None."""
    if importlib.util.find_spec("gssapi") is None:
        return "the package gssapi is not installed (make gssapi)"
    for program, package in (
        ("krb5kdc", "krb5-kdc"),
        ("kdb5_util", "krb5-kdc"),
        ("kadmin.local", "krb5-admin-server"),
    ):
        if shutil.which(program, path=_SBIN) is None:
            return f"{program} is not installed (Debian's {package})"
    return None


class Kdc:
    """One realm; its files are in ``directory``. ``environment`` is for who uses it."""

    def __init__(self, directory: Path, port: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.config = directory / "krb5.conf"
        self.config.write_text(
            f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\n"
            "dns_lookup_realm = false\nrdns = false\ndns_canonicalize_hostname = false\n"
            "udp_preference_limit = 1\n"
            f"[realms]\n{REALM} = {{\nkdc = 127.0.0.1:{port}\n}}\n"
            f"[domain_realm]\nlocalhost = {REALM}\n"
        )
        (directory / "kdc.conf").write_text(
            f"[realms]\n{REALM} = {{\ndatabase_name = {directory}/principal\n"
            f"key_stash_file = {directory}/stash\nacl_file = {directory}/kadm5.acl\n"
            f"kdc_listen = 127.0.0.1:{port}\nkdc_tcp_listen = 127.0.0.1:{port}\n}}\n"
            f"[logging]\nkdc = FILE:{directory}/kdc.log\n"
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KRB5_CONFIG": str(self.config),
            "KRB5_KDC_PROFILE": str(self.directory / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{self.directory}/no-cache",
            "KRB5RCACHENAME": f"dfl:{self.directory}/replays",
        }

    def keytab(self, principal: str) -> Path:
        """A new principal, and a file with its keys."""
        path = self.directory / f"{principal.replace('/', '-')}.keytab"
        self._run("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {principal}")
        self._run("kadmin.local", "-r", REALM, "-q", f"ktadd -k {path} {principal}")
        return path

    def _run(self, program: str, *arguments: str) -> None:
        found = shutil.which(program, path=_SBIN)
        assert found is not None
        done = subprocess.run(
            [found, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    def __enter__(self) -> Self:
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        self.start()
        return self

    def start(self) -> None:
        found = shutil.which("krb5kdc", path=_SBIN)
        assert found is not None
        self._process = subprocess.Popen(
            [found, "-n", "-r", REALM],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, (self.directory / "kdc.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
