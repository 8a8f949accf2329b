"""Where the folder of a model is, its record, and whether its files are still those of the record.

A folder without a record gets one at its first use; it is kept in the cache folder.
"""

from __future__ import annotations

import logging
from pathlib import Path

from florilegium.config import models_folder
from florilegium.encoders.onnx_clip.record import (
    RECORD_NAME,
    FileRecord,
    ModelRecord,
    read_record,
    write_record,
)
from florilegium.encoders.onnx_clip.survey import survey_folder
from florilegium.errors import UnknownBackendError, WeightsNotFoundError
from florilegium.ids import hash_bytes, sha256_file

logger = logging.getLogger(__name__)


def find_folder(model: str) -> Path:
    """Return the folder of a model: an installed one by its name, or the path of a folder.

    Raises:
        UnknownBackendError: No model is named.
        WeightsNotFoundError: There is no such model.
    """
    if not model.strip():
        raise UnknownBackendError(
            "The encoder 'onnx_clip' needs a model.",
            hint="Write e.g. `onnx_clip:siglip2-base-256`; `florilegium models list` shows them.",
        )
    # A hub repository `owner/name` is kept under a name without the slash.
    name = model if "/" not in model else model.replace("/", "--", 1)
    installed = models_folder() / name
    if "/" not in name and (installed / RECORD_NAME).is_file():
        return installed
    try:
        path = Path(model).expanduser()
    except RuntimeError:  # a home folder of nobody, such as "~rose"
        path = Path(model)
    if path.is_dir():
        return path.absolute()
    raise WeightsNotFoundError(
        f"There is no model {model!r}: neither in {str(models_folder())!r} nor a folder of this "
        "path.",
        hint="Give the path of the folder that holds the graphs and the tokenizer."
        if _is_path(model)
        else f"Run `florilegium models pull {model}`, or `florilegium models list`.",
    )


def load_record(folder: Path, cache_folder: Path) -> ModelRecord:
    """Return the record of a model folder, made and kept if there is none yet.

    Raises:
        WeightsNotFoundError: The record is damaged, or the folder lacks a file.
        EncoderError: The folder holds another kind of model.
    """
    for file in (folder / RECORD_NAME, _cached(folder, cache_folder)):
        if file.is_file():
            return read_record(file)
    record = survey_folder(folder, id=folder.name)
    file = _cached(folder, cache_folder)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_record(file, record)
    except OSError as error:
        logger.warning("The record of the model %s cannot be kept: %s", folder, error)
    return record


def check_file(folder: Path, file: FileRecord) -> Path:
    """Return the path of a file whose bytes are those of the record.

    Raises:
        WeightsNotFoundError: It is not there, or is another one.
    """
    path = folder / file.path
    try:
        size, found = path.stat().st_size, ""
        if size == file.size:
            found = sha256_file(path)
    except OSError as error:
        raise WeightsNotFoundError(
            f"The model folder {str(folder)!r} has no readable file {file.path!r}: "
            f"{error.strerror}.",
            hint=_mend(folder),
        ) from error
    if size != file.size:
        raise WeightsNotFoundError(
            f"The file {str(path)!r} has {size} bytes, but {file.size} are expected: it was cut "
            "off or replaced.",
            hint=_mend(folder),
        )
    if found != file.sha256:
        raise WeightsNotFoundError(
            f"The file {str(path)!r} has the SHA-256 {found[:12]}…, but {file.sha256[:12]}… is "
            "expected.",
            hint=_mend(folder),
        )
    return path


def _is_path(model: str) -> bool:
    # What pulling takes has one slash at most, and begins with a letter or a digit.
    return model.startswith((".", "~", "/")) or model.count("/") > 1


def _cached(folder: Path, cache_folder: Path) -> Path:
    key = hash_bytes(str(folder.resolve()).encode("utf-8", "surrogatepass"))
    return cache_folder / "models" / f"{folder.name}-{key[:16]}.json"


def _mend(folder: Path) -> str:
    if (folder / RECORD_NAME).is_file():
        return (
            f"Run `florilegium models pull {folder.name}` again, which mends it, or export it "
            "again."
        )
    return (
        "Put the file back. If the change was meant, delete the records in the folder `models` of "
        "Florilegium's cache folder; what was encoded before does not mix with it."
    )
