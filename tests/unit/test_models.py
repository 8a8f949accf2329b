from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from florilegium.errors import WeightsNotFoundError
from florilegium.ids import sha256_file
from florilegium.model_records import RECORD_NAME
from florilegium.models import (
    Damage,
    InstalledModel,
    UnreadableModel,
    check_files,
    find_model,
    folder_size,
    installed_models,
    interrupted_models,
    is_inner_path,
    model_name,
    open_model,
    record_kind,
    remove_model,
)
from tests.tiny_hub import GGUF_MODEL
from tests.unit.installed import install, install_chat_model

VISION, TEXT = "onnx/vision_model.onnx", "onnx/text_model.onnx"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return a folder with one model in it."""
    install(tmp_path / "models")
    return tmp_path / "models"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("siglip2-base-256", "siglip2-base-256"),
        ("onnx-community/siglip2-base-patch16-256-ONNX", "siglip2-base-256"),
        ("someone/some_model.v2", "someone--some_model.v2"),
        ("someone--some_model.v2", "someone--some_model.v2"),
    ],
)
def test_a_name_leads_to_a_folder(name: str, folder: str) -> None:
    assert model_name(name) == folder


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "/a", "a/b/c", "a/..", ".hidden", "a b", "a..b", "a.partial"]
)
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(WeightsNotFoundError, match="neither a model nor a hub repository"):
        model_name(name)


def test_installed_models_are_found_with_their_records(models: Path) -> None:
    install(models, "another")

    found = installed_models(models)

    assert [model.name for model in found] == ["another", "tiny--clip"]
    assert all(isinstance(model, InstalledModel) for model in found)


def test_what_has_no_record_is_no_model(models: Path) -> None:
    (models / "holidays").mkdir()
    (models / "notes.txt").write_text("rose", encoding="utf-8")

    assert [model.name for model in installed_models(models)] == ["tiny--clip"]


def test_without_a_folder_there_are_no_models(tmp_path: Path) -> None:
    assert installed_models(tmp_path / "none") == []
    assert interrupted_models(tmp_path / "none") == []


def test_a_damaged_record_is_a_model_that_cannot_be_read(models: Path) -> None:
    (models / "tiny--clip" / RECORD_NAME).write_text("{", encoding="utf-8")

    (model,) = installed_models(models)

    assert isinstance(model, UnreadableModel)
    assert "cannot be used" in model.problem


def test_what_is_partly_fetched_is_no_model_yet(models: Path) -> None:
    (models / "tiny--clip").rename(models / "tiny--clip.partial")

    assert installed_models(models) == []
    assert interrupted_models(models) == ["tiny--clip"]


def test_a_model_is_found_by_the_name_of_its_repository(models: Path) -> None:
    assert find_model("tiny/clip", folder=models).folder == models / "tiny--clip"


def test_a_model_that_is_not_there_says_how_to_get_it(models: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="no model 'siglip2-base-256'") as caught:
        find_model("siglip2-base-256", folder=models)

    assert "florilegium models pull siglip2-base-256" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["holidays", "none"])
def test_a_folder_without_a_record_cannot_be_opened(models: Path, name: str) -> None:
    (models / "holidays").mkdir()

    with pytest.raises(WeightsNotFoundError, match=f"has no {RECORD_NAME}"):
        open_model(models / name)


def test_a_whole_model_has_no_problems(models: Path) -> None:
    model = open_model(models / "tiny--clip")

    assert list(check_files(model.folder, model.record)) == []


def test_what_is_missing_changed_or_extra_is_named(models: Path) -> None:
    model = open_model(models / "tiny--clip")
    (model.folder / VISION).unlink()
    longer = model.folder / "tokenizer.json"
    longer.write_bytes(longer.read_bytes() + b" ")
    changed = model.folder / TEXT
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    (model.folder / "notes.txt").write_text("rose", encoding="utf-8")

    found = {problem.path: problem for problem in check_files(model.folder, model.record)}

    assert {path: problem.damage for path, problem in found.items()} == {
        VISION: Damage.MISSING,
        TEXT: Damage.CHANGED,
        "tokenizer.json": Damage.CHANGED,
        "notes.txt": Damage.EXTRA,
    }
    assert found[TEXT].message == "has another SHA-256 than the record"
    size = model.record.file("tokenizer.json").size
    assert found["tokenizer.json"].message == f"has {size + 1} bytes instead of {size}"


def test_chat_models_stand_beside_encoders(models: Path) -> None:
    record = install_chat_model(models)

    chat_model, encoder = (open_model(models / name) for name in ("tiny--chat", "tiny--clip"))

    assert chat_model.record == record
    assert (record_kind(chat_model.record), record_kind(encoder.record)) == (
        "llama_cpp", "onnx_clip",
    )  # fmt: skip
    assert chat_model.setting == 'chat.name = "llama_cpp:tiny--chat"'
    assert encoder.setting == 'encoder.name = "onnx_clip:tiny--clip"'
    assert [model.name for model in installed_models(models)] == ["tiny--chat", "tiny--clip"]


def test_the_files_of_a_chat_model_are_hashed_too(models: Path) -> None:
    install_chat_model(models)
    model = find_model("tiny/chat", folder=models)
    assert list(check_files(model.folder, model.record)) == []
    file = model.folder / GGUF_MODEL
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    (problem,) = check_files(model.folder, model.record)

    assert (problem.path, problem.damage) == (GGUF_MODEL, Damage.CHANGED)


def test_removing_a_model_frees_its_bytes(models: Path) -> None:
    size = folder_size(models / "tiny--clip")
    install(models, "another")

    assert remove_model("tiny/clip", folder=models) == size > 0
    assert [path.name for path in models.iterdir()] == ["another"]


def test_removing_a_model_removes_what_is_partly_fetched_of_it(models: Path) -> None:
    (models / "tiny--clip.partial").mkdir()
    (models / "new.partial").mkdir()

    remove_model("tiny--clip", folder=models)
    remove_model("new", folder=models)

    assert list(models.iterdir()) == []


def test_a_model_that_is_not_there_cannot_be_removed(models: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="no model 'rose'"):
        remove_model("rose", folder=models)


def test_a_folder_that_is_no_model_is_not_removed(models: Path) -> None:
    (models / "holidays").mkdir()

    with pytest.raises(WeightsNotFoundError, match="was not put there by Florilegium"):
        remove_model("holidays", folder=models)

    assert (models / "holidays").is_dir()


def test_a_link_to_somewhere_else_is_not_followed(models: Path, tmp_path: Path) -> None:
    install(tmp_path / "elsewhere", "mine")
    (models / "mine").symlink_to(tmp_path / "elsewhere" / "mine")

    with pytest.raises(WeightsNotFoundError, match="is a link to"):
        remove_model("mine", folder=models)

    assert (tmp_path / "elsewhere" / "mine" / RECORD_NAME).is_file()


@pytest.mark.parametrize("name", ["../elsewhere", "..", "/tmp", "tiny--clip/onnx"])
def test_a_name_that_leads_out_of_the_folder_is_not_removed(models: Path, name: str) -> None:
    with pytest.raises(WeightsNotFoundError):
        remove_model(name, folder=models)

    assert (models / "tiny--clip" / "onnx").is_dir()


def test_a_file_is_hashed_with_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"rose")

    assert sha256_file(tmp_path / "file") == hashlib.sha256(b"rose").hexdigest()


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("a", True),
        ("onnx/text_model.onnx", True),
        ("a/../b", False),
        ("..", False),
        ("./a", False),
        ("a/", False),
        ("a//b", False),
        ("/a", False),
        ("", False),
        ("a\\..\\b", False),
        ("c:a", False),
    ],
)
def test_a_path_from_elsewhere_stays_inside(path: str, inner: bool) -> None:
    assert is_inner_path(path) is inner
