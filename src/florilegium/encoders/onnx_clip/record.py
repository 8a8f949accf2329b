"""What is known of a model folder: its files and their hashes, how it reads, what it must answer.

The record is written by whatever makes the folder (export, pull, first use) and enforced by every
later load. Knows JSON, but no ONNX and no network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from florilegium.errors import WeightsNotFoundError
from florilegium.model_records import RECORD_NAME as RECORD_NAME
from florilegium.model_records import FileRecord as FileRecord
from florilegium.preprocessing import Preprocessing
from florilegium.types import Precision

_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRules:
    """How a text tower wants its tokens.

    `max_tokens` counts special tokens. A tower of `fixed_length` reads its padding too, so each
    text takes `max_tokens` positions; the others read up to the end-of-text token only.
    `canonical` texts lose their punctuation, as SigLIP's first generation was trained. Padding
    stands after the text, or before it with `pad_left`.
    """

    max_tokens: int
    pad_id: int
    fixed_length: bool
    lowercase: bool = False
    canonical: bool = False
    pad_left: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One tower as a file: the graph, what goes in, and which of its outputs is the embedding."""

    path: str
    inputs: tuple[str, ...]
    output: str
    data: tuple[str, ...] = ()
    """Files that hold weights of the graph outside of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The two towers in one precision, and the rows that the self-test must give.

    `drift` is the lowest cosine between its rows and those of fp32 that was measured when it was
    made; None for fp32 itself, and where nobody measured it.
    """

    vision: Graph
    text: Graph
    image_row: tuple[float, ...]
    text_row: tuple[float, ...]
    drift: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """All that is known of a model folder without opening its weights."""

    id: str
    family: str
    dim: int
    preprocessing: Preprocessing
    text: TextRules
    files: tuple[FileRecord, ...]
    variants: Mapping[Precision, Variant]
    languages: tuple[str, ...] | None = None
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where it came from, as far as that is known: source, revision, licence, tool versions."""

    def file(self, path: str) -> FileRecord:
        """Return what is known of one file. Raises KeyError when it is not of this model."""
        for file in self.files:
            if file.path == path:
                return file
        raise KeyError(path)


def write_record(file: Path, record: ModelRecord) -> None:
    """Write a record, whole or not at all."""
    tree = {
        "schema": _SCHEMA,
        **asdict(record),
        "preprocessing": record.preprocessing.to_json(),
        "variants": {name: asdict(variant) for name, variant in record.variants.items()},
    }
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(json.dumps(tree, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    partial.replace(file)


def read_record(file: Path) -> ModelRecord:
    """Return the record in a file.

    Raises:
        FileNotFoundError: There is none.
        WeightsNotFoundError: It is damaged, or was written by a later version.
    """
    text = file.read_bytes()
    try:
        tree = json.loads(text)
        if "kind" in tree:
            raise WeightsNotFoundError(
                f"The model {file.parent.name!r} is a chat model, and no encoder.",
                hint=f'Set chat.name = "{tree["kind"]}:{file.parent.name}".',
            )
        if tree["schema"] != _SCHEMA:
            raise ValueError(f"its schema is {tree['schema']}, not {_SCHEMA}")
        return _from_tree(tree)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsNotFoundError(
            f"The model record {str(file)!r} cannot be used: {error!s}.",
            hint="Fetch or export the model again, or delete the record to have it made anew.",
        ) from error


def _from_tree(tree: dict[str, Any]) -> ModelRecord:
    languages = tree["languages"]
    return ModelRecord(
        id=str(tree["id"]),
        family=str(tree["family"]),
        dim=int(tree["dim"]),
        preprocessing=Preprocessing.from_json(tree["preprocessing"]),
        text=TextRules(**tree["text"]),
        files=tuple(FileRecord(**file) for file in tree["files"]),
        variants={name: _variant(variant) for name, variant in tree["variants"].items()},
        languages=None if languages is None else tuple(languages),
        origin=dict(tree["origin"]),
    )


def _variant(tree: dict[str, Any]) -> Variant:
    return Variant(
        vision=_graph(tree["vision"]),
        text=_graph(tree["text"]),
        image_row=tuple(map(float, tree["image_row"])),
        text_row=tuple(map(float, tree["text_row"])),
        drift=tree["drift"],
    )


def _graph(tree: dict[str, Any]) -> Graph:
    return Graph(
        path=tree["path"],
        inputs=tuple(tree["inputs"]),
        output=tree["output"],
        data=tuple(tree["data"]),
    )
