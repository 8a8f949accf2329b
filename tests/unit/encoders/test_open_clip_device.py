from __future__ import annotations

from typing import Any

import pytest

from florilegium.config import EncoderConfig
from florilegium.encoders.open_clip.device import Cuda, Way, choose_way
from florilegium.errors import ConfigError, FlorilegiumError, MissingExtraError

NONE = Cuda(built=False, available=False, bf16=False)
ASLEEP = Cuda(built=True, available=False, bf16=False)
OLD = Cuda(built=True, available=True, bf16=False)
NEW = Cuda(built=True, available=True, bf16=True)


@pytest.mark.parametrize(
    ("settings", "cuda", "way"),
    [
        ({}, NONE, Way(device="cpu", precision="fp32")),
        ({}, ASLEEP, Way(device="cpu", precision="fp32")),
        ({}, OLD, Way(device="cuda", precision="fp16")),
        ({}, NEW, Way(device="cuda", precision="bf16")),
        ({"device": "cpu"}, NEW, Way(device="cpu", precision="fp32")),
        ({"device": "cuda", "precision": "fp32"}, NEW, Way(device="cuda", precision="fp32")),
        ({"precision": "bf16"}, NONE, Way(device="cpu", precision="bf16")),
        ({"precision": "fp16"}, NEW, Way(device="cuda", precision="fp16")),
    ],
)
def test_what_is_left_open_is_chosen_by_what_is_there(
    settings: dict[str, Any], cuda: Cuda, way: Way
) -> None:
    assert choose_way(EncoderConfig(**settings), cuda) == way


@pytest.mark.parametrize(
    ("settings", "cuda", "error", "message", "hint"),
    [
        ({"engine": "openvino"}, NEW, ConfigError, "'openvino', but", "models export"),
        ({"engine": "onnxruntime"}, NEW, ConfigError, "'onnxruntime', but", "onnx_clip"),
        ({"precision": "int8"}, NEW, ConfigError, "'int8'", "--precision int8"),
        ({"device": "coreml"}, NEW, ConfigError, "'coreml'", "onnx_clip"),
        ({"device": "cuda"}, NONE, MissingExtraError, "for processors only", "Install"),
        ({"device": "cuda"}, ASLEEP, ConfigError, "finds no graphics card", "nvidia-smi"),
    ],
)
def test_what_cannot_be_had_is_refused_with_what_to_do(
    settings: dict[str, Any], cuda: Cuda, error: type[FlorilegiumError], message: str, hint: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        choose_way(EncoderConfig(**settings), cuda)

    assert hint in (caught.value.hint or "")
    assert "`encoder." in caught.value.message
