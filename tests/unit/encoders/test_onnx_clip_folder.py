"""A model is found by name or by path, and its files are those of its record or it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.encoders.onnx_clip.folder import check_file, find_folder, load_record
from florilegium.encoders.onnx_clip.record import RECORD_NAME
from florilegium.errors import UnknownBackendError, WeightsNotFoundError
from tests.tiny_onnx import write_tiny_clip
from tests.unit.installed import install


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of installed models, with `tiny--clip` in it."""
    folder = tmp_path / "models"
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(folder))
    install(folder)
    return folder


@pytest.mark.parametrize("name", ["tiny--clip", "tiny/clip"])
def test_an_installed_model_is_found_by_its_name(models: Path, name: str) -> None:
    assert find_folder(name) == models / "tiny--clip"


@pytest.mark.usefixtures("models")
def test_a_folder_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_clip(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)

    assert find_folder("mine") == find_folder(str(tmp_path / "mine")) == tmp_path / "mine"


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("name", ["absent", "owner/absent"])
def test_a_model_that_is_nowhere_is_named_with_the_way_to_get_it(name: str) -> None:
    with pytest.raises(WeightsNotFoundError, match="There is no model") as caught:
        find_folder(name)

    assert f"models pull {name}" in (caught.value.hint or "")


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("name", ["/no/such/model.onnx", "~nobody-of-this-name/x", "a/b/c", "./x"])
def test_a_path_that_is_nowhere_is_not_to_be_pulled(name: str) -> None:
    with pytest.raises(WeightsNotFoundError, match="There is no model") as caught:
        find_folder(name)

    assert (
        caught.value.hint == "Give the path of the folder that holds the graphs and the tokenizer."
    )


@pytest.mark.parametrize("name", ["", "  "])
def test_an_encoder_without_a_model_is_refused(name: str) -> None:
    with pytest.raises(UnknownBackendError, match="needs a model"):
        find_folder(name)


def test_a_folder_without_a_record_gets_one_that_is_kept_elsewhere(tmp_path: Path) -> None:
    folder, cache = tmp_path / "mine", tmp_path / "cache"
    write_tiny_clip(folder)

    record = load_record(folder, cache)
    (folder / "onnx" / "vision_model.onnx").unlink()  # so that it cannot be made again

    assert record.id == "mine"
    assert load_record(folder, cache) == record
    assert not (folder / RECORD_NAME).exists()


def test_two_folders_of_one_name_have_records_of_their_own(tmp_path: Path) -> None:
    for place, dim in (("a", 16), ("b", 20)):
        write_tiny_clip(tmp_path / place / "mine", dim=dim)

    dims = [load_record(tmp_path / place / "mine", tmp_path / "cache").dim for place in "ab"]

    assert dims == [16, 20]


def test_a_cache_folder_that_cannot_be_written_to_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_tiny_clip(tmp_path / "mine")
    (tmp_path / "cache").write_text("in the way", encoding="utf-8")

    record = load_record(tmp_path / "mine", tmp_path / "cache")

    assert record.id == "mine"
    assert "cannot be kept" in caplog.text


def test_whole_files_pass(models: Path, tmp_path: Path) -> None:
    folder = models / "tiny--clip"
    record = load_record(folder, tmp_path)

    paths = [check_file(folder, file) for file in record.files]

    assert paths == [folder / file.path for file in record.files]


def test_a_file_that_was_cut_off_is_named_with_its_sizes(models: Path, tmp_path: Path) -> None:
    folder = models / "tiny--clip"
    file = load_record(folder, tmp_path).file("onnx/text_model.onnx")
    path = folder / file.path
    path.write_bytes(path.read_bytes()[:100])

    with pytest.raises(WeightsNotFoundError, match=f"has 100 bytes, but {file.size}") as caught:
        check_file(folder, file)

    assert "models pull tiny--clip" in (caught.value.hint or "")


def test_a_file_with_another_hash_is_refused(models: Path, tmp_path: Path) -> None:
    folder = models / "tiny--clip"
    file = load_record(folder, tmp_path).file("tokenizer.json")
    path = folder / file.path
    path.write_bytes(path.read_bytes().replace(b"red", b"der"))

    with pytest.raises(WeightsNotFoundError, match="has the SHA-256"):
        check_file(folder, file)


def test_a_file_that_is_gone_is_named(models: Path, tmp_path: Path) -> None:
    folder = models / "tiny--clip"
    file = load_record(folder, tmp_path).file("tokenizer.json")
    (folder / file.path).unlink()

    with pytest.raises(WeightsNotFoundError, match=r"no readable file 'tokenizer\.json'"):
        check_file(folder, file)


def test_a_changed_folder_of_the_users_says_which_record_to_delete(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_tiny_clip(folder)
    file = load_record(folder, tmp_path / "cache").file("tokenizer.json")
    (folder / file.path).write_text("{}", encoding="utf-8")

    with pytest.raises(WeightsNotFoundError) as caught:
        check_file(folder, file)

    assert "delete the records" in (caught.value.hint or "")
