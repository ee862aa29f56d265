"""Clusters for ``unittest``."""

from __future__ import annotations

import unittest
from typing import Any, ClassVar

from barnabas.testing.cluster import Cluster


class KafkaTestCase(unittest.TestCase):
    """A test case with a cluster: ``self.kafka``.

    The tests of a class share the cluster. With ``kafka_per_test`` each test has its own.
    ``kafka_options`` are arguments of ``Cluster``.
    """

    kafka: Cluster
    kafka_options: ClassVar[dict[str, Any]] = {"in_process": True}
    kafka_per_test: ClassVar[bool] = False

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if not cls.kafka_per_test:
            cls.kafka = Cluster(**cls.kafka_options).start()
            cls.addClassCleanup(cls.kafka.close)

    def setUp(self) -> None:
        super().setUp()
        if self.kafka_per_test:
            self.kafka = Cluster(**self.kafka_options).start()
            self.addCleanup(self.kafka.close)
