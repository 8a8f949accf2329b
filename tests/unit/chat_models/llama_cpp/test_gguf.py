from __future__ import annotations

import struct
from pathlib import Path

import pytest

from florilegium.chat_models.llama_cpp.gguf import read_head
from florilegium.errors import WeightsNotFoundError
from tests.smollm2 import find_smollm2
from tests.tiny_gguf import MODEL, write_gguf, write_mmproj


def test_the_head_says_which_model_it_is(tmp_path: Path) -> None:
    head = read_head(write_gguf(tmp_path / "rose.gguf"))

    assert head.architecture == "llama"
    assert head.name == "Tiny Rose"
    assert head.context_tokens == 4096
    assert head.has_template
    assert head.quantization == "Q4_K_M"
    assert head.parts == 1


def test_the_head_of_a_real_model_is_read() -> None:
    head = read_head(find_smollm2())

    assert head.architecture == "llama"
    assert head.context_tokens == 8192
    assert head.quantization == "Q4_1"
    assert head.has_template


def test_the_vision_part_of_a_model_is_told_by_its_architecture(tmp_path: Path) -> None:
    assert read_head(write_mmproj(tmp_path / "mmproj.gguf")).architecture == "clip"


def test_the_second_version_of_the_form_is_read_too(tmp_path: Path) -> None:
    assert read_head(write_gguf(tmp_path / "old.gguf", version=2)).name == "Tiny Rose"


def test_arrays_of_arrays_are_passed_over(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "deep.gguf", {"x": [["a", "b"], ["c"]], **MODEL})

    assert read_head(file).name == "Tiny Rose"


def test_what_a_file_does_not_say_is_empty(tmp_path: Path) -> None:
    head = read_head(write_gguf(tmp_path / "bare.gguf", {"general.file_type": 999}))

    assert (head.architecture, head.name, head.quantization) == ("", "", "")
    assert head.context_tokens is None
    assert not head.has_template


@pytest.mark.parametrize("data", [b"", b"GG", b"PK\x03\x04 a zip archive", b"{}"])
def test_another_kind_of_file_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "rose.gguf"
    file.write_bytes(data)

    with pytest.raises(WeightsNotFoundError, match=r"rose\.gguf' is no GGUF file"):
        read_head(file)


def test_a_version_of_the_future_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="its version is 9"):
        read_head(write_gguf(tmp_path / "rose.gguf", version=9))


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=r"none\.gguf' cannot be read: No such file"):
        read_head(tmp_path / "none.gguf")


def test_a_head_that_is_cut_anywhere_is_damaged(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "whole.gguf").read_bytes()
    file = tmp_path / "cut.gguf"

    # The last 32 bytes are the only tensor.
    for length in range(4, len(whole) - 31):
        file.write_bytes(whole[:length])
        with pytest.raises(WeightsNotFoundError, match=r"cut\.gguf' is damaged or cut short"):
            read_head(file)


def test_a_download_that_stopped_is_found_out_without_loading(tmp_path: Path) -> None:
    file = tmp_path / "half.gguf"
    with find_smollm2().open("rb") as whole:
        file.write_bytes(whole.read(4_000_000))

    with pytest.raises(WeightsNotFoundError, match="4000000 bytes, and its last tensor") as caught:
        read_head(file)

    assert caught.value.hint
    assert "Fetch it again" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (99, b"\0" * 16),  # a type that does not exist
        (8, struct.pack("<Q", 2**62)),  # a text longer than the file
        (9, struct.pack("<IQ", 0, 2**62)),  # an array longer than the file
        (9, struct.pack("<IQ", 8, 2**62)),  # and one of texts
        (9, struct.pack("<IQ", 99, 1)),
        (9, struct.pack("<IQ", 9, 1) * 9),  # arrays in arrays without end
    ],
)
def test_a_value_that_cannot_be_is_damage(tmp_path: Path, kind: int, data: bytes) -> None:
    key = struct.pack("<Q", 1) + b"x"
    file = tmp_path / "bad.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key + struct.pack("<I", kind) + data)

    with pytest.raises(WeightsNotFoundError, match="is damaged or cut short"):
        read_head(file)


def test_a_tensor_of_too_many_dimensions_is_damage(tmp_path: Path) -> None:
    tensor = struct.pack("<Q", 1) + b"w" + struct.pack("<I", 2**31)
    file = tmp_path / "bad.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor)

    with pytest.raises(WeightsNotFoundError, match="dimensions"):
        read_head(file)
