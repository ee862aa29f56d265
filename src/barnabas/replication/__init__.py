"""How the copies of a partition stay equal: roles, ISR, high watermark, fetching, produce and fetch."""
