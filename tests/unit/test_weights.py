from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.errors import WeightsNotFoundError
from florilegium.model_records import RECORD_NAME
from florilegium.weights import locate_weights
from tests.tiny_hub import GGUF_MODEL, GGUF_PROJECTOR
from tests.unit.installed import install, install_chat_model

NAME = "tiny--chat"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of models, with a chat model and an encoder in it."""
    folder = tmp_path / "models"
    install_chat_model(folder)
    install(folder)
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def _refused(model: str, message: str, *, kind: str = "llama_cpp") -> str:
    with pytest.raises(WeightsNotFoundError, match=message) as caught:
        locate_weights(model, kind=kind)
    return str(caught.value.hint)


@pytest.mark.parametrize("model", [NAME, "tiny/chat"])
def test_a_pulled_model_is_found_by_its_name_and_by_its_repository(
    models: Path, model: str
) -> None:
    assert locate_weights(model, kind="llama_cpp") == models / NAME


def test_a_card_is_found_by_its_name_and_by_its_repository(models: Path) -> None:
    install_chat_model(models, "qwen3-vl-2b")

    for model in ("qwen3-vl-2b", "Qwen/Qwen3-VL-2B-Instruct-GGUF"):
        assert locate_weights(model, kind="llama_cpp") == models / "qwen3-vl-2b"


def test_other_files_of_a_card_are_found_under_the_name_of_the_repository(models: Path) -> None:
    install_chat_model(models, "Qwen--Qwen3-VL-2B-Instruct-GGUF")

    for model in ("Qwen--Qwen3-VL-2B-Instruct-GGUF", "Qwen/Qwen3-VL-2B-Instruct-GGUF"):
        assert locate_weights(model, kind="llama_cpp").name == "Qwen--Qwen3-VL-2B-Instruct-GGUF"


def test_a_path_names_a_file_or_a_folder(models: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rose.gguf").write_bytes(b"GGUF")

    assert locate_weights("mine", kind="llama_cpp") == Path("mine")
    assert locate_weights("mine/rose.gguf", kind="llama_cpp") == Path("mine/rose.gguf")
    assert locate_weights(str(tmp_path / "mine"), kind="transformers") == tmp_path / "mine"


def test_a_path_may_begin_at_home(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "rose.gguf").write_bytes(b"GGUF")

    assert locate_weights("~/rose.gguf", kind="llama_cpp") == tmp_path / "rose.gguf"
    _refused("~nobody-at-all/rose.gguf", "neither a file nor a pulled model")


def test_a_folder_with_a_record_is_held_to_it_wherever_it_is(models: Path, tmp_path: Path) -> None:
    install_chat_model(tmp_path / "elsewhere", "mine")
    (tmp_path / "elsewhere" / "mine" / GGUF_MODEL).unlink()

    _refused(str(tmp_path / "elsewhere" / "mine"), "'mine' is damaged")


def test_an_encoder_is_no_chat_model(models: Path) -> None:
    hint = _refused("tiny/clip", "'tiny--clip' is an encoder, and no chat model")

    assert 'encoder.name = "onnx_clip:tiny--clip"' in hint


def test_a_model_for_another_backend_says_which(models: Path) -> None:
    hint = _refused(NAME, "for the chat model 'llama_cpp', and 'mc_llava'", kind="mc_llava")

    assert hint == 'Set chat.name = "llama_cpp:tiny--chat".'


def test_a_missing_file_is_named_with_what_mends_it(models: Path) -> None:
    (models / NAME / GGUF_PROJECTOR).unlink()

    hint = _refused(NAME, f"is damaged: '{GGUF_PROJECTOR}' is not there")

    assert f"florilegium models pull {NAME}" in hint


def test_a_file_of_another_size_is_named(models: Path) -> None:
    file = models / NAME / GGUF_MODEL
    size = file.stat().st_size
    file.write_bytes(b"GGUF")

    _refused(NAME, f"'{GGUF_MODEL}' has 4 bytes instead of {size}")


def test_weights_that_are_not_of_the_model_are_not_loaded_by_chance(models: Path) -> None:
    (models / NAME / "notes.txt").write_text("rose", encoding="utf-8")
    assert locate_weights(NAME, kind="llama_cpp") == models / NAME
    (models / NAME / "other.gguf").write_bytes(b"GGUF")

    hint = _refused(NAME, "holds 'other.gguf', which is not of it")

    assert "other.gguf" in hint


def test_a_damaged_record_is_said_to_be_one(models: Path) -> None:
    (models / NAME / RECORD_NAME).write_text("{", encoding="utf-8")

    _refused(NAME, "cannot be used")


def test_a_card_that_is_not_pulled_says_what_to_run_and_how_much_is_fetched(models: Path) -> None:
    hint = _refused("Qwen/Qwen3-VL-2B-Instruct-GGUF", "still to be pulled")

    assert hint == "Run `florilegium models pull qwen3-vl-2b`, which fetches 1.6 GB."


def test_a_card_for_another_backend_is_not_worth_pulling(models: Path) -> None:
    hint = _refused("llava-1.5-7b", "'llava-1.5-7b' is one for the chat model 'transformers'")

    assert hint == 'Set chat.name = "transformers:llava-1.5-7b".'
    assert "encoder.name" in _refused("siglip2-base-256", "is an encoder")


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("someone/roses", "florilegium models pull someone/roses"),
        ("roses", "florilegium models list"),
        ("a/b/roses.gguf", "Mend the path"),
        ("../models", "Mend the path"),
    ],
)
def test_what_is_nowhere_says_what_may_be_meant(models: Path, model: str, hint: str) -> None:
    models.rename(models.with_name("gone"))

    assert hint in _refused(model, "neither a file nor a pulled model")


@pytest.mark.parametrize("model", ["", " "])
def test_a_backend_without_a_model_says_how_one_is_named(models: Path, model: str) -> None:
    assert '"llama_cpp:NAME"' in _refused(model, "needs a model")


def test_a_name_that_is_longer_than_names_can_be_is_not_there(models: Path) -> None:
    _refused("x" * 300, "neither a file nor a")
