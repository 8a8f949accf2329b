"""Makes a model folder from a model of PyTorch: graphs, configuration, record, and its drift.

The folder gets its name when it is whole and has answered as the model's own library does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from PIL import Image

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip.encoder import OnnxClipEncoder
from florilegium.encoders.onnx_clip.layouts import LAYOUTS, SUFFIXES
from florilegium.encoders.onnx_clip.probe import PROBE_TEXT, cosine, probe_image
from florilegium.encoders.onnx_clip.record import (
    RECORD_NAME,
    ModelRecord,
    Variant,
    read_record,
    write_record,
)
from florilegium.encoders.onnx_clip.survey import survey_folder
from florilegium.encoders.onnx_clip.tokens import TextReader, as_inputs
from florilegium.errors import ConfigError, EncoderError, MissingExtraError
from florilegium.exporting.drift import Rows, measure_drift
from florilegium.exporting.graphs import halve_graph, trace_graph
from florilegium.exporting.quantize import quantize_graph
from florilegium.exporting.samples import TEXTS, read_pictures
from florilegium.exporting.source import Source
from florilegium.types import Precision

OPEN_CLIP = "open_clip:"
_LEAST_COSINE = 0.9999
_BATCH = 8
_VISION, _TEXT = LAYOUTS[0]


def export_model(
    source: str,
    target: Path,
    *,
    precisions: Sequence[Precision],
    pictures: Path | Sequence[Path] | None,
    say: Callable[[str], None],
) -> ModelRecord:
    """Write the model `source` as a folder `target` and return its record.

    Args:
        source: `open_clip:NAME/TAG`, `open_clip:NAME:CHECKPOINT`, or what transformers takes.
        target: The folder, which must not be there.
        precisions: fp32, fp16 and int8; fp32 is always written.
        pictures: A folder or files to fit int8 to, and to measure drift on.
        say: Is told what is being done, and the drift.

    Raises:
        ConfigError: The target is there, or the pictures cannot be read.
        WeightsNotFoundError: There is no such model.
        EncoderError: It cannot be exported, or the graphs give other rows than it does.
    """
    if target.exists():
        raise ConfigError(
            f"{str(target)!r} exists.", hint="Name another folder, or remove this one."
        )
    samples = read_pictures(pictures)
    with _filled(target) as folder:
        say(f"loading {source}")
        model = _open(source)
        model.write_configuration(folder)
        expected = model.reference(probe_image(), PROBE_TEXT)
        say("tracing the graphs")
        _trace(model, folder)
        record = _survey(folder, target.name, model)
        _compare(record, expected)
        wanted = [one for one in dict.fromkeys(precisions) if one != "fp32"]
        for precision in wanted:
            say(f"making {precision}")
            _reduce(folder, record, precision, samples)
        if wanted:
            record = _survey(folder, target.name, model)
            write_record(folder / RECORD_NAME, record)
            if pictures is None:
                say("without --pictures, drift is measured on drawn ones, which tells little")
            record = _measure(folder, record, wanted, samples, say)
        write_record(folder / RECORD_NAME, record)
    return read_record(target / RECORD_NAME)


def _open(source: str) -> Source:
    # Who exports from one library need not have the other.
    of_openclip = source.startswith(OPEN_CLIP)
    module, function, extras = (
        ("openclip_source", "open_openclip", "clip,export")
        if of_openclip
        else ("transformers_source", "open_transformers", "export")
    )
    try:
        opener = getattr(import_module(f"florilegium.exporting.{module}"), function)
    except ImportError as error:
        raise MissingExtraError(
            f"Exporting {source!r} needs a package that is not installed: {error}.",
            hint=f"Run `pip install 'florilegium[{extras}]'`; docs/how-to/use-clip.md says how to "
            "get PyTorch, also the one for processors only.",
        ) from error
    opened: Source = opener(source.removeprefix(OPEN_CLIP))
    return opened


@contextmanager
def _filled(target: Path) -> Iterator[Path]:
    """Give a folder that becomes the target if all goes well, and nothing otherwise."""
    folder = target.with_name(f"{target.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _trace(model: Source, folder: Path) -> None:
    pixels, ids = model.examples()
    trace_graph(
        model.vision,
        pixels,
        folder / _VISION.format(""),
        given="pixel_values",
        row="image_embeds",
        any_length=False,
    )
    trace_graph(
        model.text,
        ids,
        folder / _TEXT.format(""),
        given="input_ids",
        row="text_embeds",
        any_length=model.any_length,
    )


def _survey(folder: Path, name: str, model: Source) -> ModelRecord:
    origin = {**model.origin, "onnx": version("onnx"), "florilegium": version("florilegium")}
    record = survey_folder(folder, id=name, origin=origin)
    languages = None if model.languages is None else tuple(model.languages)
    return replace(record, languages=languages)


def _compare(record: ModelRecord, expected: tuple[Rows, Rows]) -> None:
    """Compare the record with what the model's own library makes of the same inputs."""
    variant = record.variants["fp32"]
    for what, found, row in zip(
        ("pictures", "texts"), (variant.image_row, variant.text_row), expected, strict=True
    ):
        similarity = cosine(found, row) if len(found) == len(row) else 0.0
        if not similarity >= _LEAST_COSINE:
            raise EncoderError(
                f"The graph of {what} gives another row than the model itself: their cosine is "
                f"{similarity:.5f}.",
                hint="This model cannot be exported; use `open_clip` instead.",
            )


