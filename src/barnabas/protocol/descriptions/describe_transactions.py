"""DescribeTransactions, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DescribeTransactionsRequest 0 0+
  transactional_ids []string 0+
"""

RESPONSE = """
DescribeTransactionsResponse 0 0+
  throttle_time int32 0+
  transaction_states []TransactionState 0+
    error_code int16 0+
    transactional_id string 0+
    transaction_state string 0+
    transaction_timeout int32 0+
    transaction_start_time int64 0+
    producer_id int64 0+
    producer_epoch int16 0+
    topics []TopicData 0+
      topic string 0+
      partitions []int32 0+
"""
