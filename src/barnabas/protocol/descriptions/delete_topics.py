"""DeleteTopics, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DeleteTopicsRequest 0-6 4+
  topics []DeleteTopicState 6+
    name string 6+ ?6+ =null
    topic_id uuid 6+
  topic_names []string 0-5
  timeout int32 0+
"""

RESPONSE = """
DeleteTopicsResponse 0-6 4+
  throttle_time int32 1+
  responses []DeletableTopicResult 0+
    name string 0+ ?6+
    topic_id uuid 6+
    error_code int16 0+
    error_message string 5+ ?5+ =null
"""
