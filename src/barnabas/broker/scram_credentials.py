"""CredentialCache: keeps the SCRAM credentials of all users as in ZooKeeper."""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter

from barnabas.security.sasl.scram import DEFAULT_ITERATIONS, ScramCredential, decoy
from barnabas.zk import paths
from barnabas.zk.scram import Credentials, read_users
from barnabas.zookeeper.client.client import ZooKeeperClient


class ScramCredentials:
    """The credentials of all users. They are read at the start, and again when a notification names
    a user."""

    def __init__(self, zookeeper: ZooKeeperClient) -> None:
        self._zookeeper = zookeeper
        self._users: dict[str, Credentials] = {}
        self._reading = asyncio.Lock()
        self._cluster = b""
        self._are_loaded = False
        self._decoys: dict[str, tuple[bytes, int]] = {}
        """By mechanism: (key, iterations) of the challenges for unknown users."""

    def belong_to(self, cluster_id: str) -> None:
        """Set the cluster's id."""
        self._cluster = cluster_id.encode()

    async def load(self) -> None:
        """Read all users, before the first listener with logins opens. A second call does
        nothing."""
        async with self._reading:
            if not self._are_loaded:
                self._users = dict(await read_users(self._zookeeper))
                self._are_loaded = True
                self._decoys.clear()

    async def on_notification(self, entity: str) -> None:
        """The settings of a user have changed; ``entity`` is the notification's text."""
        if "/" in entity or entity == paths.DEFAULT_ENTITY:
            return  # quotas
        await self.refresh(paths.desanitize(entity))

    async def refresh(self, user: str) -> None:
        """Read a user's credentials again."""
        async with self._reading:  # so that what was read last is kept last
            found = await read_users(self._zookeeper, [user])
            if user in found:
                self._users[user] = found[user]
            else:
                self._users.pop(user, None)
            self._decoys.clear()

    def find(self, mechanism: str, user: str) -> ScramCredential | None:
        """A user's credential for a mechanism."""
        return self._users.get(user, {}).get(mechanism)

    def decoy(self, mechanism: str, user: str) -> ScramCredential:
        """The false credential with which an unknown user is challenged. It is the same at every
        broker and after a restart, and has as many iterations as most users have.

        Its key is made from the first user's credential, which is secret. So these challenges
        change if that user's credential does."""
        if mechanism not in self._decoys:
            held = {u: c[mechanism] for u, c in self._users.items() if mechanism in c}
            counts = Counter(c.iterations for c in held.values())
            most = max(counts.values(), default=0)
            iterations = min(
                (i for i, times in counts.items() if times == most), default=DEFAULT_ITERATIONS
            )
            first = held[min(held)].stored_key if held else b""
            key = hmac.digest(self._cluster + first, mechanism.encode(), "sha512")
            self._decoys[mechanism] = key, iterations
        key, iterations = self._decoys[mechanism]
        return decoy(mechanism, key, user, iterations)
