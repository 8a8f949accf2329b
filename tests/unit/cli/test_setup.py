from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from florilegium.cli.app import app
from florilegium.cli.setup import setting_rows
from florilegium.config import load_settings
from florilegium.config_fields import describe_fields
from tests.unit.cli.conftest import Run

KEY = "s3cr3t-key"


def test_init_makes_a_library_of_a_new_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["init", str(tmp_path / "new")])

    assert result.exit_code == 0
    assert result.stdout == ""
    assert (tmp_path / "new" / ".florilegium").is_dir()
    assert (tmp_path / "new" / "florilegium.toml").is_file()


def test_init_says_what_to_run_next(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["init", str(tmp_path)])

    assert f"florilegium ingest --library {tmp_path}" in result.stderr.replace("\n", "")


def test_a_folder_with_a_space_is_quoted_in_what_to_run_next(tmp_path: Path) -> None:
    folder = tmp_path / "my flowers"

    result = CliRunner().invoke(app, ["init", str(folder)])

    assert f"florilegium ingest --library '{folder}'" in result.stderr


def test_init_of_a_library_changes_nothing_with_exit_code_2(folder: Path) -> None:
    before = (folder / "florilegium.toml").read_text(encoding="utf-8")

    result = CliRunner().invoke(app, ["init", str(folder)])

    assert result.exit_code == 2
    assert "is a library already" in result.stderr
    assert (folder / "florilegium.toml").read_text(encoding="utf-8") == before


def test_init_with_an_unknown_profile_leaves_no_trace(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["init", str(tmp_path / "new"), "--profile", "cloud"])

    assert result.exit_code == 2
    assert "cloud" in result.stderr
    assert not (tmp_path / "new").exists()


def test_init_keeps_the_settings_it_was_given(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["init", str(tmp_path), "--set", "retrieval.top_k=3"])

    assert load_settings(tmp_path, environment={}).config.retrieval.top_k == 3


def test_every_setting_has_a_row() -> None:
    rows = setting_rows(load_settings(environment={}))

    assert [key for key, _, _ in rows] == [key for key, *_ in describe_fields()]


def test_a_row_says_where_its_value_came_from() -> None:
    settings = load_settings(
        environment={"FLORILEGIUM_CHAT__PERSONA": "a gardener"},
        overrides={"retrieval.top_k": "3"},
    )

    rows = setting_rows(settings)

    assert ("retrieval.top_k", 3, "flag") in rows
    assert ("chat.persona", "a gardener", "environment") in rows
    assert ("chat.max_images", 4, "default") in rows


def test_config_show_names_the_file_of_a_value(run: Run, folder: Path) -> None:
    data = json.loads(run("config show", "--json").stdout)

    assert data["profile"] == {"value": "offline", "origin": str(folder / "florilegium.toml")}
    assert data["store.name"] == {"value": "memory", "origin": "flag"}
    assert data["retrieval.top_k"] == {"value": 8, "origin": "default"}


def test_config_show_is_a_table_too(run: Run) -> None:
    result = run("config show")

    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["store.name", "memory", "flag"] in lines
    assert ["retrieval.top_k", "8", "default"] in lines


def test_config_show_works_outside_of_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(app, ["config", "show", "--json"])

    assert result.exit_code == 0
    assert json.loads(result.stdout)["chat.name"] == {"value": "extractive", "origin": "default"}


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_config_show_refuses_a_folder_that_is_no_library(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(app, ["config", "show", "--library", str(tmp_path / name)])

    assert (result.exit_code, result.stdout) == (2, "")
    assert "is no library" in result.stderr


def test_config_show_finds_the_library_upwards(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")

    data = json.loads(CliRunner().invoke(app, ["config", "show", "--json"]).stdout)

    assert data["store.name"] == {"value": "memory", "origin": str(folder / "florilegium.toml")}


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_config_show_hides_what_is_secret_in_addresses(run: Run, as_json: tuple[str, ...]) -> None:
    settings = (
        f"chat.base_url=https://h/v1?api-key={KEY}",
        f"rerank.base_url=h:8080?{KEY}",
        f"server.traces=http://h/v1/traces?key={KEY}",
        f"store.name=chroma_server:http://anna:{KEY}@h",
        f'server.cors_origins=["https://h?key={KEY}"]',
    )

    result = run("config show", *(part for one in settings for part in ("--set", one)), *as_json)

    assert result.exit_code == 0
    assert KEY not in result.stdout + result.stderr
    for shown in (
        "https://h/v1?api-key=***", "h:8080?***", "http://h/v1/traces?key=***",
        "chroma_server:http://***@h", "https://h?key=***",
    ):  # fmt: skip
        assert shown in result.stdout.replace("\n", "")


@pytest.mark.parametrize("pair", [f'chat.base_url="https://h?key={KEY}', f"https://h?{KEY}"])
def test_an_override_that_is_none_is_told_without_what_is_secret(run: Run, pair: str) -> None:
    result = run("config show", "--set", pair)

    assert result.exit_code == 2
    assert KEY not in result.stderr
