"""How the copies of a partition stay equal: roles, ISR, high watermark, produce and fetch."""
