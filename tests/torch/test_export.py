"""An exported folder holds what was asked for, measured; a failed export leaves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip.encoder import OnnxClipEncoder
from florilegium.encoders.onnx_clip.record import RECORD_NAME, ModelRecord, read_record
from florilegium.encoders.onnx_clip.tower import EngineName
from florilegium.errors import ConfigError, EncoderError
from florilegium.types import Precision
from tests.torch.tiny_open_clip import COLOURS, TinyModel, picture

pytestmark = pytest.mark.torch

TEXTS = ("a red rose", "Two cats on a sofa", "blue", "a page of handwriting from 1784")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A folder that was exported, its record, and what was said meanwhile."""

    folder: Path
    record: ModelRecord
    said: tuple[str, ...]

    def open(self, precision: Precision, engine: EngineName = "onnxruntime") -> OnnxClipEncoder:
        config = EncoderConfig(engine=engine, precision=precision, device="cpu", threads=1)
        return OnnxClipEncoder(self.folder, config=config, cache_folder=self.folder / "cache")


@pytest.fixture(scope="module")
def exported(clip: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exports") / "tiny-clip"
    said: list[str] = []
    record = export(clip, folder, precisions=["fp16", "int8"], say=said.append)
    return Exported(folder=folder, record=record, said=tuple(said))


def export(
    model: TinyModel, folder: Path, *, precisions: Sequence[Precision] = ("fp32",), say: Any = None
) -> ModelRecord:
    from florilegium.exporting.export import export_model

    return export_model(
        f"open_clip:{model.tagged}",
        folder,
        precisions=precisions,
        pictures=None,
        say=say or (lambda _: None),
    )


def photos() -> list[Image.Image]:
    across = np.linspace(0, 255, 60, dtype=np.uint8)
    faded = np.stack([np.tile(across, (40, 1))] * 3, axis=-1)
    return [Image.fromarray(faded), *(picture(colour) for colour in COLOURS)]


def rows(encoder: OnnxClipEncoder) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    try:
        return encoder.encode_images(photos()), encoder.encode_texts(TEXTS, purpose="query")
    finally:
        encoder.close()


def answer_otherwise(monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None) -> None:
    """Let the model's own library give another row than its graphs, or raise."""
    from florilegium.exporting.openclip_source import OpenClipSource

    usual = OpenClipSource.reference

    def reference(self: Any, image: Image.Image, text: str) -> tuple[Any, Any]:
        if error is not None:
            raise error
        image_row, text_row = usual(self, image, text)
        return image_row, text_row[::-1].copy()

    monkeypatch.setattr(OpenClipSource, "reference", reference)


def test_the_drift_of_each_variant_is_measured_and_small(exported: Exported) -> None:
    assert list(exported.record.variants) == ["fp32", "fp16", "int8"]
    assert exported.record.variants["fp32"].drift is None
    for precision in ("fp16", "int8"):
        drift = exported.record.variants[precision].drift
        assert drift is not None
        assert 0.98 < drift <= 1.0001


def test_the_drift_is_told(exported: Exported) -> None:
    assert exported.said[0] == "loading open_clip:tiny-clip/colours"
    assert any(line.startswith("without --pictures") for line in exported.said)
    for precision in ("fp16", "int8"):
        assert f"making {precision}" in exported.said
        (told,) = [line for line in exported.said if line.startswith(f"{precision}: ")]
        assert told.startswith(f"{precision}: lowest cosine to fp32 ")


def test_the_folder_holds_the_record_and_nothing_left_over(exported: Exported) -> None:
    assert read_record(exported.folder / RECORD_NAME) == exported.record
    assert exported.record.id == "tiny-clip"
    graphs = {path.name for path in (exported.folder / "onnx").iterdir()}
    assert graphs == {
        f"{tower}_model{suffix}.onnx"
        for tower in ("vision", "text")
        for suffix in ("", "_fp16", "_qdq")
    }
    assert not (exported.folder / ".cache").exists()
    assert [path.name for path in exported.folder.parent.iterdir()] == ["tiny-clip"]


def test_the_record_says_where_the_model_came_from_and_what_made_it(exported: Exported) -> None:
    origin = exported.record.origin

    assert origin["source"] == "open_clip:tiny-clip/colours"
    assert origin["onnx"] == version("onnx")
    assert origin["florilegium"] == version("florilegium")
    assert {"open_clip", "torch"} <= set(origin)


def test_fewer_bits_make_a_smaller_file(exported: Exported) -> None:
    def size(suffix: str) -> int:
        return (exported.folder / "onnx" / f"text_model{suffix}.onnx").stat().st_size

    assert size("_fp16") < 0.6 * size("")
    assert size("_qdq") < size("")


def test_a_row_in_int8_does_not_depend_on_what_else_is_encoded(exported: Exported) -> None:
    encoder = exported.open("int8")

    pictures = encoder.encode_images(photos())
    texts = encoder.encode_texts(TEXTS, purpose="query")

    for photo, row in zip(photos(), pictures, strict=True):
        np.testing.assert_allclose(encoder.encode_images([photo])[0], row, atol=1e-5)
    for text, row in zip(TEXTS, texts, strict=True):
        alone = encoder.encode_texts([text], purpose="query")[0]
        np.testing.assert_allclose(alone, row, atol=1e-5)
    encoder.close()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_both_engines_run_int8(exported: Exported, engine: EngineName) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino", reason="needs `pip install openvino`")

    exact, near = rows(exported.open("fp32")), rows(exported.open("int8", engine))

    for expected, found in zip(exact, near, strict=True):
        assert ((expected * found).sum(axis=1) > 0.98).all()


def test_fp32_is_written_whatever_is_asked_for(clip: TinyModel, tmp_path: Path) -> None:
    record = export(clip, tmp_path / "model", precisions=["fp16"])

    assert list(record.variants) == ["fp32", "fp16"]
    assert list(export(clip, tmp_path / "plain", precisions=[]).variants) == ["fp32"]


def test_int8_is_fitted_to_the_pictures_that_are_named(clip: TinyModel, tmp_path: Path) -> None:
    from florilegium.exporting.export import export_model

    files = [tmp_path / f"{colour}.png" for colour in COLOURS]
    for file, colour in zip(files, COLOURS, strict=True):
        picture(colour).save(file)
    said: list[str] = []

    record = export_model(
        f"open_clip:{clip.tagged}",
        tmp_path / "model",
        precisions=["int8"],
        pictures=files,
        say=said.append,
    )

    assert record.variants["int8"].drift is not None
    assert not any("without --pictures" in line for line in said)


def test_graphs_that_give_another_row_than_the_model_are_refused(
    clip: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_otherwise(monkeypatch)

    with pytest.raises(EncoderError, match="graph of texts gives another row than the model"):
        export(clip, tmp_path / "model")

    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_export_leaves_nothing(
    clip: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_otherwise(monkeypatch, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        export(clip, tmp_path / "model")

    assert list(tmp_path.iterdir()) == []


def test_what_an_export_that_was_killed_left_is_replaced(clip: TinyModel, tmp_path: Path) -> None:
    left = tmp_path / "model.partial"
    left.mkdir()
    (left / "preprocessor_config.json").write_text("{", encoding="utf-8")

    export(clip, tmp_path / "model")

    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert not (tmp_path / "model" / "preprocessor_config.json").exists()


def test_a_folder_that_is_there_is_refused_and_kept(clip: TinyModel, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(ConfigError, match="model' exists"):
        export(clip, tmp_path / "model")

    assert (tmp_path / "model" / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_pictures_that_cannot_be_read_are_told_before_anything_is_made(
    clip: TinyModel, tmp_path: Path
) -> None:
    from florilegium.exporting.export import export_model

    with pytest.raises(ConfigError, match="None of the 1 pictures"):
        export_model(
            f"open_clip:{clip.tagged}",
            tmp_path / "model",
            precisions=["int8"],
            pictures=[tmp_path / "absent.jpg"],
            say=lambda _: None,
        )

    assert list(tmp_path.iterdir()) == []
