"""Puts a model into a folder of models, as a pull leaves it, without a hub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from florilegium.encoders.onnx_clip.record import ModelRecord, write_record
from florilegium.encoders.onnx_clip.survey import survey_folder
from florilegium.ids import sha256_file
from florilegium.model_records import (
    RECORD_NAME,
    ChatKind,
    FileRecord,
    FolderRecord,
    write_folder_record,
)
from tests.tiny_hub import GGUF_MODEL, GGUF_PROJECTOR, write_tiny_gguf
from tests.tiny_onnx import write_tiny_clip

ORIGIN = {"source": "tiny/clip", "revision": "1" * 40}


def install(folder: Path, name: str = "tiny--clip") -> ModelRecord:
    """Write a tiny model with its record into `folder / name`."""
    target = folder / name
    write_tiny_clip(target)
    record = replace(survey_folder(target, id=name, origin=ORIGIN), languages=("en",))
    write_record(target / RECORD_NAME, record)
    return record


def install_chat_model(
    folder: Path, name: str = "tiny--chat", kind: ChatKind = "llama_cpp"
) -> FolderRecord:
    """Write a tiny chat model with its record into `folder / name`."""
    target = folder / name
    write_tiny_gguf(target, GGUF_MODEL, GGUF_PROJECTOR)
    paths = sorted(path for path in target.rglob("*") if path.is_file())
    files = tuple(
        FileRecord(
            path=path.relative_to(target).as_posix(),
            sha256=sha256_file(path),
            size=path.stat().st_size,
        )
        for path in paths
    )
    origin = ORIGIN | {"source": "tiny/chat"}
    record = FolderRecord(id=name, kind=kind, files=files, origin=origin)
    write_folder_record(target / RECORD_NAME, record)
    return record
