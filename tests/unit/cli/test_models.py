from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from florilegium.cli.app import app
from florilegium.cli.models import model_rows
from florilegium.model_cards import read_cards
from tests.tiny_hub import GGUF_MODEL
from tests.unit.installed import install, install_chat_model

NAME = "tiny--clip"
TEXT = "onnx/text_model.onnx"

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of models that the commands use."""
    folder = tmp_path / "models"
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(folder))
    return folder


@pytest.fixture
def installed(folder: Path) -> Path:
    """Return the folder of an installed model."""
    install(folder)
    return folder / NAME


@pytest.fixture
def run(folder: Path) -> Run:
    """Return what runs `florilegium models` with some arguments."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["models", *arguments])

    return run


def test_the_list_has_every_card_and_every_model_on_disk(run: Run, installed: Path) -> None:
    data = json.loads(run("list", "--json").stdout)

    assert [row["name"] for row in data] == [card.name for card in read_cards()] + [NAME]
    assert data[0]["state"] == "not installed"
    assert data[-1]["state"] == "installed"
    assert data[-1]["folder"] == str(installed)
    assert data[-1]["revision"] == "1" * 40
    assert data[-1]["precisions"] == ["fp32"]


def test_the_list_is_a_table_too(run: Run, installed: Path) -> None:
    lines = [line.split() for line in run("list").stdout.splitlines()]

    assert any(line[:3] == ["siglip2-base-256", "not", "installed"] for line in lines)
    assert any(line[:2] == [NAME, "installed"] for line in lines)


def test_a_card_says_what_it_knows_and_nothing_else(run: Run) -> None:
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}

    assert rows["siglip2-base-256"]["licence"] == "Apache-2.0"
    assert rows["siglip2-base-256"]["numbers"][0]["value"] == 53.2
    assert rows["mobileclip-s2"]["revision"] is None
    assert rows["mobileclip-s2"]["languages"] is None
    assert rows["clip-vit-b-32"]["licence"] is None


def test_an_installed_model_with_a_card_is_one_row(folder: Path) -> None:
    install(folder, "siglip2-base-256")

    rows = {row.name: row for row in model_rows(folder)}

    assert rows["siglip2-base-256"].state == "installed"
    assert rows["siglip2-base-256"].card is not None
    assert len(rows) == len(read_cards())


def test_the_list_says_what_opens_each_model(run: Run, installed: Path) -> None:
    install_chat_model(installed.parent)

    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    kinds = {name: (row["encoder"], row["chat_model"]) for name, row in rows.items()}

    assert kinds["siglip2-base-256"] == kinds[NAME] == ("onnx_clip", None)
    assert kinds["qwen3-vl-2b"] == kinds["tiny--chat"] == (None, "llama_cpp")
    assert kinds["mc-llava-3b"] == (None, "mc_llava")
    assert kinds["bge-reranker-base"] == (None, None)
    assert rows["bge-reranker-base"]["reranker"] == "cross_encoder"
    assert rows["qwen3-vl-2b"]["reranker"] is rows[NAME]["reranker"] is None
    assert rows["tiny--chat"]["size"] > 0
    assert rows["tiny--chat"]["dim"] is None
    assert "llama_cpp" in run("list").stdout


def test_chat_models_are_verified_found_and_removed_like_encoders(run: Run, folder: Path) -> None:
    install_chat_model(folder)

    assert run("verify", "tiny/chat").exit_code == 0
    assert run("path", "tiny/chat").stdout == f"{folder / 'tiny--chat'}\n"
    (folder / "tiny--chat" / GGUF_MODEL).write_bytes(b"rust")
    assert run("verify", "--all").exit_code == 1
    assert run("remove", "tiny/chat", "--yes").exit_code == 0
    assert not (folder / "tiny--chat").exists()


