"""Puts a model into a folder of models, as a pull leaves it, without a hub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from florilegium.encoders.onnx_clip.record import RECORD_NAME, ModelRecord, write_record
from florilegium.encoders.onnx_clip.survey import survey_folder
from tests.tiny_onnx import write_tiny_clip

ORIGIN = {"source": "tiny/clip", "revision": "1" * 40}


def install(folder: Path, name: str = "tiny--clip") -> ModelRecord:
    """Write a tiny model with its record into `folder / name`."""
    target = folder / name
    write_tiny_clip(target)
    record = replace(survey_folder(target, id=name, origin=ORIGIN), languages=("en",))
    write_record(target / RECORD_NAME, record)
    return record
