"""``python -m barnabas.demo``: the main job on real data, with failures, and a verdict."""
