"""Account: how much of what is left one more may take."""

from __future__ import annotations

from barnabas.memory import Account


def test_each_takes_half_of_what_is_left_and_the_reserve_is_not_for_everybody() -> None:
    account = Account(400)
    assert (account.room(), account.room(reserved=True)) == (150, 200)
    account.held = 200
    assert (account.room(), account.room(reserved=True)) == (50, 100)
    account.held = 299
    assert account.room() == 0
    account.held = 300
    assert (account.room(), account.room(reserved=True)) == (-1, 50)
    account.held = 400
    assert (account.room(), account.room(reserved=True)) == (-1, -1)
    assert account.is_full


def test_takers_without_end_never_take_the_reserve() -> None:
    account = Account(1 << 20)
    for _ in range(1000):
        account.held += max(account.room(), 0)
    assert account.held <= account.bytes_max - account.reserve
    assert account.room(reserved=True) > 0
