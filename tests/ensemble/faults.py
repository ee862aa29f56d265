"""Faults of an ensemble and of the network: what is done, and what must then be so."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from tests.chaos.hosts import BROKERS
from tests.ensemble.hosts import MEMBERS, until
from tests.ensemble.stage import Stage

Fault = Callable[[Stage], str]
WAYS = {"both": "both ways", "out": "nothing from it arrives", "in": "nothing arrives at it"}


# The ensemble


def moved_session(stage: Stage) -> str:
    hosts = stage.hosts
    member = max(MEMBERS, key=lambda m: len(hosts.sessions_at(m)))
    broker = hosts.sessions_at(member)[0]
    others = [m for m in MEMBERS if m != member]
    stage.network.refuse(broker, member)
    took = stage.in_time(
        lambda: any(broker in hosts.sessions_at(m) for m in others), 20, "the session moves"
    )
    stage.network.restore(broker, member)
    stage.nothing_noticed()
    return f"the session of {broker} went on at another member after {took:.1f} s; same epochs"


def lost_member(mode: str, stage: Stage) -> str:
    member = stage.hosts.member_with(mode)
    had = stage.hosts.sessions_at(member)
    stage.hosts.kill(member)
    stage.expect(stage.acknowledged_in(6) > 100, "no records are acknowledged")
    stage.in_time(
        lambda: len({b for m in stage.hosts.serving() for b in stage.hosts.sessions_at(m)}) == 3,
        20,
        "all brokers have sessions at members that live",
    )
    stage.nothing_noticed()
    return f"{len(had)} of 3 sessions moved; no broker registered anew, nothing was elected"


def two_lost(stage: Stage) -> str:
    hosts = stage.hosts
    lost = [hosts.member_with("leader"), hosts.member_with("follower")]
    for member in lost:
        hosts.kill(member)
    time.sleep(4)
    stage.expect(stage.acknowledged_in(6) > 100, "leaders do not go on serving")
    for broker in BROKERS:
        stage.expect("disconnected" in stage.logged(broker), f"{broker} does not say it")
    hosts.start(lost[0])
    took = stage.in_time(lambda: len(hosts.serving()) == 2, 40, "two members serve")
    back = stage.in_time(
        lambda: len({b for m in hosts.serving() for b in hosts.sessions_at(m)}) == 3, 20, "sessions"
    )
    stage.nothing_elected()
    stage.no_restarts()
    hosts.start(lost[1])
    return (
        "leaders went on serving for 10 s without a majority, nothing was elected, each broker "
        f"said so in its log; all were connected {back:.1f} s after the majority was back"
        f" ({took:.1f} s after the start of a member), without restarts"
    )


def two_lost_and_a_leader(stage: Stage) -> str:
    hosts = stage.hosts
    leader, _, _ = stage.roles()
    partition = stage.before.partition_led_by([leader])
    lost = [hosts.member_with("leader"), hosts.member_with("follower")]
    for member in lost:
        hosts.kill(member)
    time.sleep(1)
    hosts.kill(leader)
    time.sleep(2)
    stage.expect(stage.acknowledged_in(6, partition) == 0, "somebody leads without an election")
    hosts.start(lost[0])
    took = stage.serves_again(partition, 60, "another broker leads")
    now = hosts.state()
    stage.expect(now.leaders[partition] != leader, "the dead broker leads")
    hosts.start(lost[1])
    hosts.start(leader)
    return (
        "no leader was elected while there was no majority; "
        f"{took:.1f} s after a member had returned another broker led"
    )


def all_expired(stage: Stage) -> str:
    hosts = stage.hosts
    for broker in BROKERS:
        stage.cut("both", broker, *MEMBERS)
    time.sleep(1)
    stage.expect(stage.acknowledged_in(3) > 50, "leaders do not go on serving")
    expired = stage.in_time(lambda: not hosts.state().registrations, 40, "all sessions expire")
    stage.network.heal()
    stage.in_time(lambda: len(hosts.state().registrations) == 3, 40, "all register again")
    stage.in_time(lambda: hosts.state().controller, 20, "there is a controller")
    now = hosts.state()
    old = stage.before.registrations
    stage.expect(all(now.registrations[b] > old[b] for b in BROKERS), "an old registration")
    stage.expect(now.controller_epoch > stage.before.controller_epoch, "no new controller")
    stage.no_restarts()
    return (
        f"cut from ZooKeeper; all three sessions were gone after {expired + 4:.0f} s; meanwhile "
        "leaders went on serving; then all registered anew, without restarts"
    )


# A leader that is cut off


def cut_from_zookeeper(way: str, stage: Stage) -> str:
    leader, _, _ = stage.roles()
    partition = stage.before.partition_led_by([leader])
    stage.cut(way, leader, *MEMBERS)
    gone = stage.in_time(
        lambda: leader not in stage.hosts.state().registrations, 40, "its session expires"
    )
    took = stage.serves_again(partition, 60, "its partition is served by another")
    stage.expect(stage.hosts.state().leaders[partition] != leader, "it still leads")
    return (
        f"its session expired after {gone:.1f} s, others were elected; "
        f"its partition was served again {took:.1f} s later"
    )


def cut_from_follower(way: str, stage: Stage) -> str:
    leader, follower, _ = stage.roles()
    partition = stage.before.partition_led_by([leader])
    number = int(follower[1:])
    stage.cut(way, leader, follower)
    gone = stage.in_time(
        lambda: number not in stage.hosts.state().isr[partition], 60, "the ISR shrinks"
    )
    took = stage.serves_again(partition, 60, "it is served without the follower")
    now = stage.hosts.state()
    same = now.leaders[partition] == leader and now.controller == stage.before.controller
    outcome = "the leader stayed" if same else f"{now.leaders[partition]} leads"
    return (
        f"the follower left the ISR after {gone:.1f} s, {outcome}, served again {took:.1f} s later"
    )


def cut_from_controller(way: str, stage: Stage) -> str:
    leader, _, controller = stage.roles()
    partition = stage.before.partition_led_by([leader])
    number = int(leader[1:])
    stage.cut(way, leader, controller)
    gone = stage.in_time(
        lambda: stage.hosts.state().leaders[partition] != leader, 40, "another broker leads"
    )
    took = stage.serves_again(partition, 60, "its partition is served by another")
    now = stage.hosts.state()
    stage.expect(number not in now.isr[partition], "it is in the ISR")
    stage.expect(now.controller == stage.before.controller, "another controller")
    same = now.registrations[leader] == stage.before.registrations[leader]
    stage.expect(same, "its session has ended")
    stage.no_restarts()
    return (
        f"counted as silent, though its session went on: another broker led after {gone:.1f} s; "
        f"its partition was served again {took:.1f} s later"
    )


# The weather


def slow(stage: Stage) -> str:
    stage.relayed.weather(delay_ms=200, jitter_ms=20)
    stage.acknowledged_in(10)
    stage.expect(stage.acknowledged_in(10) > 20, "nothing is acknowledged")
    stage.relayed.weather()
    stage.nothing_noticed()
    return "slower, but no session, leader or ISR member was lost"


def lossy(stage: Stage) -> str:
    stage.relayed.weather(loss=0.05)
    stage.acknowledged_in(10)
    stage.expect(stage.acknowledged_in(15) > 20, "nothing is acknowledged")
    stage.relayed.weather()
    stage.no_restarts()
    return _afterwards(stage)


def lossy_one_way(stage: Stage) -> str:
    leader, _, _ = stage.roles()
    stage.relayed.weather(leader, "*", loss=0.3)
    stage.acknowledged_in(10)
    stage.expect(stage.acknowledged_in(20) > 5, "nothing is acknowledged")
    stage.relayed.weather()
    stage.no_restarts()
    return _afterwards(stage)


def _afterwards(stage: Stage) -> str:
    now = stage.hosts.state()
    anew = [b for b in BROKERS if now.registrations.get(b) != stage.before.registrations[b]]
    elected = "nothing was elected" if now.elections == stage.before.elections else "elections"
    return f"{elected}; sessions lost: {', '.join(anew) or 'none'}"


def settled(stage: Stage, seconds: float = 60.0) -> None:
    """Wait until all is as it should be, in the middle of a fault."""
    stage.expect(until(stage.normal, seconds) is not None, "not normal")


_CUTS: dict[str, Callable[[str, Stage], str]] = {
    "ZooKeeper": cut_from_zookeeper,
    "a follower": cut_from_follower,
    "the controller": cut_from_controller,
}
PLAIN: dict[str, tuple[str, Fault]] = {
    "moved-session": ("a session moves between members", moved_session),
    "lost-follower": ("a following member is killed", partial(lost_member, "follower")),
    "lost-leader": ("the leading member is killed", partial(lost_member, "leader")),
    "two-lost": ("two members are killed", two_lost),
    "two-lost-and-a-leader": ("two members and a leader are killed", two_lost_and_a_leader),
    "all-expired": ("all sessions expire at once", all_expired),
    **{
        f"{whom.split()[-1].lower()}-{way}": (
            f"a leader cut from {whom} only: {text}",
            partial(cut, way),
        )
        for whom, cut in _CUTS.items()
        for way, text in WAYS.items()
    },
}
WEATHER: dict[str, tuple[str, Fault]] = {
    "slow": ("200 ms of delay on every link, each way", slow),
    "lossy": ("5 % of all frames lost", lossy),
    "lossy-one-way": ("30 % of what a leader sends lost, the other way good", lossy_one_way),
}
