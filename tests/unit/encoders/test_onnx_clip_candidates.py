"""What may run a model follows from the model, the machine and the settings alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip.candidates import (
    AskedPrecision,
    Machine,
    list_engines,
    pick_variant,
    stream_counts,
)
from florilegium.encoders.onnx_clip.tower import Device
from florilegium.errors import ConfigError, FlorilegiumError, MissingExtraError
from florilegium.types import Precision
from tests.unit.encoders.onnx_clip_samples import make_record

OLD = frozenset({"FP32", "INT8"})
NEW = frozenset({"FP32", "INT8", "BF16"})
ARM = frozenset({"FP32", "FP16"})


def machine(*more: Device, openvino: frozenset[str] | None = NEW) -> Machine:
    return Machine(threads=4, devices=frozenset({"cpu", *more}), openvino=openvino)


def names(
    variants: Sequence[Precision] = (), *, on: Machine | None = None, **asked: Any
) -> list[str]:
    engines = list_engines(
        make_record(*variants), config=EncoderConfig(**asked), machine=on or machine()
    )
    assert all((engine.threads, engine.streams) == (4, 1) for engine in engines)
    return [f"{engine.name} {engine.device} {engine.precision}" for engine in engines]


def test_by_default_each_engine_runs_fp32_weights_in_what_the_processor_has() -> None:
    assert names() == ["onnxruntime cpu fp32", "openvino cpu fp32", "openvino cpu bf16"]
    assert names(on=machine(openvino=OLD)) == ["onnxruntime cpu fp32", "openvino cpu fp32"]
    assert names(on=machine(openvino=ARM)) == [
        "onnxruntime cpu fp32",
        "openvino cpu fp32",
        "openvino cpu fp16",
    ]


def test_without_openvino_there_is_still_onnx_runtime() -> None:
    assert names(on=machine(openvino=None)) == ["onnxruntime cpu fp32"]


def test_other_graphs_of_the_model_are_used_only_if_they_are_asked_for() -> None:
    assert names(["int8", "fp16"]) == names()


def test_int8_runs_in_both_engines() -> None:
    assert names(["int8"], precision="int8") == ["onnxruntime cpu int8", "openvino cpu int8"]


def test_accelerators_come_after_the_processor() -> None:
    on = machine("cuda", "coreml", openvino=None)

    assert names(on=on) == [
        "onnxruntime cpu fp32",
        "onnxruntime cuda fp32",
        "onnxruntime coreml fp16",
    ]
    assert names(["fp16"], on=on, device="cuda", precision="fp16") == ["onnxruntime cuda fp16"]
    assert names(on=on, device="coreml") == ["onnxruntime coreml fp16"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"engine": "onnxruntime"}, ["onnxruntime cpu fp32"]),
        ({"engine": "openvino"}, ["openvino cpu fp32", "openvino cpu bf16"]),
        ({"engine": "openvino", "precision": "fp32"}, ["openvino cpu fp32"]),
        ({"precision": "fp32"}, ["onnxruntime cpu fp32", "openvino cpu fp32"]),
        ({"precision": "bf16"}, ["openvino cpu bf16"]),
    ],
)
def test_the_settings_narrow_the_choice(asked: dict[str, Any], expected: list[str]) -> None:
    assert names(**asked) == expected


def test_a_graph_in_fp16_may_be_computed_with_in_fp32() -> None:
    assert names(["fp16"], precision="fp16") == ["onnxruntime cpu fp16", "openvino cpu fp32"]


def test_fp32_weights_are_rounded_to_fp16_where_the_processor_has_it() -> None:
    assert names(on=machine(openvino=ARM), precision="fp16") == ["openvino cpu fp16"]


@pytest.mark.parametrize(
    ("on", "asked", "error", "message", "hint"),
    [
        (machine(openvino=None), {"engine": "openvino"}, MissingExtraError,
         "'openvino'", "pip install 'florilegium[openvino]'"),
        (machine(openvino=None), {"precision": "bf16"}, MissingExtraError,
         "compute in bf16, is not installed", "pip install 'florilegium[openvino]'"),
        (machine(openvino=OLD), {"precision": "bf16"}, ConfigError,
         "does not compute in bf16", "`auto`"),
        (machine(), {"device": "cuda"}, MissingExtraError, "'cuda'", "onnxruntime-gpu"),
        (machine(), {"device": "coreml"}, MissingExtraError, "'coreml'", "macOS"),
        (machine("cuda"), {"engine": "openvino", "device": "cuda"}, ConfigError,
         "engine 'openvino', device 'cuda' and precision 'auto'", "`auto`"),
        (machine(), {"engine": "onnxruntime", "precision": "bf16"}, ConfigError,
         "engine 'onnxruntime', device 'auto' and precision 'bf16'", "`auto`"),
        (machine(), {"precision": "int8"}, ConfigError,
         "here in fp32 only, but `encoder.precision` is 'int8'", "models export --precision int8"),
        (machine(), {"precision": "fp16"}, ConfigError, "does not compute in fp16", "`auto`"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_an_error_that_says_what_is_missing(
    on: Machine, asked: dict[str, Any], error: type[FlorilegiumError], message: str, hint: str
) -> None:
    with pytest.raises(error) as caught:
        names(on=on, **asked)

    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        (["fp32", "fp16", "int8"], "auto", "fp32"),
        (["fp32", "fp16", "int8"], "fp16", "fp16"),
        (["fp32", "fp16", "int8"], "bf16", "fp32"),
        (["fp32", "fp16", "int8"], "int8", "int8"),
        (["fp32"], "fp16", "fp32"),
        (["fp16", "int8"], "auto", "fp16"),
    ],
)
def test_the_settings_alone_say_which_graphs_are_meant(
    there: list[Precision], asked: AskedPrecision, expected: Precision
) -> None:
    others = [each for each in there if each != "fp32"]

    assert pick_variant(make_record(*others, fp32="fp32" in there), asked) == expected


def test_int8_is_not_taken_even_if_nothing_else_is_there() -> None:
    with pytest.raises(ConfigError, match=r"here in int8 only, .* is 'auto'"):
        pick_variant(make_record("int8", fp32=False), "auto")


@pytest.mark.parametrize(
    ("threads", "expected"), [(1, ()), (2, (2,)), (4, (4,)), (8, (2, 8)), (16, (4, 16))]
)
def test_one_stream_per_thread_is_tried_and_on_many_cores_something_between(
    threads: int, expected: tuple[int, ...]
) -> None:
    assert stream_counts(threads) == expected
