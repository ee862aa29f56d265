"""JaasContext: the logins of listeners that stand in a JAAS file, as settings. Pure.

A listener's own setting comes first, then the section ``<listener>.KafkaServer`` (its name in lower
case), then ``KafkaServer``. A section has an entry for each login module; a mechanism takes that of
its own. The file is read once, at the start, as Java reads it: a listener that comes while the
broker runs finds the sections of then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias, cast

from barnabas.config.checks import Value
from barnabas.config.listener_security import ListenerValues
from barnabas.config.listener_settings import SASL_PROTOCOLS
from barnabas.config.zookeeper_security import JAAS_FILE, Read, read_jaas_file
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.security.client_login import MODULES
from barnabas.security.jaas import JaasEntry
from barnabas.types import Endpoint

SECTION: Final = "KafkaServer"

Sections: TypeAlias = "Mapping[str, tuple[JaasEntry, ...]]"
"""The entries of each section of a JAAS file."""


def listener_sections(given: Mapping[str, str], read: Read) -> Sections:
    """The sections of the file that the settings ``given`` name; none without a file. Raises
    ConfigError, which repeats no secret."""
    path = given.get(JAAS_FILE)
    return read_jaas_file(path, read) if path else {}


def logins_of_file(
    sections: Sections,
    values: Mapping[str, Value],
    texts: Mapping[str, str],
    bound: Iterable[Endpoint],
) -> dict[str, str]:
    """``sasl.jaas.config`` of each listener and mechanism that has none in ``texts``. ``values``:
    those of all settings. Raises ConfigError, which repeats no secret."""
    found = {}
    for endpoint in bound:
        if endpoint.security_protocol not in SASL_PROTOCOLS:
            continue
        own = ListenerValues(endpoint.listener, values, texts)
        names = (f"{endpoint.listener.lower()}.{SECTION}", SECTION)
        section = next((name for name in names if name in sections), None)
        for mechanism in cast("tuple[str, ...]", own.value("sasl.enabled.mechanisms") or ()):
            setting = f"{own.prefix}{mechanism.lower()}.sasl.jaas.config"
            if section is not None and setting not in texts and mechanism in MODULES:
                found[setting] = _entry(mechanism, section, sections[section]).text()
    return found


def _entry(mechanism: str, section: str, entries: tuple[JaasEntry, ...]) -> JaasEntry:
    module = MODULES[mechanism]
    for entry in entries:
        if entry.module == module:
            return entry
    raise ConfigError(
        f"{JAAS_FILE}: the section {visible(section)!a} has no entry of {module}, for {mechanism}"
        " in sasl.enabled.mechanisms"
    )
