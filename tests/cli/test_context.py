"""``barnabas context``, and which brokers a command asks, and how."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from tests.cli.kit import fails, here

from barnabas.cli.options import bootstrap_server
from barnabas.client.cluster import Bootstrap
from barnabas.errors import ConfigError

SECRET = "s3cr3t-pw"
LOGIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required"
    f' username="u" password="{SECRET}";'
)
MINE = f"""
context = "dev"
[contexts.dev]
bootstrap-server = "dev:1"
[contexts.prod]
bootstrap-server = "prod:1"
command-config = "prod.properties"
security.protocol = "SASL_PLAINTEXT"
[contexts.inline]
bootstrap-server = "inline:1"
security.protocol = "SASL_PLAINTEXT"
sasl.mechanism = "PLAIN"
sasl.jaas.config = '{LOGIN}'
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the user's file; the working directory is another one."""
    for name in ("CONFIG", "CONTEXT", "BOOTSTRAP_SERVER", "COMMAND_CONFIG"):
        monkeypatch.delenv(f"BARNABAS_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "work" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "inner")
    directory = tmp_path / "home" / "barnabas"
    directory.mkdir(parents=True)
    _write(directory / "config.toml", MINE)
    _write(directory / "prod.properties", f"sasl.mechanism=PLAIN\nsasl.jaas.config={LOGIN}\n")
    return directory


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def _asked(*arguments: str, context: str | None = None) -> tuple[str, str]:
    """The brokers that a command asks, and the mechanism by which it logs in."""
    found: list[Bootstrap] = []

    @click.command()
    @bootstrap_server
    def probe(bootstrap_server: Bootstrap) -> None:
        found.append(bootstrap_server)

    probe.main(list(arguments), obj=context, standalone_mode=False)
    return found[0].servers, found[0].security.mechanism


def test_the_chosen_one_is_used(home: Path) -> None:
    assert _asked() == ("dev:1", "")
    assert _asked(context="prod") == ("prod:1", "PLAIN")
    assert _asked(context="inline") == ("inline:1", "PLAIN")
    assert here("context", "use", "prod").stdout == "context prod\n"
    assert _asked() == ("prod:1", "PLAIN")
    assert _asked(context="dev") == ("dev:1", "")


def test_without_a_file_nothing_changes(home: Path) -> None:
    (home / "config.toml").unlink()
    assert _asked() == ("127.0.0.1:9092", "")
    fails(here("context", "show"), 1, "no context is chosen")


def test_one_that_nobody_named_never_hears_anothers_login(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it lend its login to servers that are not its own."""
    here("context", "use", "prod")
    own = home / "own.properties"
    _write(
        own, f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={LOGIN}\n"
    )
    assert _asked("-b", "other:1") == ("other:1", "")
    assert _asked("--command-config", str(own)) == ("127.0.0.1:9092", "PLAIN")
    monkeypatch.setenv("BARNABAS_BOOTSTRAP_SERVER", "other:2")
    assert _asked() == ("other:2", "")
    monkeypatch.delenv("BARNABAS_BOOTSTRAP_SERVER")
    monkeypatch.setenv("BARNABAS_COMMAND_CONFIG", str(own))
    assert _asked() == ("127.0.0.1:9092", "PLAIN")


def test_one_that_is_named_comes_before_variables_and_after_options(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BARNABAS_BOOTSTRAP_SERVER", "other:1")
    assert _asked(context="prod") == ("prod:1", "PLAIN")
    assert _asked("-b", "third:1", context="prod") == ("third:1", "PLAIN")
    plain = home / "plain.properties"
    _write(plain, "security.protocol=PLAINTEXT\n")
    assert _asked("--command-config", str(plain), context="prod") == ("prod:1", "")


def test_a_project_has_its_own_up_to_the_root_of_its_repository(home: Path) -> None:
    work = Path.cwd().parent
    _write(work / ".barnabas.toml", 'context = "dev"\n[contexts.dev]\nbootstrap-server = "p:1"\n')
    assert _asked() == ("dev:1", ""), "no repository: only the working directory"
    (work / ".git").mkdir()
    assert _asked() == ("p:1", "")
    assert _asked(context="prod") == ("prod:1", "PLAIN"), "the user's are there as well"
    said = here("context", "use", "prod")
    assert "chooses dev in this project" in said.stderr
    assert _asked() == ("p:1", "")
    (work / ".barnabas.toml").rename(work.parent / ".barnabas.toml")
    assert _asked() == ("prod:1", "PLAIN"), "outside of the repository"


def test_a_projects_context_is_chosen_in_its_file(home: Path) -> None:
    _write(Path.cwd() / ".barnabas.toml", '[contexts.own]\nbootstrap-server = "p:1"\n')
    fails(here("context", "use", "own"), 1, ".barnabas.toml")
    assert _asked(context="own") == ("p:1", "")


def test_list_and_show_hide_secrets(home: Path) -> None:
    listed = here("context", "list").stdout.splitlines()
    assert [line.split()[:2] for line in listed[1:2]] == [["*", "dev"]]
    assert len(listed) == 4
    for arguments in (("show", "inline"), ("show", "prod"), ("list",), ("show",)):
        for output in ("table", "json"):
            done = here("context", *arguments, "-o", output)
            assert done.returncode == 0, done
            assert SECRET not in done.stdout + done.stderr
    found = json.loads(here("context", "show", "prod", "-o", "json").stdout)
    assert found["properties"] == {
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": "[hidden]",
        "security.protocol": "SASL_PLAINTEXT",
    }
    assert (
        json.loads(here("--context", "inline", "context", "show", "-o", "json").stdout)["context"]
        == "inline"
    )


def test_what_is_wrong_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(here("--context", "nobody", "topic", "list"), 1, "'nobody'", "dev, prod, inline")
    (home / "prod.properties").unlink()
    fails(here("--context", "prod", "topic", "list"), 1, "context prod", "prod.properties")
    _write(home / "config.toml", "[contexts")
    fails(here("topic", "list"), 1, "config.toml")
    monkeypatch.setenv("BARNABAS_CONFIG", str(home / "absent.toml"))
    fails(here("topic", "list"), 1, "absent.toml")


def test_a_login_that_is_not_understood_repeats_no_secret(home: Path) -> None:
    _write(
        home / "config.toml",
        f'[contexts.a]\nbootstrap-server = "a:1"\nsecurity.protocol = "SASL_SSL"\n'
        f'sasl.mechanism = "PLAIN"\nsasl.jaas.config = "{SECRET}"\n',
    )
    with pytest.raises(ConfigError) as refused:
        _asked(context="a")
    assert SECRET not in str(refused.value)


def test_a_file_with_passwords_that_others_may_read_is_warned_of(home: Path) -> None:
    assert here("context", "list").stderr == ""
    (home / "config.toml").chmod(0o644)
    assert "others may read it" in here("context", "list").stderr
