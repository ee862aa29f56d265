"""ClientQuotaManager's metrics: what users and client ids with a quota use of it, and how long they
have to wait (``kafka.server:type=Produce,user=U,client-id=C``, attributes ``byte-rate`` and
``throttle-time``).

Their names come from clients. So only the ``SHARERS_MAX`` that used a quota last have a series; who
was idle for an hour has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from barnabas.monitor.families import Family, Sample
from barnabas.monitor.names import label_text
from barnabas.monitor.subject import Subject
from barnabas.quotas.client_quotas import ClientQuotas, Use

SHARERS_MAX: Final = 500


def _uses(
    latest: Callable[[ClientQuotas], Callable[[int, int], list[Use]]], value: Callable[[Use], float]
) -> Callable[[Subject], Iterator[Sample]]:
    def samples(subject: Subject) -> Iterator[Sample]:
        now_ms = subject.services.replicas.context.now_ms()
        for use in latest(subject.services.quotas)(SHARERS_MAX, now_ms):
            names = {"user": use.user, "client_id": use.client_id}
            labels = {name: text for name, text in names.items() if text}
            yield label_text(labels), value(use)

    return samples


QUOTAS: Final = tuple(
    Family(f"kafka_server_{kind}_{name}", doc, "gauge", _uses(latest, value))
    for kind, latest, measured, measured_doc in (
        ("produce", lambda q: q.produce.latest, "byte_rate", "Bytes per second produced."),
        ("fetch", lambda q: q.fetch.latest, "byte_rate", "Bytes per second fetched."),
        (
            "request",
            lambda q: q.request.latest,
            "request_time",
            "Percents of a processor that requests use.",
        ),
        (
            "controllermutation",
            lambda q: q.mutation.latest,
            "tokens",
            "Partitions that may be created or deleted at once.",
        ),
    )
    for name, doc, value in (
        (measured, measured_doc, lambda use: use.value),
        (
            "throttle_time",
            "Mean wait in ms that was asked for lately; 0: none.",
            lambda use: use.throttle_ms,
        ),
    )
)
