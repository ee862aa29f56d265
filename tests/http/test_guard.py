"""Who may come in."""

from __future__ import annotations

import os
from typing import Any

import pytest

from barnabas.errors import ConfigError
from barnabas.http.guard import ANY_NAME, Guard, Head, Judgement, check_address, new_token

TOKEN = "a-token"
GUARD = Guard(token=TOKEN)
HOST = "127.0.0.1:9000"


def judge(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    *,
    guard: Guard = GUARD,
    host: str | None = HOST,
    **headers: str,
) -> Judgement:
    pairs = [] if host is None else [(b"host", host.encode())]
    pairs += [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in headers.items()]
    return guard.judge(Head(method=method, path=path, query=query.encode(), headers=pairs))


def bearer(**headers: str) -> dict[str, Any]:
    return {"authorization": f"Bearer {TOKEN}", **headers}


def test_the_token_in_each_of_its_places() -> None:
    assert judge(authorization=f"Bearer {TOKEN}").status == 0
    assert judge(authorization=f"bearer  {TOKEN} ").status == 0
    assert judge(query=f"token={TOKEN}").status == 0
    assert judge(cookie=f"other=1; {GUARD.cookie}={TOKEN}").status == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer a-toke"},
        {"authorization": "Bearer a-tokens"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"authorization": "Bearer \xe9"},
        {"cookie": f"barnabas={TOKEN}"},
        {"cookie": TOKEN},
        {"query": "token="},
        {"query": "token=other&token=a-token"},
        {"query": "Token=a-token"},
    ],
)
def test_without_the_token_nobody_comes_in(headers: dict[str, Any]) -> None:
    judgement = judge(**headers)
    assert judgement.status == 401
    assert (b"www-authenticate", b"Bearer") in judgement.headers


def test_apps_do_not_see_the_token() -> None:
    assert judge(query=f"a=1&token={TOKEN}&b=2").query == b"a=1&b=2"
    assert judge(query="a=1&token=wrong&b=2", **bearer()).query == b"a=1&b=2"


def test_a_guard_without_a_token_asks_for_none_but_for_the_rest() -> None:
    guard = Guard(token=None)
    assert judge(guard=guard).status == 0
    assert judge(guard=guard, host="evil.example").status == 403
    assert guard.link("http://127.0.0.1:1") == "http://127.0.0.1:1"


def test_open_paths_need_no_token_and_must_be_exact() -> None:
    guard = Guard(token=TOKEN, open_paths=frozenset({"/livez"}))
    assert judge(path="/livez", guard=guard).status == 0
    assert judge(path="/livez/", guard=guard).status == 401
    assert judge(path="/livez", guard=guard, host="evil.example").status == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9000", "localhost:1", "LOCALHOST", "[::1]:9000", "10.1.2.3:80"]
)
def test_hosts_that_nobody_can_have_rebound(host: str) -> None:
    assert judge(host=host, **bearer()).status == 0


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:9000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "127.0.0.1:9000, evil.example",
        "127.0.0.1:99999999",
        "[::1",
        "[evil]",
        "127.0.0.1 evil",
        "0x7f000001",
    ],
)
def test_a_name_that_was_made_to_resolve_to_loopback(host: str | None) -> None:
    assert judge(host=host, **bearer()).status == 403


def test_two_hosts_are_none() -> None:
    headers = [(b"host", HOST.encode()), (b"host", HOST.encode())]
    head = Head(method="GET", path="/", query=b"token=a-token", headers=headers)
    assert GUARD.judge(head).status == 403


def test_names_that_were_given() -> None:
    guard = Guard(token=TOKEN, names=frozenset({"broker-1.example"}))
    assert judge(guard=guard, host="Broker-1.example:9404", **bearer()).status == 0
    assert judge(guard=guard, host="broker-2.example:9404", **bearer()).status == 403
    anybody = Guard(token=TOKEN, names=frozenset({ANY_NAME}))
    assert judge(guard=anybody, host="broker-2.example", **bearer()).status == 0
    assert judge(guard=anybody, host="broker-2.example").status == 401


def test_a_page_from_elsewhere_is_refused_whatever_it_bears() -> None:
    for origin in (
        "http://evil.example",
        "null",
        "http://127.0.0.1:9001",
        "https://localhost:9000",
    ):
        assert judge("POST", origin=origin, **bearer()).status == 403
    assert judge("POST", origin=f"http://{HOST}", **bearer()).status == 0
    for site in ("cross-site", "same-site"):
        assert judge(sec_fetch_site=site, sec_fetch_mode="no-cors", **bearer()).status == 403
        assert judge("POST", sec_fetch_site=site, sec_fetch_mode="navigate").status == 403
    assert judge(sec_fetch_site="same-origin", **bearer()).status == 0


def test_a_cookie_alone_changes_nothing_from_elsewhere() -> None:
    cookie = f"{GUARD.cookie}={TOKEN}"
    assert judge("POST", cookie=cookie).status == 403
    assert judge("POST", cookie=cookie, origin=f"http://{HOST}").status == 0
    assert judge("GET", cookie=cookie).status == 0


def test_a_browser_is_sent_on_without_the_token() -> None:
    came: dict[str, Any] = {"sec_fetch_mode": "navigate", "sec_fetch_site": "none"}
    judgement = judge(path="/topics", query=f"token={TOKEN}&x=1", **came)
    assert judgement.status == 303
    headers = dict(judgement.headers)
    assert headers[b"location"] == b"/topics?x=1"
    assert headers[b"set-cookie"].decode().startswith(f"{GUARD.cookie}={TOKEN}; ")
    assert b"HttpOnly" in headers[b"set-cookie"]
    assert b"SameSite" in headers[b"set-cookie"]
    assert judge(query="token=wrong", **came).status == 401


def test_a_browser_is_not_sent_to_another_host() -> None:
    for path in ("//evil.example", "///evil.example/x"):
        judgement = judge(path=path, query=f"token={TOKEN}", sec_fetch_mode="navigate")
        location = dict(judgement.headers)[b"location"]
        assert location.startswith(b"/")
        assert not location.startswith(b"//")


def test_tokens_are_long_and_differ() -> None:
    one, other = new_token(os.urandom), new_token(os.urandom)
    assert one != other
    assert len(one) == 43
    assert Guard(token=one).cookie != Guard(token=other).cookie
    assert one not in repr(Guard(token=one))


def test_addresses_that_others_reach() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        check_address(host, others=False)
    for host in ("0.0.0.0", "::", "10.0.0.1", "", "example.com"):
        with pytest.raises(ConfigError):
            check_address(host, others=False)
        check_address(host, others=True)
