"""A token provider: keys, signed tokens, and both over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

ISSUER, AUDIENCE = "https://issuer.example", "barnabas"
LIFETIME_S = 300


class Provider:
    """``key_ids``: of the keys that it publishes; it signs with the last."""

    def __init__(self, *key_ids: str) -> None:
        self.keys: list[RSAKey | ECKey] = []
        for key_id in key_ids or ("first",):
            self.add(key_id)
        self.forms: list[dict[str, list[str]]] = []
        """Of the requests for tokens."""
        self.asked = 0
        """How often for keys."""

    def add(self, key_id: str, kind: str = "RSA") -> None:
        names: Any = {"kid": key_id, "use": "sig"}
        made = (
            RSAKey.generate_key(2048, names)
            if kind == "RSA"
            else ECKey.generate_key("P-256", names)
        )
        self.keys.append(made)

    def jwks(self) -> bytes:
        return json.dumps(KeySet(list(self.keys)).as_dict(private=False)).encode()

    def token(self, subject: str, now_s: float, *, key: Any = None, **claims: Any) -> str:
        """Of a claim that is None nothing is said."""
        key = key or self.keys[-1]
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now_s,
            "exp": now_s + LIFETIME_S,
            **claims,
        }
        header = {"alg": "RS256" if isinstance(key, RSAKey) else "ES256", "kid": key.kid}
        return jwt.encode(header, {k: v for k, v in said.items() if v is not None}, key)

    def save(self, path: Path) -> str:
        """The keys in a file; its URL."""
        path.write_bytes(self.jwks())
        return path.as_uri()

    @contextmanager
    def served(self, wall_s: Any) -> Iterator[str]:
        """Over HTTP; the URL. ``/keys`` has the keys, ``/token`` a token for who logs in."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                provider.asked += 1
                self._answer(200, provider.jwks())

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.forms.append(parse_qs(form))
                if self.headers["Authorization"] != "Basic YWxpY2U6YWxpY2Utc2VjcmV0":
                    self._answer(401, b"{}")
                    return
                token = provider.token("alice", wall_s())
                self._answer(200, json.dumps({"access_token": token}).encode())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
