"""Delegation tokens in ZooKeeper: ``/delegation_token/tokens/ID``, byte for byte as Kafka writes
them. They contain no secret. Paths and bodies are pure, reading is a flow.
"""

from __future__ import annotations

import logging
import re
from typing import Final

import msgspec

from barnabas.security.principal import KafkaPrincipal
from barnabas.security.tokens import TokenInformation
from barnabas.zk import paths
from barnabas.zk.startup import persist, read_all
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import GetOp, Operation
from barnabas.zookeeper.errors import MalformedZNode, NoNode
from barnabas.zookeeper.messages import Stat

log = logging.getLogger("kafka.server")

TOKENS: Final = "/delegation_token/tokens"
TOKEN_CHANGES: Final = "/delegation_token/token_changes"
TOKEN_CHANGE_PREFIX: Final = f"{TOKEN_CHANGES}/token_change_"
VERSION: Final = 3
_FIRST_WITH_REQUESTER: Final = 3
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def token_path(token_id: str) -> str:
    """``/delegation_token/tokens/ID``."""
    return f"{TOKENS}/{token_id}"


def is_token_id(text: str) -> bool:
    """Whether a text can be a token's id, and so the name of a node."""
    return _ID.fullmatch(text) is not None


class _TokenJson(msgspec.Struct, kw_only=True):
    issued_ms: int = msgspec.field(name="issueTimestamp")
    renewers: list[str]
    requester: str | None = msgspec.field(name="tokenRequester", default=None)
    id: str = msgspec.field(name="tokenId")
    owner: str
    expires_ms: int = msgspec.field(name="expiryTimestamp")
    latest_ms: int = msgspec.field(name="maxTimestamp")
    version: int


def encode_token(token: TokenInformation) -> bytes:
    """The body of a token's node. Principals are URL-encoded in it."""
    return msgspec.json.encode(
        _TokenJson(
            issued_ms=token.issued_ms,
            renewers=[paths.sanitize(str(renewer)) for renewer in token.renewers],
            requester=paths.sanitize(str(token.requester)),
            id=token.id,
            owner=paths.sanitize(str(token.owner)),
            expires_ms=token.expires_ms,
            latest_ms=token.latest_ms,
            version=VERSION,
        )
    )


def decode_token(path: str, data: bytes | None) -> TokenInformation:
    """The token in a node's body of version 1 to 3. Raises MalformedZNode."""
    try:
        json = msgspec.json.decode(data or b"", type=_TokenJson)
        owner = KafkaPrincipal.parse(paths.desanitize(json.owner))
        requester = owner
        if json.version >= _FIRST_WITH_REQUESTER:
            requester = KafkaPrincipal.parse(paths.desanitize(json.requester or ""))
        renewers = tuple(KafkaPrincipal.parse(paths.desanitize(r)) for r in json.renewers)
    except (msgspec.MsgspecError, ValueError) as error:
        raise MalformedZNode(path, str(error)) from error
    if not 0 < json.version <= VERSION:
        raise MalformedZNode(path, f"version {json.version} is not known")
    if token_path(json.id) != path or not is_token_id(json.id):
        raise MalformedZNode(path, "is of another token")
    return TokenInformation(
        id=json.id,
        owner=owner,
        requester=requester,
        renewers=renewers,
        issued_ms=json.issued_ms,
        expires_ms=json.expires_ms,
        latest_ms=json.latest_ms,
    )


async def ensure_token_paths(zookeeper: ZooKeeperClient) -> None:
    """Create the parent nodes, which every broker with a key for tokens needs."""
    for path in (TOKEN_CHANGES, TOKENS):
        await zookeeper.ensure_path(path)


async def read_tokens(zookeeper: ZooKeeperClient) -> dict[str, bytes]:
    """The bodies of all tokens, by id."""
    try:
        names, _ = await persist(zookeeper, lambda: zookeeper.children(TOKENS))
    except NoNode:
        return {}
    ids = [name for name in names if is_token_id(name)]
    reads: list[Operation[tuple[bytes, Stat]]] = [GetOp(token_path(each)) for each in ids]
    outcomes = zip(ids, await read_all(zookeeper, reads), strict=True)
    return {each: found[0] for each, found in outcomes if not isinstance(found, NoNode)}


async def read_token(zookeeper: ZooKeeperClient, token_id: str) -> bytes | None:
    """The body of a token, or None if there is none."""
    try:
        data, _ = await persist(zookeeper, lambda: zookeeper.get(token_path(token_id)))
    except NoNode:
        return None
    return data
