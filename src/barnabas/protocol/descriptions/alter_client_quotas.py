"""AlterClientQuotas, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
AlterClientQuotasRequest 0-1 1+
  entries []EntryData 0+
    entity []EntityData 0+
      entity_type string 0+
      entity_name string 0+ ?0+
    ops []OpData 0+
      key string 0+
      value float64 0+
      remove bool 0+
  validate_only bool 0+
"""

RESPONSE = """
AlterClientQuotasResponse 0-1 1+
  throttle_time int32 0+
  entries []EntryData 0+
    error_code int16 0+
    error_message string 0+ ?0+
    entity []EntityData 0+
      entity_type string 0+
      entity_name string 0+ ?0+
"""