def _reduce(
    folder: Path, record: ModelRecord, precision: Precision, pictures: Sequence[Image.Image]
) -> None:
    suffix = SUFFIXES[precision]
    for name, samples in (
        (_VISION, _picture_samples(record, pictures)),
        (_TEXT, _text_samples(folder, record)),
    ):
        source, target = folder / name.format(""), folder / name.format(suffix)
        if precision == "fp16":
            halve_graph(source, target)
        else:
            quantize_graph(source, target, samples)


def _picture_samples(
    record: ModelRecord, pictures: Sequence[Image.Image]
) -> list[Mapping[str, Rows]]:
    (name,) = record.variants["fp32"].vision.inputs
    return [
        {name: record.preprocessing.to_pixels(pictures[start : start + _BATCH])}
        for start in range(0, len(pictures), _BATCH)
    ]


def _text_samples(folder: Path, record: ModelRecord) -> list[Mapping[str, object]]:
    (path,) = (f.path for f in record.files if f.path.endswith("tokenizer.json"))
    reader = TextReader((folder / path).read_text(encoding="utf-8"), record.text)
    windows = [window for some in reader.windows(TEXTS) for window in some]
    names = record.variants["fp32"].text.inputs
    return [dict(as_inputs(batch, names)) for batch in reader.batches(windows, _BATCH)]


def _measure(
    folder: Path,
    record: ModelRecord,
    precisions: Sequence[Precision],
    pictures: Sequence[Image.Image],
    say: Callable[[str], None],
) -> ModelRecord:
    """Return the record with the drift of each variant."""
    exact = _rows(folder, "fp32", pictures)
    variants: dict[Precision, Variant] = dict(record.variants)
    for precision in precisions:
        drift = measure_drift(*_rows(folder, precision, pictures), *exact)
        say(f"{precision}: {drift.describe()}")
        variants[precision] = replace(variants[precision], drift=round(drift.least, 6))
    return replace(record, variants=variants)


def _rows(folder: Path, precision: Precision, pictures: Sequence[Image.Image]) -> tuple[Rows, Rows]:
    # ONNX Runtime rounds nothing that the graph does not round itself.
    config = EncoderConfig(engine="onnxruntime", precision=precision)
    encoder = OnnxClipEncoder(folder, config=config, cache_folder=folder / ".cache")
    try:
        return encoder.encode_images(pictures), encoder.encode_texts(TEXTS, purpose="document")
    finally:
        encoder.close()
        shutil.rmtree(folder / ".cache", ignore_errors=True)
