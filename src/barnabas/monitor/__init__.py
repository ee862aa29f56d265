"""What a broker tells over HTTP of itself: metrics, health, events. Loaded where a setting asks."""
