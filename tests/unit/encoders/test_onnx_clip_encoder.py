"""What an encoder of ONNX graphs promises beyond the contract: exact texts, checked weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from florilegium import registry
from florilegium.config import EncoderConfig, TextEncoderConfig
from florilegium.encoders.onnx_clip.encoder import OnnxClipEncoder
from florilegium.encoders.onnx_clip.record import RECORD_NAME, read_record, write_record
from florilegium.errors import ConfigError, EncoderError, WeightsNotFoundError
from tests.tiny_onnx import write_tiny_clip
from tests.unit.installed import install

Open = Callable[..., OnnxClipEncoder]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a tiny model with its record."""
    install(tmp_path, "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def open_model(tmp_path: Path, request: pytest.FixtureRequest) -> Open:
    """Return what opens the encoder of a folder, with settings."""

    def open_model(folder: Path, **settings: Any) -> OnnxClipEncoder:
        config = EncoderConfig(**{"engine": "onnxruntime", "threads": 1, **settings})
        encoder = OnnxClipEncoder(folder, config=config, cache_folder=tmp_path / "cache")
        request.addfinalizer(encoder.close)
        return encoder

    return open_model


def encode(encoder: OnnxClipEncoder, *texts: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    return encoder.encode_texts(texts, purpose="query")


def pad_always(folder: Path) -> None:
    """Make the record say that the text tower reads all of its positions."""
    record = read_record(folder / RECORD_NAME)
    write_record(
        folder / RECORD_NAME, replace(record, text=replace(record.text, fixed_length=True))
    )


def test_short_texts_have_the_row_that_all_positions_give(
    folder: Path, open_model: Open, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "padded")
    pad_always(tmp_path / "padded")
    texts = ["", "red", "a red rose in the garden", "white " * 30]

    trimmed, padded = (encode(open_model(place), *texts) for place in (folder, tmp_path / "padded"))

    np.testing.assert_allclose(trimmed, padded, atol=1e-6)


def test_a_long_text_has_the_mean_of_its_windows(folder: Path, open_model: Open) -> None:
    encoder = open_model(folder)
    text = "red" + " x" * 100 + " blue"  # 102 tokens and more, where 75 fit

    row = encode(encoder, text)[0]

    reader = encoder._load_reader()
    (windows,) = reader.windows([text])
    alone = np.concatenate([encoder._unit(_run(encoder, window)) for window in windows])
    mean = alone.sum(axis=0)
    assert len(windows) > 1
    np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)


def _run(encoder: OnnxClipEncoder, window: tuple[int, ...]) -> np.ndarray[Any, Any]:
    tower = encoder._load("text", encoder._text_probe)
    return tower.run({"input_ids": np.array([window], dtype=np.int64)})


def test_words_after_the_limit_still_count(folder: Path, open_model: Open) -> None:
    encoder = open_model(folder)
    filling = "x " * 100

    rows = encode(encoder, f"{filling}red", f"{filling}blue")

    assert np.abs(rows[0] - rows[1]).max() > 0.01


def test_info_comes_from_the_record(folder: Path, open_model: Open) -> None:
    info = open_model(folder).info

    assert (info.id, info.dim, info.max_text_tokens, info.image_side) == ("tiny", 16, 77, 16)
    assert info.languages == frozenset({"en"})


@pytest.mark.parametrize(
    "options", [{"seed": 1}, {"family": "siglip"}, {"layout": "immich"}, {"causal": False}]
)
def test_another_model_has_another_fingerprint(
    folder: Path, open_model: Open, tmp_path: Path, options: dict[str, Any]
) -> None:
    write_tiny_clip(tmp_path / "other", **options)

    assert open_model(tmp_path / "other").info.fingerprint != open_model(folder).info.fingerprint


def test_another_preprocessing_has_another_fingerprint(folder: Path, open_model: Open) -> None:
    before = open_model(folder).info.fingerprint
    record = read_record(folder / RECORD_NAME)
    changed = replace(record.preprocessing, mean=(0.4, 0.5, 0.5))
    write_record(folder / RECORD_NAME, replace(record, preprocessing=changed))

    assert open_model(folder).info.fingerprint != before


def test_the_name_the_engine_and_the_batch_size_are_not_in_the_fingerprint(
    folder: Path, open_model: Open, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    settings = {"engine": "openvino", "precision": "fp32", "batch_size": 2}

    fingerprints = {
        open_model(folder).info.fingerprint,
        open_model(moved, **settings).info.fingerprint,
    }

    assert len(fingerprints) == 1


def test_other_graphs_of_one_model_have_a_fingerprint_of_their_own(
    open_model: Open, tmp_path: Path
) -> None:
    write_tiny_clip(tmp_path / "both", half=True)

    fingerprints = {
        open_model(tmp_path / "both", precision=precision).info.fingerprint
        for precision in ("auto", "fp32", "bf16", "fp16")
    }

    assert len(fingerprints) == 2


def test_a_changed_graph_is_refused_before_it_is_opened(folder: Path, open_model: Open) -> None:
    write_tiny_clip(folder, seed=1)

    with pytest.raises(WeightsNotFoundError, match="SHA-256"):
        open_model(folder).encode_images([Image.new("RGB", (9, 9))])


def test_a_wrong_preprocessing_fails_the_self_test(folder: Path, open_model: Open) -> None:
    record = read_record(folder / RECORD_NAME)
    wrong = replace(record.preprocessing, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    write_record(folder / RECORD_NAME, replace(record, preprocessing=wrong))

    with pytest.raises(EncoderError, match="vision tower of the model 'tiny' fails its self-test"):
        open_model(folder).encode_images([Image.new("RGB", (9, 9))])


def test_a_wrong_rule_of_texts_fails_the_self_test(folder: Path, open_model: Open) -> None:
    record = read_record(folder / RECORD_NAME)
    wrong = replace(record.text, canonical=True)
    write_record(folder / RECORD_NAME, replace(record, text=wrong))

    with pytest.raises(EncoderError, match="text tower of the model 'tiny' fails its self-test"):
        encode(open_model(folder), "red")


def test_the_self_test_is_done_at_every_load(
    folder: Path, open_model: Open, tmp_path: Path
) -> None:
    encode(open_model(folder, engine="auto", precision="fp32"), "red")  # the engine is remembered
    record = read_record(folder / RECORD_NAME)
    write_record(folder / RECORD_NAME, replace(record, text=replace(record.text, canonical=True)))

    with pytest.raises(EncoderError, match="fails its self-test"):
        encode(open_model(folder, engine="auto", precision="fp32"), "red")


def test_a_row_without_a_direction_is_an_error(open_model: Open, tmp_path: Path) -> None:
    folder = tmp_path / "dead"
    write_tiny_clip(folder)
    model = onnx.load(folder / "onnx" / "vision_model.onnx")
    (bias,) = (each for each in model.graph.initializer if each.name == "bias")
    bias.CopyFrom(numpy_helper.from_array(np.zeros(tuple(bias.dims), np.float32), "bias"))
    onnx.save(model, folder / "onnx" / "vision_model.onnx")
    file = folder / "preprocessor_config.json"
    grey = {"image_mean": [128 / 255] * 3}
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | grey), encoding="utf-8")

    with pytest.raises(EncoderError, match="without a direction"):
        open_model(folder).encode_images([Image.new("RGB", (16, 16), (128, 128, 128))])


def test_it_says_what_runs_it(folder: Path, open_model: Open) -> None:
    found = open_model(folder).describe_engines()

    assert found == (
        "pictures by onnxruntime fp32, not measured; texts by onnxruntime fp32, not measured"
    )


def test_a_precision_that_the_model_lacks_is_named_before_anything_is_loaded(
    folder: Path, open_model: Open
) -> None:
    with pytest.raises(ConfigError, match="int8"):
        open_model(folder, precision="int8").info.dim  # noqa: B018 - reading it is what fails


@pytest.mark.parametrize(
    "config",
    [EncoderConfig(name="onnx_clip:tiny"), TextEncoderConfig(name="onnx_clip:tiny")],
    ids=["as image-text encoder", "as text encoder"],
)
def test_it_is_opened_by_its_name_in_the_settings(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    config: EncoderConfig | TextEncoderConfig,
) -> None:
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(folder.parent))

    encoder = registry.open_encoder(config.name, config=config, cache_folder=tmp_path / "cache")

    assert encoder.encode_texts(["red"], purpose="query").shape == (1, 16)
    encoder.close()