def test_what_is_partly_fetched_or_damaged_is_shown_so(run: Run, installed: Path) -> None:
    (installed / "florilegium.json").write_text("{", encoding="utf-8")
    (installed.parent / "siglip-base-224.partial").mkdir()

    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}

    assert rows[NAME]["state"] == "damaged"
    assert "cannot be used" in rows[NAME]["problem"]
    assert rows["siglip-base-224"]["state"] == "partly fetched"


def test_a_whole_model_verifies_with_exit_code_0(run: Run, installed: Path) -> None:
    result = run("verify", "tiny/clip", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == [
        {"name": NAME, "folder": str(installed), "ok": True, "problems": []}
    ]


def test_a_changed_file_is_exit_code_1_and_named(run: Run, installed: Path) -> None:
    (installed / TEXT).write_bytes(b"rust")

    result = run("verify", NAME, "--json")

    (found,) = json.loads(result.stdout)
    assert result.exit_code == 1
    assert not found["ok"]
    assert [(problem["path"], problem["damage"]) for problem in found["problems"]] == [
        (TEXT, "changed")
    ]


def test_the_table_says_what_is_wrong_and_what_mends_it(run: Run, installed: Path) -> None:
    (installed / TEXT).unlink()

    result = run("verify", NAME)

    assert result.exit_code == 1
    assert "WRONG" in result.stdout
    assert TEXT in result.stdout
    assert f"florilegium models pull {NAME}" in result.stderr


def test_a_file_too_many_is_named_but_no_fault(run: Run, installed: Path) -> None:
    (installed / "notes.txt").write_text("rose", encoding="utf-8")

    result = run("verify", NAME)

    assert result.exit_code == 0
    assert "extra" in result.stdout
    assert "notes.txt" in result.stdout


def test_all_models_are_verified_damaged_records_too(run: Run, installed: Path) -> None:
    install(installed.parent, "other")
    (installed / "florilegium.json").write_text("{", encoding="utf-8")

    result = run("verify", "--all", "--json")

    assert result.exit_code == 1
    assert {row["name"]: row["ok"] for row in json.loads(result.stdout)} == {
        "other": True, NAME: False,
    }  # fmt: skip


def test_a_folder_anywhere_can_be_verified(run: Run, tmp_path: Path) -> None:
    install(tmp_path / "elsewhere", "mine")

    result = run("verify", str(tmp_path / "elsewhere" / "mine"), "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)[0]["name"] == "mine"


def test_a_model_that_is_nowhere_cannot_be_verified(run: Run) -> None:
    result = run("verify", "rose", "--json")

    assert (result.exit_code, result.stdout) == (2, "")
    assert json.loads(result.stderr)["error"]["code"] == "weights_missing"


def test_to_verify_nothing_is_a_mistake(run: Run) -> None:
    result = run("verify")

    assert result.exit_code == 2
    assert "--all" in result.stderr


def test_the_path_of_a_model_is_all_that_is_printed(run: Run, installed: Path) -> None:
    assert run("path", "tiny/clip").stdout == f"{installed}\n"
    assert json.loads(run("path", NAME, "--json").stdout)["folder"] == str(installed)


def test_a_model_without_a_folder_has_no_path(run: Run) -> None:
    result = run("path", "siglip2-base-256")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "florilegium models pull siglip2-base-256" in result.stderr


def test_a_model_is_removed_when_nobody_has_to_be_asked(run: Run, installed: Path) -> None:
    result = run("remove", NAME, "--yes", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["freed"] > 0
    assert not installed.exists()


def test_nothing_is_removed_unasked(run: Run, installed: Path) -> None:
    result = run("remove", NAME)

    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert installed.exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_a_person_is_asked(
    installed: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr("florilegium.cli.models.is_interactive", lambda: True)

    result = CliRunner().invoke(app, ["models", "remove", NAME], input=answer)

    assert result.exit_code == code
    assert f"Delete the model '{NAME}'?" in result.stderr
    assert installed.exists() is (code == 1)
