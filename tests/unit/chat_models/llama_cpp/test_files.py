from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.chat_models.llama_cpp.files import find_files
from florilegium.errors import WeightsNotFoundError
from tests.tiny_gguf import MODEL, write_gguf, write_mmproj


def test_a_file_is_its_own_model(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "rose.gguf")

    files = find_files(model, mmproj="", vision="auto")

    assert files.model == model
    assert files.name == "rose"
    assert files.context_tokens == 4096
    assert files.mmproj is None


def test_a_folder_gives_its_only_model_and_the_vision_part_beside_it(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "rose.gguf")
    eyes = write_mmproj(tmp_path / "mmproj-rose-f16.gguf")
    (tmp_path / "README.md").write_text("About the rose.", encoding="utf-8")

    for place in (tmp_path, model):
        files = find_files(place, mmproj="", vision="auto")

        assert (files.model, files.mmproj) == (model, eyes)


def test_a_model_may_lie_in_a_folder_of_its_folder(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "Q4_K_M" / "rose.gguf")
    eyes = write_mmproj(tmp_path / "mmproj.gguf")

    files = find_files(tmp_path, mmproj="", vision="auto")

    assert (files.model, files.mmproj) == (model, eyes)


def test_several_models_in_a_folder_are_listed(tmp_path: Path) -> None:
    for name in ("rose-Q4.gguf", "rose-Q8.gguf"):
        write_gguf(tmp_path / name)

    with pytest.raises(WeightsNotFoundError, match=r"several models: 'rose-Q4.*', 'rose-Q8") as got:
        find_files(tmp_path, mmproj="", vision="auto")

    assert got.value.hint
    assert str(tmp_path / "rose-Q4.gguf") in got.value.hint


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    write_mmproj(tmp_path / "mmproj.gguf")

    with pytest.raises(WeightsNotFoundError, match="holds no model"):
        find_files(tmp_path, mmproj="", vision="auto")


def test_a_vision_part_beside_several_models_is_nobodys(tmp_path: Path) -> None:
    rose = write_gguf(tmp_path / "rose.gguf")
    write_gguf(tmp_path / "dahlia.gguf")
    eyes = write_mmproj(tmp_path / "mmproj.gguf")

    assert find_files(rose, mmproj="", vision="auto").mmproj is None
    assert find_files(rose, mmproj="mmproj.gguf", vision="auto").mmproj == eyes


def test_several_vision_parts_are_listed(tmp_path: Path) -> None:
    write_gguf(tmp_path / "rose.gguf")
    for name in ("mmproj-f16.gguf", "mmproj-q8.gguf"):
        write_mmproj(tmp_path / name)

    with pytest.raises(WeightsNotFoundError, match=r"several vision parts: 'mmproj-f16.*mmproj-q8"):
        find_files(tmp_path, mmproj="", vision="auto")


def test_a_named_vision_part_may_lie_anywhere(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "models" / "rose.gguf")
    eyes = write_mmproj(tmp_path / "eyes.gguf")

    assert find_files(model, mmproj=str(eyes), vision="auto").mmproj == eyes


def test_a_named_vision_part_that_is_missing_is_named(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "rose.gguf")

    with pytest.raises(WeightsNotFoundError, match=r"'eyes\.gguf', which chat\.mmproj names"):
        find_files(model, mmproj="eyes.gguf", vision="auto")


def test_a_model_is_no_vision_part(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "rose.gguf")

    with pytest.raises(WeightsNotFoundError, match="its architecture is 'llama', not 'clip'"):
        find_files(model, mmproj="rose.gguf", vision="auto")


def test_a_vision_part_is_no_model(tmp_path: Path) -> None:
    eyes = write_mmproj(tmp_path / "eyes.gguf")

    with pytest.raises(WeightsNotFoundError, match="is the vision part of a model"):
        find_files(eyes, mmproj="", vision="auto")


def test_what_is_no_language_model_is_refused(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "voice.gguf", {"general.architecture": "whisper"})

    with pytest.raises(WeightsNotFoundError, match="is no language model"):
        find_files(file, mmproj="", vision="auto")


def test_vision_can_be_left_out(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "rose.gguf")
    write_mmproj(tmp_path / "mmproj.gguf")

    assert find_files(model, mmproj="mmproj.gguf", vision="no").mmproj is None


def test_vision_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "rose.gguf")

    with pytest.raises(WeightsNotFoundError, match="there is no vision part for"):
        find_files(model, mmproj="", vision="yes")


def test_a_model_in_parts_begins_with_its_first(tmp_path: Path) -> None:
    first, second = (
        write_gguf(tmp_path / f"rose-0000{part}-of-00002.gguf", {**MODEL, "split.count": 2})
        for part in (1, 2)
    )

    for place in (tmp_path, first, second):
        files = find_files(place, mmproj="", vision="auto")

        assert files.model == first
        assert files.name == "rose"


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    write_gguf(tmp_path / "rose-00001-of-00002.gguf", {**MODEL, "split.count": 2})

    with pytest.raises(WeightsNotFoundError, match=r"2 parts, and 'rose-00002-of-00002\.gguf'"):
        find_files(tmp_path, mmproj="", vision="auto")
