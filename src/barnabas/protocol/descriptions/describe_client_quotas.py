"""DescribeClientQuotas, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DescribeClientQuotasRequest 0-1 1+
  components []ComponentData 0+
    entity_type string 0+
    match_type int8 0+
    match string 0+ ?0+
  strict bool 0+
"""

RESPONSE = """
DescribeClientQuotasResponse 0-1 1+
  throttle_time int32 0+
  error_code int16 0+
  error_message string 0+ ?0+
  entries []EntryData 0+ ?0+
    entity []EntityData 0+
      entity_type string 0+
      entity_name string 0+ ?0+
    values []ValueData 0+
      key string 0+
      value float64 0+
"""
