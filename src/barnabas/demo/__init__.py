"""``python -m barnabas.demo``: streams real data through a cluster with failures, and verifies
it."""
