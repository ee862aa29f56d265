"""JaasContext: the logins of listeners that stand in a JAAS file, as settings. Pure.

A listener's own setting comes first, then the section ``<listener>.KafkaServer`` (its name in lower
case), then ``KafkaServer``. A section has an entry for each login module; a mechanism takes that of
its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from barnabas.config.listener_security import ListenerValues
from barnabas.config.listener_settings import SASL_PROTOCOLS
from barnabas.config.listeners import read_listeners
from barnabas.config.relations import complete
from barnabas.config.settings import SETTINGS
from barnabas.config.zookeeper_security import JAAS_FILE, Read, read_jaas_file
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.security.client_login import MODULES
from barnabas.security.jaas import JaasEntry

SECTION: Final = "KafkaServer"


def logins_of_file(given: Mapping[str, str], read: Read) -> dict[str, str]:
    """``sasl.jaas.config`` of each listener and mechanism that has none among the settings
    ``given``, from the file that they name. ConfigError, which repeats no secret."""
    path = given.get(JAAS_FILE)
    if not path:
        return {}
    parsed = {name: SETTINGS[name].parse(text) for name, text in given.items() if name in SETTINGS}
    values = complete(parsed)
    sections = read_jaas_file(path, read)
    found = {}
    for endpoint in read_listeners(values, given).bound:
        if endpoint.security_protocol not in SASL_PROTOCOLS:
            continue
        own = ListenerValues(endpoint.listener, values, given)
        names = (f"{endpoint.listener.lower()}.{SECTION}", SECTION)
        section = next((name for name in names if name in sections), None)
        for mechanism in cast("tuple[str, ...]", own.value("sasl.enabled.mechanisms") or ()):
            setting = f"{own.prefix}{mechanism.lower()}.sasl.jaas.config"
            if section is not None and setting not in given and mechanism in MODULES:
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
