"""The page for other languages: what stands there is run as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "other-languages.md"
BUILD_TIMEOUT_S = 600
RUN_TIMEOUT_S = 100

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(BUILD_TIMEOUT_S + RUN_TIMEOUT_S)]

POM = """
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId><artifactId>orders</artifactId><version>1</version>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId><version>3.9.1</version>
    </dependency>
    <dependency>
      <groupId>org.junit.jupiter</groupId><artifactId>junit-jupiter</artifactId><version>5.11.4</version>
      <scope>test</scope>
    </dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin><artifactId>maven-compiler-plugin</artifactId><version>3.13.0</version></plugin>
      <plugin><artifactId>maven-surefire-plugin</artifactId><version>3.5.2</version></plugin>
    </plugins>
  </build>
</project>
"""
CARGO = """
[package]
name = "orders"
version = "0.1.0"
edition = "2021"

[dev-dependencies]
rskafka = { version = "0.6", default-features = false }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
chrono = { version = "0.4", default-features = false, features = ["clock"] }
serde_json = "1"
ureq = { version = "3", default-features = false }

[profile.dev]
debug = false
incremental = false
"""


def block(language: str) -> str:
    """The one block of code in a language."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        path = directory / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def build(program: str, *arguments: str, directory: Path) -> None:
    """Skip where the program, or what it fetches, is missing."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = run(program, *arguments, directory=directory, timeout_s=BUILD_TIMEOUT_S)
    if done.returncode != 0:
        said = done.stdout + done.stderr
        if "error[E" in said or "COMPILATION ERROR" in said or "build failed" in said:
            raise AssertionError(said)
        pytest.skip(f"{program} cannot fetch what it needs: {said[-300:]}")


def run(
    program: str, *arguments: str, directory: Path, timeout_s: float = RUN_TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """With ``barnabas`` on the PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        [program, *arguments],
        cwd=directory,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def passes(program: str, *arguments: str, directory: Path) -> None:
    done = run(program, *arguments, directory=directory)
    assert done.returncode == 0, done.stdout + done.stderr


def test_java(tmp_path: Path) -> None:
    write(tmp_path, pom_xml=POM, src__test__java__OrdersTest_java=block("java"))
    build("mvn", "-q", "-B", "test-compile", "surefire:help", directory=tmp_path)
    passes("mvn", "-q", "-B", "test", directory=tmp_path)


def test_go(tmp_path: Path) -> None:
    write(tmp_path, go_mod="module orders\n\ngo 1.24\n")
    (tmp_path / "orders_test.go").write_text(block("go"))
    build("go", "mod", "tidy", directory=tmp_path)
    build("go", "test", "-c", "-o", os.devnull, directory=tmp_path)
    passes("go", "test", "-count=1", ".", directory=tmp_path)


def test_javascript(kafkajs: Path, tmp_path: Path) -> None:
    write(tmp_path, orders_test_mjs=block("js"))
    (tmp_path / "node_modules").symlink_to(kafkajs)
    passes("node", "--test", "orders.test.mjs", directory=tmp_path)


def test_rust(tmp_path: Path) -> None:
    write(tmp_path, Cargo_toml=CARGO, tests__orders_rs=block("rust"), src__lib_rs="")
    build("cargo", "test", "--quiet", "--no-run", directory=tmp_path)
    passes("cargo", "test", "--quiet", directory=tmp_path)
