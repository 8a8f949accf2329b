"""The models on disk, by name: where they are, and whether their files are what their records say.

Knows folders, records and hashes; no network, and nothing of what is in the weights.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from florilegium.encoders.onnx_clip.record import ModelRecord, read_record
from florilegium.errors import WeightsNotFoundError
from florilegium.ids import sha256_file
from florilegium.model_cards import find_card
from florilegium.model_records import (
    ENCODER_KIND,
    RECORD_NAME,
    FileRecord,
    FolderRecord,
    ModelKind,
    read_folder_record,
    read_kind,
    section_of,
)

AnyRecord = ModelRecord | FolderRecord
"""What is known of an encoder, of a chat model or of a reranker."""

PARTIAL_SUFFIX = ".partial"
"""Ends the name of a folder that is being filled; it becomes a model by being renamed."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
REPOSITORY = re.compile(rf"{_NAME.pattern}/{_NAME.pattern}")


class Damage(StrEnum):
    """What is wrong with one file of a model."""

    MISSING = "missing"
    CHANGED = "changed"
    EXTRA = "extra"
    """It is not in the record, so the model does not need it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem:
    """One file of a model that is not what the record says."""

    path: str
    damage: Damage
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """One model folder, and what its record says."""

    name: str
    folder: Path
    record: AnyRecord

    @property
    def backend(self) -> str:
        """Return the backend and the model as the settings name them, `kind:model`."""
        return f"{record_kind(self.record)}:{self.name}"

    @property
    def setting(self) -> str:
        """Return the line of the settings that uses the model."""
        return f'{section_of(record_kind(self.record))}.name = "{self.backend}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableModel:
    """One model folder whose record cannot be read, and why."""

    name: str
    folder: Path
    problem: str


def model_name(name: str) -> str:
    """Return the folder name of a card, of a hub repository `owner/name`, or of a model.

    A repository that has a card is that card.

    Raises:
        WeightsNotFoundError: It is none of these.
    """
    card = find_card(name)
    if card is not None:
        return card.name
    plain = name.replace("/", "--", 1) if REPOSITORY.fullmatch(name) else name
    if not _NAME.fullmatch(plain) or ".." in plain or plain.endswith(PARTIAL_SUFFIX):
        raise WeightsNotFoundError(
            f"{name!r} can be neither a model nor a hub repository: those are written like "
            "'siglip2-base-256' and 'owner/name'.",
            hint="Run `florilegium models list` to see the models that have a card.",
        )
    return plain


def installed_models(folder: Path) -> list[InstalledModel | UnreadableModel]:
    """Return the models in `folder`, by name; a folder without a record is none of ours."""
    if not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir() if (path / RECORD_NAME).is_file())
    return [_open(folder / name) for name in names if not name.endswith(PARTIAL_SUFFIX)]


def interrupted_models(folder: Path) -> list[str]:
    """Return the names of models that are partly fetched; pulling them again goes on."""
    if not folder.is_dir():
        return []
    partial = (path.name for path in folder.iterdir() if path.is_dir())
    return sorted(
        name.removesuffix(PARTIAL_SUFFIX) for name in partial if name.endswith(PARTIAL_SUFFIX)
    )


def find_model(name: str, *, folder: Path) -> InstalledModel:
    """Return the model called `name` in `folder`, with its record.

    Raises:
        WeightsNotFoundError: It is not there, or its record is damaged.
    """
    plain = model_name(name)
    if not (folder / plain / RECORD_NAME).is_file():
        raise WeightsNotFoundError(
            f"There is no model {plain!r} in {str(folder)!r}.",
            hint=f"Run `florilegium models pull {name}`, or `florilegium models list`.",
        )
    return open_model(folder / plain)


def open_model(folder: Path) -> InstalledModel:
    """Return the model in `folder`, wherever that is, with its record.

    Raises:
        WeightsNotFoundError: It has no record, or a damaged one.
    """
    try:
        record = read_any_record(folder / RECORD_NAME)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WeightsNotFoundError(
            f"The folder {str(folder)!r} has no {RECORD_NAME}, so nothing says what belongs in it.",
            hint="Pull or export the model: both write the record.",
        ) from error
    return InstalledModel(name=folder.name, folder=folder, record=record)


def read_any_record(file: Path) -> AnyRecord:
    """Return the record in a file, whatever it is of.

    Raises:
        FileNotFoundError: There is none.
        WeightsNotFoundError: It is damaged, or was written by a later version.
    """
    is_encoder = read_kind(file) == ENCODER_KIND
    return read_record(file) if is_encoder else read_folder_record(file)


def record_kind(record: AnyRecord) -> ModelKind:
    """Return the backend that opens the model of a record."""
    return record.kind if isinstance(record, FolderRecord) else ENCODER_KIND


def check_files(folder: Path, record: AnyRecord) -> Iterator[FileProblem]:
    """Yield what is wrong with the files of a model, in the order of its record; extras last.

    Every file is read and hashed.
    """
    for file in record.files:
        problem = _check_file(folder / file.path, file)
        if problem:
            yield problem
    known = {RECORD_NAME, *(file.path for file in record.files)}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in known:
            yield FileProblem(
                path=name, damage=Damage.EXTRA, message="not in the record, and not needed"
            )


def remove_model(name: str, *, folder: Path) -> int:
    """Delete the model called `name` and what is partly fetched of it; return the bytes freed.

    Raises:
        WeightsNotFoundError: There is no such model, or it is a link to somewhere else.
    """
    plain = model_name(name)
    target, partial = folder / plain, folder / f"{plain}{PARTIAL_SUFFIX}"
    found = [path for path in (target, partial) if path.is_symlink() or path.is_dir()]
    if not found:
        raise WeightsNotFoundError(
            f"There is no model {plain!r} in {str(folder)!r}.",
            hint="Run `florilegium models list` to see what is there.",
        )
    for path in found:
        _refuse_foreign(path, needs_record=path == target)
    freed = sum(folder_size(path) for path in found)
    for path in found:
        shutil.rmtree(path)
    return freed


def folder_size(folder: Path) -> int:
    """Return the bytes of all files in `folder`."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def is_inner_path(path: str) -> bool:
    """Return whether a path from elsewhere stays within the folder that it is put into."""
    parts = PurePosixPath(path).parts
    plain = not any(part in {"", ".", ".."} or "\\" in part or ":" in part for part in parts)
    return bool(parts) and plain and not path.startswith("/") and path == "/".join(parts)


