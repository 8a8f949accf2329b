"""What is known of the folder of a model without opening its weights: its kind, its files, origin.

A pull writes the record last, and every later use enforces it. Knows JSON, and no network. What
more is known of encoders stands with their backend.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from florilegium.errors import WeightsNotFoundError

ChatKind = Literal["llama_cpp", "transformers", "mc_llava"]
EncoderKind = Literal["onnx_clip"]
RerankerKind = Literal["cross_encoder"]
FolderKind = ChatKind | RerankerKind
ModelKind = EncoderKind | FolderKind
Section = Literal["encoder", "chat", "rerank"]

RECORD_NAME = "florilegium.json"
CHAT_KINDS: tuple[ChatKind, ...] = get_args(ChatKind)
RERANKER_KINDS: tuple[RerankerKind, ...] = get_args(RerankerKind)
ENCODER_KIND: EncoderKind = "onnx_clip"
"""The kind of the records that name none: those of encoders, which were there first."""
_SCHEMA = 2  # 1 is that of encoders


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file of the folder; `path` is relative to it and uses `/`."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRecord:
    """All that is known of a chat model or a reranker; `kind` is the backend that opens it."""

    id: str
    kind: FolderKind
    files: tuple[FileRecord, ...]
    languages: tuple[str, ...] | None = None
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where it came from, as far as that is known: source, revision, licence."""

    def file(self, path: str) -> FileRecord:
        """Return what is known of one file. Raises KeyError when it is not of this model."""
        for file in self.files:
            if file.path == path:
                return file
        raise KeyError(path)


def section_of(kind: str) -> Section:
    """Return the section of the settings whose `name` names a model of this kind."""
    if kind == ENCODER_KIND:
        return "encoder"
    return "rerank" if kind in RERANKER_KINDS else "chat"


def write_folder_record(file: Path, record: FolderRecord) -> None:
    """Write a record, whole or not at all."""
    partial = file.with_name(f"{file.name}.partial")
    tree = {"schema": _SCHEMA, **asdict(record)}
    partial.write_text(json.dumps(tree, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    partial.replace(file)


def read_folder_record(file: Path) -> FolderRecord:
    """Return the record of a chat model or a reranker.

    Raises:
        FileNotFoundError: There is none.
        WeightsNotFoundError: It is damaged, of an encoder, or was written by a later version.
    """
    try:
        tree = _read_tree(file)
        if tree["schema"] != _SCHEMA or tree["kind"] not in (*CHAT_KINDS, *RERANKER_KINDS):
            raise ValueError(f"no model of kind {tree['kind']!r} is known")
        return _from_tree(tree)
    except (ValueError, KeyError, TypeError) as error:
        raise _unusable(file, error) from error


def read_kind(file: Path) -> str:
    """Return the kind that a record names; one that names none is of an encoder.

    Raises:
        FileNotFoundError: There is none.
        WeightsNotFoundError: It is damaged.
    """
    try:
        return str(_read_tree(file).get("kind", ENCODER_KIND))
    except ValueError as error:
        raise _unusable(file, error) from error


def _read_tree(file: Path) -> dict[str, Any]:
    tree = json.loads(file.read_bytes())
    if not isinstance(tree, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - a wrong value of the file
    return tree


def _unusable(file: Path, error: Exception) -> WeightsNotFoundError:
    return WeightsNotFoundError(
        f"The model record {str(file)!r} cannot be used: {error!s}.",
        hint="Remove the model and pull it again, or use a later version of Florilegium.",
    )


def _from_tree(tree: dict[str, Any]) -> FolderRecord:
    languages = tree["languages"]
    return FolderRecord(
        id=str(tree["id"]),
        kind=tree["kind"],
        files=tuple(FileRecord(**file) for file in tree["files"]),
        languages=None if languages is None else tuple(languages),
        origin=dict(tree["origin"]),
    )
