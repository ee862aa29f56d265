"""Transactions: the coordinator of transactional ids, markers, verification (KIP-98, KIP-890)."""