def _open(folder: Path) -> InstalledModel | UnreadableModel:
    try:
        return open_model(folder)
    except WeightsNotFoundError as error:
        return UnreadableModel(name=folder.name, folder=folder, problem=error.message)


def _check_file(path: Path, file: FileRecord) -> FileProblem | None:
    if not path.is_file():
        return FileProblem(path=file.path, damage=Damage.MISSING, message="is not there")
    size = path.stat().st_size
    if size != file.size:
        message = f"has {size} bytes instead of {file.size}"
        return FileProblem(path=file.path, damage=Damage.CHANGED, message=message)
    if sha256_file(path) != file.sha256:
        message = "has another SHA-256 than the record"
        return FileProblem(path=file.path, damage=Damage.CHANGED, message=message)
    return None


def _refuse_foreign(path: Path, *, needs_record: bool) -> None:
    if path.is_symlink():
        raise WeightsNotFoundError(
            f"{str(path)!r} is a link to {str(path.readlink())!r}, which is left alone.",
            hint="Remove the link yourself.",
        )
    if needs_record and not (path / RECORD_NAME).is_file():
        raise WeightsNotFoundError(
            f"{str(path)!r} has no {RECORD_NAME}, so it was not put there by Florilegium.",
            hint="Remove the folder yourself if you do not need it.",
        )
