"""What a registration says is what is true when it has come through, however long that took."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from tests.zookeeper.clients import make_env

from barnabas.broker.membership import Membership
from barnabas.types import Broker, Endpoint

HERE = (Endpoint("PLAINTEXT", "PLAINTEXT", "here", 9092),)
THERE = (Endpoint("PLAINTEXT", "PLAINTEXT", "there", 9092),)
ME = Broker(id=1, epoch=-1, endpoints=HERE)


class SlowRegistration:
    """Answers when told to; remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Broker] = []
        self.gate = asyncio.Event()
        self.epoch = 10

    async def register(self, broker: Broker) -> Broker:
        self.told.append(broker)
        await self.gate.wait()
        self.epoch += 1
        return replace(broker, epoch=self.epoch)

    async def update(self, broker: Broker) -> None:
        self.told.append(broker)
        await self.gate.wait()


class Case:
    def __init__(self) -> None:
        self.doubt = True
        zookeeper: Any = None
        self.membership = Membership(
            make_env(), zookeeper, in_doubt=lambda: self.doubt, on_new_session=lambda: None
        )
        self.registration = SlowRegistration()
        self.membership._registration = self.registration  # type: ignore[assignment]


async def _during(case: Case, work: asyncio.Future[None]) -> None:
    await asyncio.sleep(0)
    case.registration.gate.set()
    await work


def test_a_doubt_that_is_settled_meanwhile() -> None:
    """Nobody would ever take it back."""

    async def main() -> None:
        case = Case()
        work = asyncio.ensure_future(case.membership.register(ME))
        await asyncio.sleep(0)
        case.doubt = False
        await _during(case, work)
        assert [b.unclean_start for b in case.registration.told] == [True, False]
        registered = case.membership.registered
        assert registered is not None
        assert (registered.unclean_start, registered.epoch) == (False, 11)

    asyncio.run(main())


def test_endpoints_that_change_meanwhile() -> None:
    async def main() -> None:
        case = Case()
        case.registration.gate.set()
        await case.membership.register(ME)
        case.registration.gate.clear()
        assert case.membership.registered is not None
        work = asyncio.ensure_future(case.membership.register(case.membership.registered))
        await asyncio.sleep(0)
        case.membership.move(THERE)
        await _during(case, work)
        assert case.registration.told[-1].endpoints == THERE
        assert case.membership.registered.endpoints == THERE
        assert case.membership.epoch == 12

    asyncio.run(main())


def test_an_update_that_is_overtaken_is_made_again() -> None:
    async def main() -> None:
        case = Case()
        case.registration.gate.set()
        await case.membership.register(ME)
        case.registration.gate.clear()
        work = asyncio.ensure_future(case.membership.update())
        await asyncio.sleep(0)
        case.doubt = False
        await _during(case, work)
        assert [b.unclean_start for b in case.registration.told] == [True, True, False]

    asyncio.run(main())
