"""Looks at a model folder and writes down what it is: the record that later loads enforce.

What the configuration does not say is found out by running the graphs on the self-test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from florilegium.encoders.onnx_clip.configuration import (
    Configuration,
    Family,
    read_configuration,
)
from florilegium.encoders.onnx_clip.layouts import LAYOUTS, SUFFIXES, find_pair, weights_beside
from florilegium.encoders.onnx_clip.onnxruntime_tower import (
    GraphShape,
    describe_graph,
    open_onnxruntime_tower,
)
from florilegium.encoders.onnx_clip.probe import PROBE_TEXT, cosine, probe_image
from florilegium.encoders.onnx_clip.processor import usable_threads
from florilegium.encoders.onnx_clip.record import (
    RECORD_NAME,
    FileRecord,
    Graph,
    ModelRecord,
    TextRules,
    Variant,
)
from florilegium.encoders.onnx_clip.tokens import (
    TextReader,
    as_inputs,
    is_mask,
    parse_tokenizer,
)
from florilegium.encoders.onnx_clip.tower import Engine, Inputs, Tower
from florilegium.errors import EncoderError, WeightsNotFoundError
from florilegium.ids import sha256_file
from florilegium.preprocessing import Preprocessing
from florilegium.types import Embeddings, Precision

# In the order of preference. What stands before CLIP's projection is no row of its space.
_ROWS: Mapping[Family, tuple[str, ...]] = {
    "clip": ("image_embeds", "text_embeds", "embedding", "output"),
    "siglip": ("image_embeds", "text_embeds", "pooler_output", "embedding", "output"),
}
_SAME = 0.99999  # cosine of rows that a text tower gives with and without padding
_NEAR = 0.9  # rounding moves a row less than this, another model more
_HINT = "Choose another model, or make the folder with `florilegium models export`."


def survey_folder(
    folder: Path,
    *,
    id: str,  # noqa: A002 - as in the record
    origin: Mapping[str, str] | None = None,
) -> ModelRecord:
    """Return the record of a folder, as it would be written for it. Runs its graphs once.

    Args:
        folder: Graphs, tokenizer and configuration, in one of the layouts of the hub.
        id: What the model is called.
        origin: Where it came from, as far as that is known.

    Raises:
        WeightsNotFoundError: A file that is needed is not there.
        EncoderError: The folder holds another kind of model, or its files do not fit together.
    """
    paths = _list(folder)
    pairs = {one: pair for one in SUFFIXES if (pair := find_pair(paths, one)) is not None}
    if not pairs:
        vision, text = (name.format("") for name in LAYOUTS[0])
        raise WeightsNotFoundError(
            f"The folder {str(folder)!r} has no pair of ONNX graphs: {vision!r} and {text!r} or "
            f"their like are not among its {len(paths)} files.",
            hint=_HINT,
        )
    first = next(iter(pairs.values()))
    configuration = read_configuration(folder, vision=first[0], text=first[1])
    # What is no text at all is no tokenizer either, which is said where it is parsed.
    tokenizer = (folder / configuration.tokenizer).read_text(encoding="utf-8", errors="replace")
    rules = _rules(configuration, tokenizer, _text_length(folder, first[1]))
    variants: dict[Precision, Variant] = {}
    for precision, (vision, text) in pairs.items():
        survey = _Survey(folder, paths, configuration.family)
        pixels = survey.pixels(vision, configuration.preprocessing)
        rules, text_row, text_graph = survey.text(text, tokenizer, rules, settled=bool(variants))
        variants[precision] = Variant(
            vision=pixels[0], text=text_graph, image_row=pixels[1], text_row=text_row
        )
    dim = _check_variants(variants)
    used = {path for pair in pairs.values() for path in pair} | set(configuration.files)
    for variant in variants.values():
        used |= {*variant.vision.data, *variant.text.data}
    return ModelRecord(
        id=id,
        family=configuration.family,
        dim=dim,
        preprocessing=configuration.preprocessing,
        text=rules,
        files=tuple(_file_record(folder, path) for path in sorted(used)),
        variants=variants,
        origin=dict(origin or {}),
    )


class _Survey:
    """Opens the graphs of one folder, and finds out what goes in and what comes out."""

    def __init__(self, folder: Path, paths: list[str], family: Family) -> None:
        self._folder = folder
        self._paths = paths
        self._family = family

    def pixels(self, path: str, preprocessing: Preprocessing) -> tuple[Graph, tuple[float, ...]]:
        """Return the vision graph, and its row for the picture of the self-test."""
        shape = describe_graph(self._folder / path)
        if len(shape.inputs) != 1 or len(next(iter(shape.inputs.values()))) != 4:
            raise EncoderError(
                f"The graph {path!r} takes {', '.join(map(repr, shape.inputs))}, but pictures of "
                "one fixed size are expected, and nothing else.",
                hint=_HINT,
            )
        graph = self._graph(path, shape)
        return graph, _as_tuple(self._run(graph, vision_probe(preprocessing, graph)), path)

    def text(
        self, path: str, tokenizer: str, rules: TextRules, *, settled: bool
    ) -> tuple[TextRules, tuple[float, ...], Graph]:
        """Return what the text tower wants, its row for the text of the self-test, and its graph.

        A tower that gives the same row with and without padding need not read the padding.
        """
        shape = describe_graph(self._folder / path)
        others = [name for name in shape.inputs if not is_mask(name)]
        if len(others) != 1 or len(shape.inputs[others[0]]) != 2:
            raise EncoderError(
                f"The graph {path!r} takes {', '.join(map(repr, shape.inputs))}, but the tokens of "
                "texts are expected, and at most a mask with them.",
                hint=_HINT,
            )
        graph = self._graph(path, shape)
        full = self._text_row(graph, tokenizer, replace(rules, fixed_length=True))
        if settled or rules.fixed_length:
            row = self._text_row(graph, tokenizer, rules)
            return rules, _as_tuple(row, path), graph
        short = replace(rules, fixed_length=False)
        try:
            row = self._text_row(graph, tokenizer, short)
        except EncoderError:
            row = np.zeros_like(full)  # its positions are fixed though its shape does not say so
        same = row.shape == full.shape and cosine(row, full) > _SAME
        return replace(rules, fixed_length=not same), _as_tuple(full, path), graph

    def _text_row(self, graph: Graph, tokenizer: str, rules: TextRules) -> Embeddings:
        return self._run(graph, text_probe(TextReader(tokenizer, rules), graph))

    def _graph(self, path: str, shape: GraphShape) -> Graph:
        flat = [name for name, size in shape.outputs.items() if len(size) in {0, 2}]
        wanted = [name for name in _ROWS[self._family] if name in flat]
        # A graph with a single output, whatever its name, leaves no doubt.
        if not wanted and len(shape.outputs) == 1 and set(shape.outputs) - {"pooler_output"}:
            wanted = flat
        if not wanted:
            raise EncoderError(
                f"The graph {path!r} gives {', '.join(map(repr, shape.outputs))}, but one of "
                f"{', '.join(map(repr, _ROWS[self._family]))} is expected: the row in the space "
                "that pictures and texts share.",
                hint=_HINT,
            )
        return Graph(
            path=path,
            inputs=tuple(shape.inputs),
            output=wanted[0],
            data=weights_beside(path, self._paths),
        )

    def _run(self, graph: Graph, inputs: Inputs) -> Embeddings:
        engine = Engine(
            name="onnxruntime", device="cpu", precision="fp32", threads=usable_threads(0)
        )
        tower: Tower = open_onnxruntime_tower(self._folder, graph, engine)
        try:
            row: Embeddings = tower.run(inputs)[0]
        finally:
            tower.close()
        return row


def vision_probe(preprocessing: Preprocessing, graph: Graph) -> Inputs:
    """Return the input of a vision graph for the picture of the self-test."""
    return {graph.inputs[0]: preprocessing.to_pixels([probe_image()])}


def text_probe(reader: TextReader, graph: Graph) -> Inputs:
    """Return the input of a text graph for the text of the self-test."""
    ((window, *_),) = reader.windows([PROBE_TEXT])
    (batch,) = reader.batches([window], 1)
    return as_inputs(batch, graph.inputs)


def _rules(configuration: Configuration, tokenizer: str, length: int | None) -> TextRules:
    pad = 0
    if configuration.pad_token is not None:
        found = parse_tokenizer(tokenizer).token_to_id(configuration.pad_token)
        if found is None:
            raise EncoderError(
                f"The tokenizer does not know the token {configuration.pad_token!r}, with which "
                "the configuration pads.",
                hint="Fetch the model again.",
            )
        pad = found
    return TextRules(
        max_tokens=length or configuration.max_tokens,
        pad_id=pad,
        fixed_length=length is not None,
        lowercase=configuration.lowercase,
        canonical=configuration.canonical,
        pad_left=configuration.pad_left,
    )


def _text_length(folder: Path, path: str) -> int | None:
    """Return the number of positions of a text graph, None if it is open."""
    for size in describe_graph(folder / path).inputs.values():
        if len(size) == 2 and size[1] is not None:
            return size[1]
    return None


def _check_variants(variants: Mapping[Precision, Variant]) -> int:
    first = next(iter(variants.values()))
    for precision, variant in variants.items():
        image, text = variant.image_row, variant.text_row
        if len(image) != len(text):
            raise EncoderError(
                f"The rows of pictures have {len(image)} numbers and those of texts {len(text)}, "
                "so the two graphs are not of one space.",
                hint=_HINT,
            )
        for row, exact in ((image, first.image_row), (text, first.text_row)):
            if len(row) != len(exact) or cosine(row, exact) < _NEAR:
                raise EncoderError(
                    f"The graphs in {precision} give other rows than the first pair, so they are "
                    "of another model.",
                    hint="Fetch or export the model again.",
                )
    return len(first.image_row)


def _as_tuple(row: Embeddings, path: str) -> tuple[float, ...]:
    if not np.isfinite(row).all() or not row.any():
        raise EncoderError(
            f"The graph {path!r} gives a row without a direction.", hint="Fetch the model again."
        )
    # Eight digits are all that float32 has.
    return tuple(float(f"{value:.8g}") for value in row)


def _list(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise WeightsNotFoundError(
            f"There is no folder {str(folder)!r}.",
            hint="Mend the path, or see `florilegium models list`.",
        )
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if path != RECORD_NAME)


def _file_record(folder: Path, path: str) -> FileRecord:
    file = folder / path
    return FileRecord(path=path, sha256=sha256_file(file), size=file.stat().st_size)
