"""pytest plugin: run kazoo's own test suite against a server that is already running.

kazoo's harness (kazoo.testing.harness) always launches a 3-node Java ensemble.
This plugin swaps that ensemble for a stub that only knows addresses, so every
test talks to the server you name.  Nothing in kazoo is edited. Needs kazoo's sources (its wheel has
no tests): pip download --no-binary :all: --no-deps kazoo==2.10.0

    KAZOO_EXTERNAL_HOSTS=127.0.0.1:2181 \
    PYTHONPATH=/dir/of/this/file pytest -p kazoo_external_plugin \
        --pyargs kazoo.tests            # or the path of a kazoo checkout's kazoo/tests

Environment
  KAZOO_EXTERNAL_HOSTS   host:port[,host:port...]   required.  One address is enough.
                         It is repeated so that cluster[0..2] exist.
  KAZOO_EXTERNAL_VERSION version the tests should assume (default 3.8.0); only
                         used where kazoo reads it from the environment.
  KAZOO_EXTERNAL_STOP / KAZOO_EXTERNAL_START
                         optional shell commands; "{port}" and "{index}" are
                         filled in.  With both set, the tests that stop and
                         restart a server run too; without them they skip.
  KAZOO_EXTERNAL_START_WAIT  seconds to wait for the port after START (default 15)
  KAZOO_EXTERNAL_SUPER   "1" if the server accepts digest super:test
                         (superDigest super:D/InIHSb7yEEbrWz8b9l71RjZJU=) AND has
                         reconfigEnabled on a real QUORUM; enables TestReconfig (3 tests).
  KAZOO_EXTERNAL_SASL    "1" if DIGEST-MD5 SASL knows jaasuser/jaas_password
                         and super/super_secret.
  KAZOO_EXTERNAL_SKIP    extra comma-separated substrings of node ids to skip.

Skips are reported with a reason that starts with "external:" so that they can be
counted apart from kazoo's own skips (pytest -rs | grep external:).
"""

import os
import shlex
import socket
import subprocess
import time
import unittest

import pytest

os.environ.setdefault("ZOOKEEPER_VERSION", os.environ.get("KAZOO_EXTERNAL_VERSION", "3.8.0"))

_HOSTS = [h.strip() for h in os.environ.get("KAZOO_EXTERNAL_HOSTS", "").split(",") if h.strip()]
_STOP = os.environ.get("KAZOO_EXTERNAL_STOP")
_START = os.environ.get("KAZOO_EXTERNAL_START")


def _flag(name):
    return os.environ.get(name, "") not in ("", "0")


class ExternalServer:
    """Quacks like kazoo.testing.common.ManagedZooKeeper."""

    def __init__(self, index, address):
        self.index = index
        self.address = address
        self.host, port = address.rsplit(":", 1)
        self.client_port = int(port)
        self.secure_client_port = None
        self.running = True

    @property
    def secure_address(self):
        raise unittest.SkipTest("external: no TLS port configured")

    def _cmd(self, template):
        cmd = template.format(port=self.client_port, index=self.index, host=self.host)
        subprocess.run(
            shlex.split(cmd),
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self):
        if not (_STOP and _START):
            raise unittest.SkipTest("external: test stops a server; set KAZOO_EXTERNAL_STOP/START")
        self._cmd(_STOP)
        self.running = False

    def run(self):
        if self.running:
            return
        self._cmd(_START)
        deadline = time.time() + float(os.environ.get("KAZOO_EXTERNAL_START_WAIT", "15"))
        while time.time() < deadline:
            try:
                socket.create_connection((self.host, self.client_port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        self.running = True

    def reset(self):
        raise unittest.SkipTest("external: test wipes a server's data")

    def destroy(self):
        pass

    def get_logs(self, num_lines=100):
        return []


class ExternalCluster:
    def __init__(self, hosts):
        uniq = [ExternalServer(i, h) for i, h in enumerate(hosts)]
        self._uniq = uniq
        # tests index cluster[0], [1], [2]
        self._servers = [uniq[i % len(uniq)] for i in range(3)]

    def __getitem__(self, k):
        return self._servers[k]

    def __iter__(self):
        return iter(self._uniq)  # ",".join(addresses) then names each once

    def start(self):
        for s in self._uniq:
            s.run()

    def stop(self):
        raise unittest.SkipTest("external: test stops the whole cluster")

    def terminate(self):  # called from every tearDownClass
        pass

    def reset(self):
        raise unittest.SkipTest("external: test wipes the cluster")

    def get_logs(self):
        return []

    def get_ssl_client_configuration(self):
        raise unittest.SkipTest("external: TLS certificates belong to kazoo's own cluster")


# node-id substring -> (needs, reason); needs() True means "may run"
_RULES = [
    (
        "TestReadOnlyMode",
        lambda: len(_HOSTS) >= 3 and _STOP and _START,
        "read-only mode needs a 3-node quorum that can lose two nodes",
    ),
    (
        "test_update_host_list",
        lambda: len(_HOSTS) >= 2 and _STOP and _START,
        "needs a second server and a way to stop the first",
    ),
    ("TestSSLClient", lambda: False, "TLS certificates belong to kazoo's own cluster"),
    (
        "TestLegacySASLDigestAuthentication",
        lambda: _flag("KAZOO_EXTERNAL_SASL"),
        "needs SASL users",
    ),
    ("TestSASLDigestAuthentication", lambda: _flag("KAZOO_EXTERNAL_SASL"), "needs SASL users"),
    ("TestSASLGSSAPIAuthentication", lambda: False, "needs a KDC"),
    (
        "TestReconfig",
        lambda: _flag("KAZOO_EXTERNAL_SUPER"),
        "needs superDigest and a reconfigurable quorum",
    ),
]


def pytest_configure(config):
    if not _HOSTS:
        raise pytest.UsageError("kazoo_external_plugin: set KAZOO_EXTERNAL_HOSTS=host:port")
    # kazoo.testing.common imports jks/OpenSSL only to make certificates for its own
    # Java servers; stub them when they are absent.
    import sys
    import types

    for name in ("jks", "OpenSSL"):
        try:
            __import__(name)
        except Exception:
            sys.modules[name] = types.ModuleType(name)
    import kazoo.testing.harness as harness

    cluster = ExternalCluster(_HOSTS)
    harness.get_global_cluster = lambda: cluster
    # kazoo "nukes" its cluster when the first connection fails; fail fast instead
    harness.MAX_INIT_TRIES = 2


def pytest_collection_modifyitems(config, items):
    extra = [s for s in os.environ.get("KAZOO_EXTERNAL_SKIP", "").split(",") if s]
    for item in items:
        for part, ok, why in _RULES:
            if part in item.nodeid and not ok():
                item.add_marker(pytest.mark.skip(reason="external: " + why))
        for part in extra:
            if part in item.nodeid:
                item.add_marker(pytest.mark.skip(reason="external: KAZOO_EXTERNAL_SKIP " + part))
