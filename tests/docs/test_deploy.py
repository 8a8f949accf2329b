"""What the Dockerfile, compose.yaml and the systemd unit name is there: no image is built here."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.routing import APIRoute

from florilegium import Library, config_fields
from florilegium.cli.lazy import LazyCommands
from florilegium.config import load_settings
from florilegium.server.app import create_app
from tests.conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
PAGE: dict[str, Any] = COMPOSE["services"]["florilegium"]
UNIT_FILE = ROOT / "deploy" / "florilegium.service"
HOW_TO = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
SETTINGS = {row[0] for row in config_fields.describe_fields()}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]


def _instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", "\n".join(
        line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")
    ))  # fmt: skip
    return [
        (words[0], words[2]) for line in joined.splitlines() if (words := line.partition(" "))[0]
    ]


def _values(name: str) -> list[str]:
    return [text for instruction, text in _instructions() if instruction == name]


def _unit() -> configparser.ConfigParser:
    # systemd takes keys several times; here the last one is enough but for Environment.
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read(UNIT_FILE, encoding="utf-8")
    return parser


def _check_command(arguments: list[str]) -> None:
    """Parse a command as the command line does, which refuses unknown flags and values."""
    name, *rest = arguments
    LazyCommands()[name].make_context(name, rest)


def _check_setting(variable: str) -> None:
    key = variable.removeprefix("FLORILEGIUM_").lower().replace("__", ".")
    assert key in SETTINGS, variable


def test_the_image_copies_files_that_there_are() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        name
        for text in _values("COPY")
        if not text.startswith("--from")
        for name in text.split()[:-1]
    ]

    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignored, f".dockerignore keeps {name} out"


def test_the_image_holds_the_extras_of_the_server_and_no_pytorch() -> None:
    [extras] = re.findall(r"\.whl\)\[([\w,]+)\]", DOCKERFILE)

    assert set(extras.split(",")) == {"server", "traces"}
    assert set(extras.split(",")) <= set(EXTRAS)
    assert not [one for extra in extras.split(",") for one in EXTRAS[extra] if "torch" in one]


def test_the_image_runs_a_python_that_the_package_takes() -> None:
    versions = re.findall(r"^FROM python:3\.(\d+)-slim", DOCKERFILE, flags=re.MULTILINE)

    assert len(versions) == 2
    assert len(set(versions)) == 1
    assert int(versions[0]) >= 11


def test_the_image_runs_as_nobody_in_particular() -> None:
    assert _values("USER") == ["florilegium"]
    assert re.search(r"useradd --uid 10001 --user-group\b[^&]*\bflorilegium\b", DOCKERFILE)


def test_the_image_runs_a_command_that_there_is() -> None:
    [entry], [command] = _values("ENTRYPOINT"), _values("CMD")

    assert json.loads(entry) == ["florilegium"]
    _check_command(json.loads(command))


def test_the_image_sets_settings_that_there_are() -> None:
    [variables] = [text for text in _values("ENV") if "HOME" in text]
    ours = [pair.split("=")[0] for pair in variables.split() if pair.startswith("FLORILEGIUM_")]

    assert ours
    for variable in ours:
        _check_setting(variable)


def test_what_the_image_writes_is_in_a_volume() -> None:
    [volumes] = _values("VOLUME")
    [variables] = [text for text in _values("ENV") if "HOME" in text]
    folders = [
        value
        for name, _, value in (pair.partition("=") for pair in variables.split())
        if "HOME" in name or name.endswith("FOLDER")
    ]

    assert len(folders) == 5
    assert all(folder.startswith(tuple(json.loads(volumes))) for folder in folders)


def test_the_health_of_the_image_is_asked_for_where_the_server_tells_it(
    tiny_library: Library,
) -> None:
    [check] = _values("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    address = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)", command[-1])

    assert address is not None
    assert _values("EXPOSE") == [address[1]]
    assert address[2] in _paths(tiny_library)
    compile(command[-1], "healthcheck", "exec")


def _paths(library: Library) -> set[str]:
    app = create_app(library)
    paths = set(app.openapi()["paths"])
    return paths | {one.path for one in app.routes if isinstance(one, APIRoute)}


def test_compose_runs_a_command_that_there_is() -> None:
    _check_command(PAGE["command"])


def test_compose_sets_settings_that_there_are() -> None:
    for variable in PAGE["environment"]:
        if variable.startswith("FLORILEGIUM_"):
            _check_setting(variable)


@pytest.mark.parametrize("key", ["", "a-long-random-word"], ids=["accounts", "a key"])
def test_compose_passes_a_key_or_none(key: str) -> None:
    environment = PAGE["environment"]
    # "" where the variable is empty or not set, as the specification of Compose has it.
    given = re.fullmatch(r"\$\{(\w+):\+(\w+)\}", environment["FLORILEGIUM_SERVER__API_KEY_ENV"])
    assert given is not None
    assert given[1] == given[2]
    assert environment[given[1]] is None, "it is passed on where it is set"
    variables = {"FLORILEGIUM_SERVER__API_KEY_ENV": given[2] if key else ""}

    server = load_settings(None, environment=variables | {given[1]: key}).config.server

    assert (server.api_key.get_secret_value() if server.api_key else "") == key


def test_compose_mounts_what_the_image_writes_and_nothing_else_may_be_written() -> None:
    [volumes] = _values("VOLUME")
    mounted = [volume.split(":")[1] for volume in PAGE["volumes"]]

    assert sorted(mounted) == sorted(json.loads(volumes))
    assert PAGE["read_only"] is True
    named = {
        volume.split(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service["volumes"]
        if not volume.startswith(".")
    }
    assert named == set(COMPOSE["volumes"])
    for service in COMPOSE["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_compose_lets_this_machine_in_alone_and_gives_answers_time_to_end() -> None:
    assert PAGE["ports"] == ["127.0.0.1:8000:8000"]
    stop = load_settings(None, environment={}).config.server.stop_seconds
    assert int(PAGE["stop_grace_period"].removesuffix("s")) > stop


def test_compose_passes_on_what_a_server_behind_a_proxy_needs() -> None:
    lists = {"ALLOWED_HOSTS": "flowers.example.org,flowers", "TRUSTED_PROXIES": "172.18.0.1"}
    variables = {f"FLORILEGIUM_SERVER__{name}": value for name, value in lists.items()}
    variables["FLORILEGIUM_SERVER__UPLOADS"] = "true"

    server = load_settings(None, environment=variables).config.server

    assert set(variables) <= set(PAGE["environment"])
    assert server.allowed_hosts == ("flowers.example.org", "flowers")
    assert server.trusted_proxies == ("172.18.0.1",)
    assert server.uploads


@pytest.mark.parametrize("name", ["llama", "chroma"])
def test_what_runs_beside_it_runs_only_when_asked_for(name: str) -> None:
    assert COMPOSE["services"][name]["profiles"] == [name]
    assert "profiles" not in PAGE


def test_the_chroma_server_is_of_the_version_that_was_tested() -> None:
    [version] = re.findall(r"chromadb/chroma:([\d.]+)", COMPOSE["services"]["chroma"]["image"])

    assert f"chromadb=={version}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_the_unit_runs_a_command_that_there_is() -> None:
    program, *arguments = shlex.split(_unit()["Service"]["ExecStart"])

    assert Path(program).name == "florilegium"
    _check_command(arguments)


def test_the_unit_keeps_its_library_where_it_may_write() -> None:
    service = _unit()["Service"]
    writable = f"/var/lib/{service['StateDirectory']}"

    assert service["ProtectSystem"] == "strict"
    assert service["WorkingDirectory"] == writable
    assert f"={writable}/flowers" in service["ExecStart"]
    folders = re.findall(r"^Environment=\w+=(\S+)", UNIT_FILE.read_text("utf-8"), re.MULTILINE)
    assert len(folders) == 4
    assert all(folder.startswith(writable) for folder in folders)


def test_the_unit_gives_answers_time_to_end() -> None:
    stop = load_settings(None, environment={}).config.server.stop_seconds

    assert int(_unit()["Service"]["TimeoutStopSec"]) > stop


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    # The program is not installed here, so another one stands in for it.
    text = UNIT_FILE.read_text(encoding="utf-8")
    unit = tmp_path / UNIT_FILE.name
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text), encoding="utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_page_about_it_names_all_of_it() -> None:
    for word in (
        "Dockerfile",
        "compose.yaml",
        "deploy/florilegium.service",
        "--profile llama",
        "--profile chroma",
    ):
        assert word in HOW_TO
    for variable in re.findall(r"FLORILEGIUM_\w+__\w+", HOW_TO):
        _check_setting(variable)
    for variable in PAGE["environment"]:
        assert variable in HOW_TO, variable
