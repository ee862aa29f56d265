"""Where our answers are not the original's, and what they are: codes and texts.

``docs/differences.md`` says why. A case whose answer has become the original's has to go from here.
"""

from __future__ import annotations

from collections.abc import Mapping

# The original's handler fails on what it did not foresee: UNKNOWN_SERVER_ERROR without a text, a
# closed connection, or no answer at all. Ours says what is wrong.
_UNFORESEEN = {
    "CreatePartitions v3: name empty": ["results 3 \"The topic '' does not exist.\""],
    "Metadata v12: neither id nor name": ["topics 42"],
    "AlterConfigs v2: resource twice": ["responses 42 'Each resource must appear at most once.'"]
    * 2,
    "IncrementalAlterConfigs v1: operation 9": ["responses 42 'Unknown operations type 9'"],
    "IncrementalAlterConfigs v1: operation -1": ["responses 42 'Unknown operations type -1'"],
    "IncrementalAlterConfigs v1: operation 9 on a missing topic": [
        "responses 42 'Unknown operations type 9'"
    ],
    "IncrementalAlterConfigs v1: append to unknown": [
        "responses 40 'Unknown config name: no.such'"
    ],
    "IncrementalAlterConfigs v1: broker, append to unknown": [
        "responses 40 'Unknown config name: no.such'"
    ],
    "IncrementalAlterConfigs v1: logger of another": [
        "responses 42 'Unexpected node id. Expected 1, but received 99'"
    ],
    "ElectLeaders v2: type 2": ["42", "partition_result 42 'There is no election type 2.'"],
    "ElectLeaders v2: type -1": ["42", "partition_result 42 'There is no election type -1.'"],
    "ListOffsets v9: isolation level 7": ["partitions 42"],
    "Produce v11: records null": ["partition_responses 87 'no records for answers-plain-0'"],
    "OffsetFetch v8: no groups": ["no error field"],
    **{
        f"{api} v{version}: {what}": [f"{where}54 'No Authorizer is configured{end}'"]
        for version in (1, 3)
        for api, what, where, end in [
            ("DescribeAcls", "operation 0", "", " on the broker"),
            ("DescribeAcls", "pattern type 0", "", " on the broker"),
            ("CreateAcls", "resource type 0", "results ", "."),
            ("DeleteAcls", "operation 0", "filter_results ", "."),
        ]
    },
    **{
        f"DescribeClientQuotas v{version}: {what}": [f"42 '{text}'"]
        for version in (0, 1)
        for what, text in [
            ("match type 9", "There is no match type 9."),
            ("exact without a name", "A filter for one entity has to name it."),
        ]
    },
}

# Topics that nobody can want, which the original writes down.
_PLACEMENTS = {
    "CreateTopics v7: partitions 10,001": [
        "topics 37 'Number of partitions must be at most 10000 in one request.'"
    ],
    "CreateTopics v7: assignment without replicas": [
        "topics 39 'Cannot have replication factor of 0 for partition id 0.'"
    ],
    "CreateTopics v7: assignment to an unknown broker": [
        "topics 39 'Unknown broker(s) in replica assignment: 99.'"
    ],
    "CreateTopics v7: assignment to a negative broker": [
        "topics 39 'Unknown broker(s) in replica assignment: -1.'"
    ],
}

# A code or a text that says more.
_CLEARER = {
    "DeleteTopics v6: neither name nor id": ["responses 100"],
    "DescribeConfigs v4: twice": ["results 3 ''"],
    "OffsetFetch v1: not the coordinator": ["partitions 16"],
    "Fetch v12: not a replica (at broker 2)": ["0", "partitions 6"],
    "Produce v11: no records": ["partition_responses 87 'no records for answers-plain-0'"],
    "Produce v11: internal topic": [
        "partition_responses 17 'Cannot append to internal topic __consumer_offsets'"
    ],
    "Produce v11: compacted, record without a key": [
        "partition_responses 87 '1 records refused: record 0: a compacted topic needs a key in each"
        " record'"
    ],
}

# Security is not built, and its settings are refused for one reason wherever they come from.
_SETTINGS = {
    f"{api}: broker, {what}": [f"responses 42 {text!r}"]
    for api in ("AlterConfigs v2", "IncrementalAlterConfigs v1")
    for what, text in [
        (
            "password config",
            "ssl.key.password: not supported while a broker runs; give it at the start",
        ),
        ("value out of range", "requirement failed: log.cleaner.threads: must be at least 1"),
        ("listeners", "listeners: 'nonsense' is not NAME://host:port"),
        ("advertised listeners", "advertised.listeners: 'nonsense' is not NAME://host:port"),
        (
            "two wrong values",
            "Invalid value soon for configuration log.retention.ms: Not a number of type LONG",
        ),
    ]
} | {
    f"{api}: broker, metric reporters": ["responses 0"]
    for api in ("AlterConfigs v2", "IncrementalAlterConfigs v1")
}

# Of two unknown names the first is told of; in the original it is the order of a hash table.
_ORDER = {
    f"{api}: configs unknown, two": ["responses 40 'Unknown topic config name: no.such'"]
    for api in ("AlterConfigs v2", "IncrementalAlterConfigs v1")
}

DIFFERENT: Mapping[str, list[str]] = {
    **_UNFORESEEN,
    **_PLACEMENTS,
    **_CLEARER,
    **_SETTINGS,
    **_ORDER,
}
