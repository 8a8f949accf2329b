"""Which GGUF files a model is made of: the model, and its vision part if it has one.

Reads heads of files; loads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from florilegium.chat_models.llama_cpp.gguf import VISION, GgufHead, read_head
from florilegium.errors import WeightsNotFoundError

_PART: Final = re.compile(r"-(\d{5})-of-(\d{5})$")
_MMPROJ: Final = "mmproj"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The files of one model, of a model in parts the first, and the context it was made for."""

    model: Path
    head: GgufHead
    context_tokens: int
    mmproj: Path | None

    @property
    def name(self) -> str:
        """Return the name of the file, without its suffix and its number of parts."""
        return _PART.sub("", self.model.stem)


def find_files(place: Path, *, mmproj: str, vision: Literal["auto", "yes", "no"]) -> ModelFiles:
    """Return the files of the model at a place.

    Args:
        place: A GGUF file, or a folder that holds those of one model at any depth.
        mmproj: The vision part: a path, or a name beside the model. Empty takes the one that lies
            in the folder of the model, if that folder holds no other model.
        vision: `no` leaves the vision part out, `yes` needs one.

    Raises:
        WeightsNotFoundError: A file is missing or damaged, or there are several to choose from.
    """
    if place.is_dir():
        models, eyes = _sort_files(place.rglob("*.gguf"))
        model = _only_model(place, models)
    else:
        models, eyes = _sort_files(place.parent.glob("*.gguf"))
        model = _first_part(place)
    head = read_head(model)
    tokens = _check_model(model, head)
    chosen: Path | None = None
    if vision != "no" and mmproj:
        chosen = _named_mmproj(mmproj, model.parent)
    elif vision != "no" and len(models) == 1:  # beside several, nobody knows whose eyes they are
        chosen = _only_mmproj(model, eyes)
    if chosen is None and vision == "yes":
        raise WeightsNotFoundError(
            f'chat.vision is "yes", and there is no vision part for {str(model)!r}.',
            hint="Set chat.mmproj to the mmproj file of this model.",
        )
    return ModelFiles(model=model, head=head, context_tokens=tokens, mmproj=chosen)


def _sort_files(files: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return models, and vision parts; of a model in parts, the first."""
    models: list[Path] = []
    eyes: list[Path] = []
    for file in sorted(files):
        part = _PART.search(file.stem)
        if part is None or int(part[1]) == 1:
            (eyes if _MMPROJ in file.name.lower() else models).append(file)
    return models, eyes


def _only_model(folder: Path, models: Sequence[Path]) -> Path:
    if not models:
        raise WeightsNotFoundError(
            f"The folder {str(folder)!r} holds no model: there is no GGUF file in it.",
            hint="Name the folder, or the .gguf file itself, in chat.name.",
        )
    if len(models) > 1:
        raise WeightsNotFoundError(
            f"The folder {str(folder)!r} holds several models: {_names(models)}.",
            hint=f'Name one of them: set chat.name = "llama_cpp:{models[0]}".',
        )
    return models[0]


def _first_part(file: Path) -> Path:
    part = _PART.search(file.stem)
    if part is None:
        return file
    return file.with_name(f"{file.stem[: part.start()]}-00001-of-{part[2]}{file.suffix}")


def _check_model(model: Path, head: GgufHead) -> int:
    """Return the context of a model whose files are all there."""
    if head.architecture == VISION:
        raise WeightsNotFoundError(
            f"{str(model)!r} is the vision part of a model, and no model.",
            hint="Name the model in chat.name, and this file in chat.mmproj.",
        )
    if not head.architecture or head.context_tokens is None:
        raise WeightsNotFoundError(
            f"{str(model)!r} is no language model: it names no architecture or no context.",
            hint="Take a GGUF file of a chat model.",
        )
    for number in range(2, head.parts + 1):
        # The parts of a model are found by their names, so these are fixed.
        part = model.with_name(
            f"{_PART.sub('', model.stem)}-{number:05d}-of-{head.parts:05d}{model.suffix}"
        )
        if not part.is_file():
            raise WeightsNotFoundError(
                f"The model {str(model)!r} has {head.parts} parts, and {part.name!r} is missing.",
                hint="Fetch the missing part into the same folder.",
            )
        read_head(part)
    return head.context_tokens


def _named_mmproj(mmproj: str, folder: Path) -> Path:
    path = Path(mmproj).expanduser()
    for candidate in (path, folder / mmproj):
        if candidate.is_file():
            return _checked_mmproj(candidate)
    raise WeightsNotFoundError(
        f"There is no file {mmproj!r}, which chat.mmproj names.",
        hint=f"Mend chat.mmproj: a path, or the name of a file in {str(folder)!r}.",
    )


def _only_mmproj(model: Path, eyes: Sequence[Path]) -> Path | None:
    if len(eyes) > 1:
        raise WeightsNotFoundError(
            f"Beside {str(model)!r} lie several vision parts: {_names(eyes)}.",
            hint=f'Set chat.mmproj to one of them, e.g. "{eyes[0].name}".',
        )
    return _checked_mmproj(eyes[0]) if eyes else None


def _checked_mmproj(file: Path) -> Path:
    found = read_head(file).architecture
    if found != VISION:
        raise WeightsNotFoundError(
            f"{str(file)!r} is no vision part: its architecture is {found!r}, not {VISION!r}.",
            hint="Set chat.mmproj to the mmproj file of the model.",
        )
    return file


def _names(files: Sequence[Path]) -> str:
    return ", ".join(repr(file.name) for file in files)
