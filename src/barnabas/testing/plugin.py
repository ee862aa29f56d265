"""The pytest plugin: clusters as fixtures. It imports the rest of Barnabas only when one is used.

Fixtures are ``kafka_cluster`` (a cluster for each test), ``kafka_broker`` (a cluster of one broker
for each test), ``kafka_session_cluster`` (one cluster for all tests) and ``kafka_topic`` (a new
topic in that one). A mark gives options: ``@pytest.mark.kafka(brokers=5, settings={…})``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from barnabas.testing.cluster import Cluster
    from barnabas.testing.events import Record

_MARK = (
    "kafka(brokers=3, in_process=True, settings={}, profile='test', faults_seed=0, wait_s=10,"
    " racks=(), partitions=1, replicas=None, topic_configs={}): what the test wants of"
    " kafka_cluster, kafka_broker and kafka_topic"
)
_OF_TOPICS = ("partitions", "replicas", "topic_configs")
_NAME_MAX = 200
_EVENTS_MAX = 500
_used = pytest.StashKey[list[tuple["Cluster", int]]]()
"""For each test its clusters, and the number of events that each had before the test."""
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("kafka_brokers", "brokers of a cluster for tests", default="3")
    parser.addini(
        "kafka_processes",
        "whether each broker is a process of its own, not all in the test's",
        type="bool",
        default=False,
    )
    parser.addini(
        "kafka_events",
        "a directory: for each test that fails, a file with the events of its clusters, which"
        " barnabas console --events FILE shows step by step",
    )
    parser.addini("kafka_settings", "settings of all brokers, key=value", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARK)


@pytest.fixture
def kafka_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster for this test only."""
    yield from _running(request, _wanted(request))


@pytest.fixture
def kafka_broker(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of one broker for this test only."""
    yield from _running(request, {**_wanted(request), "brokers": 1})


@pytest.fixture(scope="session")
def kafka_session_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster for all tests of this process. With pytest-xdist each worker has its own. Its
    options come from the ini file."""
    from barnabas.testing.cluster import Cluster

    with Cluster(**_defaults(request.config)) as cluster:
        yield cluster


@pytest.fixture
def kafka_topic(request: pytest.FixtureRequest, kafka_session_cluster: Cluster) -> str:
    """A new topic in ``kafka_session_cluster``; its name begins with that of the test."""
    wanted = _marked(request)
    _remember(request, kafka_session_cluster)
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", request.node.name).strip("-.")[:_NAME_MAX]
    return kafka_session_cluster.create_topic(
        f"{base}-{next(_numbers)}",
        partitions=wanted.get("partitions", 1),
        replicas=wanted.get("replicas"),
        **wanted.get("topic_configs", {}),
    )


def _running(request: pytest.FixtureRequest, options: dict[str, Any]) -> Iterator[Cluster]:
    from barnabas.testing.cluster import Cluster

    with Cluster(**options) as cluster:
        _remember(request, cluster)
        yield cluster


def _remember(request: pytest.FixtureRequest, cluster: Cluster) -> None:
    """Remember the cluster for the report, in case the test fails."""
    request.node.stash.setdefault(_used, []).append((cluster, len(cluster._records())))


def _wanted(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Options of a cluster: the ini file's, then the mark's."""
    options = _defaults(request.config)
    marked = {k: v for k, v in _marked(request).items() if k not in _OF_TOPICS}
    settings = {**options["settings"], **marked.pop("settings", {})}
    return {**options, **marked, "settings": settings}


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of all marks; the closest one wins. UsageError for an unknown option."""
    wanted: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("kafka"))):
        unknown = set(mark.kwargs) - {
            *("brokers", "in_process", "settings", "profile", "faults_seed", "wait_s"),
            *("racks", "directory", "port", "start_timeout_s"),
            *_OF_TOPICS,
        }
        if mark.args or unknown:
            raise pytest.UsageError(
                f"@pytest.mark.kafka: {', '.join(map(repr, [*mark.args, *sorted(unknown)]))}"
                f" means nothing; it is {_MARK.partition(':')[0]}"
            )
        settings = {**wanted.get("settings", {}), **mark.kwargs.get("settings", {})}
        wanted |= {**mark.kwargs, "settings": settings}
    return wanted


def _defaults(config: pytest.Config) -> dict[str, Any]:
    settings: dict[str, str] = {}
    for line in config.getini("kafka_settings"):
        key, _, value = line.partition("=")
        settings[key.strip()] = value.strip()
    return {
        "brokers": int(config.getini("kafka_brokers")),
        "in_process": not config.getini("kafka_processes"),
        "settings": settings,
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the events of a failed test's clusters."""
    report = yield
    if report.failed:
        for cluster, before in item.stash.get(_used, []):
            events = cluster._records()[before if report.when == "call" else 0 :]
            told = _told(events) + _written(item, cluster)
            report.sections.append((f"Kafka cluster events ({report.when})", told))
    return report


def _written(item: pytest.Item, cluster: Cluster) -> str:
    """How to see the events in a browser, if the ini file names a directory for them."""
    directory = item.config.getini("kafka_events")
    if not directory:
        return ""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", item.nodeid).strip("-.")[-_NAME_MAX:]
    path = item.config.rootpath / directory / f"{name}.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cluster.write_events(path)
    except OSError as error:
        return f"\nkafka_events: {path}: {error.strerror}"
    return f"\nstep by step: barnabas console --events {path}"


def _told(events: Sequence[Record]) -> str:
    """A line each; of very many, the last."""
    left_out = len(events) - _EVENTS_MAX
    lines = [f"({left_out} earlier events are left out)"] if left_out > 0 else []
    return "\n".join([*lines, *map(str, events[-_EVENTS_MAX:])])
