"""DescribeUserScramCredentials, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DescribeUserScramCredentialsRequest 0 0+
  users []UserName 0+ ?0+
    name string 0+
"""

RESPONSE = """
DescribeUserScramCredentialsResponse 0 0+
  throttle_time int32 0+
  error_code int16 0+
  error_message string 0+ ?0+
  results []DescribeUserScramCredentialsResult 0+
    user string 0+
    error_code int16 0+
    error_message string 0+ ?0+
    credential_infos []CredentialInfo 0+
      mechanism int8 0+
      iterations int32 0+
"""
