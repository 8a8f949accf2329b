"""Where the weights of a chat model or a reranker lie: a path, or a model that was pulled.

Opens no weights, hashes nothing and fetches nothing; what a pulled model has is compared with its
record by names and sizes, which takes no time.
"""

from __future__ import annotations

import re
from pathlib import Path

from florilegium.config import models_folder
from florilegium.errors import WeightsNotFoundError
from florilegium.model_cards import ModelCard, find_card
from florilegium.model_records import (
    RECORD_NAME,
    FolderRecord,
    read_folder_record,
    read_kind,
    section_of,
)

_WEIGHTS = {".gguf", ".safetensors", ".onnx"}
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


def locate_weights(model: str, *, kind: str) -> Path:
    """Return the file or folder that `kind:model` names.

    Args:
        model: A path, `~` allowed, or the name of a model in the models folder: a card, or a hub
            repository `OWNER/NAME`, which is the folder `OWNER--NAME` there.
        kind: The backend that asks. A pulled model must be one that it opens.

    Raises:
        WeightsNotFoundError: There is no such file or folder, or it is another kind of model, or
            not as it was when it was pulled.
    """
    if not model.strip():
        raise WeightsNotFoundError(
            f"The {_what(kind)} {kind!r} needs a model, and none is named.",
            hint=f'Set {section_of(kind)}.name = "{kind}:PATH" or "{kind}:NAME" of a pulled model.',
        )
    card = find_card(model)
    try:
        for folder in (*_pulled_folders(model, card), _expanded(model)):
            if (folder / RECORD_NAME).is_file():
                return _checked(folder, kind)
        if (path := _expanded(model)).exists():
            return path
    except OSError as error:  # longer than names can be, or not to be looked into
        raise _missing(model, card, kind) from error
    raise _missing(model, card, kind)


def _pulled_folders(model: str, card: ModelCard | None) -> list[Path]:
    names = [card.name] if card else []
    name = model.replace("/", "--", 1)
    # What still has a slash is a path, and so is what could lead out of the folder of models.
    if "/" not in name and name not in {".", ".."}:
        names.append(name)
    return [models_folder() / name for name in names]


def _expanded(model: str) -> Path:
    try:
        return Path(model).expanduser()
    except RuntimeError:  # a home folder of nobody, such as "~rose"
        return Path(model)


def _checked(folder: Path, kind: str) -> Path:
    """Return the folder of a pulled model if it is of this kind and has the files of its record."""
    found = read_kind(folder / RECORD_NAME)
    if found != kind:
        raise _wrong_kind(folder.name, found, kind)
    record = read_folder_record(folder / RECORD_NAME)
    for file in record.files:
        path = folder / file.path
        size = path.stat().st_size if path.is_file() else None
        if size != file.size:
            found = "is not there" if size is None else f"has {size} bytes instead of {file.size}"
            raise WeightsNotFoundError(
                f"The model {folder.name!r} is damaged: {file.path!r} {found}.",
                hint=f"Run `florilegium models pull {folder.name}`, which mends it.",
            )
    _refuse_foreign_weights(folder, record)
    return folder


def _refuse_foreign_weights(folder: Path, record: FolderRecord) -> None:
    # Which weights are loaded must not depend on what else was put there.
    known = {folder / file.path for file in record.files}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _WEIGHTS and path not in known:
            name = path.relative_to(folder).as_posix()
            raise WeightsNotFoundError(
                f"The folder of the model {folder.name!r} holds {name!r}, which is not of it.",
                hint=f"Move {str(path)!r} out of there.",
            )


def _wrong_kind(name: str, found: str, kind: str) -> WeightsNotFoundError:
    section, wanted = section_of(found), section_of(kind)
    if section != wanted:
        article = "an" if section == "encoder" else "a"
        return WeightsNotFoundError(
            f"The model {name!r} is {article} {_what(found)}, and no {_what(kind)}.",
            hint=f'Set {section}.name = "{found}:{name}", and {wanted}.name to a {_what(kind)}.',
        )
    return WeightsNotFoundError(
        f"The model {name!r} is one for the {_what(kind)} {found!r}, and {kind!r} cannot open it.",
        hint=f'Set {section}.name = "{found}:{name}".',
    )


def _what(kind: str) -> str:
    return {"encoder": "encoder", "chat": "chat model", "rerank": "reranker"}[section_of(kind)]


def _missing(model: str, card: ModelCard | None, kind: str) -> WeightsNotFoundError:
    if card and card.kind != kind:
        return _wrong_kind(card.name, card.kind, kind)
    if card:
        size = f", which fetches {card.size / 1e9:.1f} GB" if card.size else ""
        return WeightsNotFoundError(
            f"The model {model!r} is not in {str(models_folder())!r}: it is still to be pulled.",
            hint=f"Run `florilegium models pull {card.name}`{size}.",
        )
    if _REPOSITORY.fullmatch(model):
        hint = f"Run `florilegium models pull {model}`, or mend the path."
    else:
        hint = "Mend the path, or run `florilegium models list` to see the models."
    return WeightsNotFoundError(
        f"There is neither a file nor a pulled model {model!r} for the {_what(kind)} {kind!r}.",
        hint=hint,
    )
