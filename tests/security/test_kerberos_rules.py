"""Kerberos names, beside what the original makes of them."""

from __future__ import annotations

import json
import re

import pytest
from tests.places import GOLDEN

from barnabas.config.java import parse_list
from barnabas.security.kerberos_rules import KerberosName, ShortNamer
from barnabas.security.principal_mapping import NoMatchingRule

RECORDED = json.loads((GOLDEN / "security/kerberos-names.json").read_text())


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: f"{case['rules']} {case['name']}")
def test_the_names_of_the_original(case: dict[str, str]) -> None:
    rules = parse_list(case["rules"])
    if "Exception" in case["result"] or "kerberos." in case["result"]:
        text = case["result"].partition(": ")[2]
        with pytest.raises((NoMatchingRule, ValueError), match=f"^{re.escape(text)}$"):
            ShortNamer(rules).name_of(case["name"], "REALM")
    else:
        assert ShortNamer(rules).name_of(case["name"], "REALM") == case["result"]


@pytest.mark.parametrize("rule", ["default", "RULE:[1:$1", "RULE:[1:$1]s/a/b", "RULE:[1:$1](()"])
def test_what_is_no_rule(rule: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid rule|not one of RE2"):
        ShortNamer([rule])


def test_names() -> None:
    for text in ("kafka/host@REALM", "alice@REALM", "alice"):
        assert str(KerberosName.parse(text)) == text
    with pytest.raises(ValueError, match="Malformed Kerberos name: a/b/c@R"):
        KerberosName.parse("a/b/c@R")
