from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.chat_models.llama_cpp.failure import explain_failure, find_reason
from tests.smollm2 import find_smollm2
from tests.tiny_gguf import write_llama, write_mmproj

LOG = """\
0.00.043.725 W something that matters less: it is old
0.00.043.925 E llama_model_load: error loading model: unknown model architecture: 'rose'
0.00.044.125 E llama_model_load_from_file_impl: failed to load model
"""


def test_the_first_error_is_the_reason() -> None:
    assert find_reason(LOG) == "error loading model: unknown model architecture: 'rose'"


@pytest.mark.parametrize("log", ["", "Traceback (most recent call last):\n", "0.00.1 W warned\n"])
def test_a_log_without_an_error_gives_no_reason(log: str) -> None:
    assert find_reason(log) == ""


def test_a_long_reason_is_cut() -> None:
    assert len(find_reason(f"0.00 E load: {'x' * 5000}")) == 300


def test_a_vision_part_of_another_model_is_named(tmp_path: Path) -> None:
    eyes = write_mmproj(tmp_path / "eyes.gguf")

    error = explain_failure(find_smollm2(), eyes, 256)

    assert repr(str(find_smollm2())) in error.message
    assert repr(str(eyes)) in error.message
    assert "does not say why" not in error.message
    assert error.hint
    assert "vision part" in error.hint


def test_a_reason_that_is_not_given_is_said_so(tmp_path: Path) -> None:
    error = explain_failure(write_llama(tmp_path / "tiny.gguf"), None, 256)  # it loads well

    assert error.message.endswith("it does not say why.")
