"""DeleteGroups, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DeleteGroupsRequest 0-2 2+
  groups_names []string 0+
"""

RESPONSE = """
DeleteGroupsResponse 0-2 2+
  throttle_time int32 0+
  results []DeletableGroupResult 0+
    group_id string 0+
    error_code int16 0+
"""
