"""ListTransactions, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
ListTransactionsRequest 0-1 0+
  state_filters []string 0+
  producer_id_filters []int64 0+
  duration_filter int64 1+ =-1
"""

RESPONSE = """
ListTransactionsResponse 0-1 0+
  throttle_time int32 0+
  error_code int16 0+
  unknown_state_filters []string 0+
  transaction_states []TransactionState 0+
    transactional_id string 0+
    producer_id int64 0+
    transaction_state string 0+
"""
