"""Gets a model by name: fetches what is needed of it, checks it, and writes its record.

Knows how to go on with what is there; a folder gets the name of the model only when it is whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from florilegium.encoders.onnx_clip.record import (
    RECORD_NAME,
    FileRecord,
    ModelRecord,
    read_record,
    write_record,
)
from florilegium.encoders.onnx_clip.survey import survey_folder
from florilegium.errors import WeightsNotFoundError
from florilegium.ids import sha256_file
from florilegium.model_cards import ModelCard, find_card
from florilegium.model_files import select_files
from florilegium.model_hub import INCOMPLETE_SUFFIX, HubFile, ModelHub, Repository, is_same
from florilegium.models import (
    PARTIAL_SUFFIX,
    REPOSITORY,
    Damage,
    InstalledModel,
    check_files,
    folder_size,
    model_name,
)
from florilegium.types import Precision

_SPARE_BYTES = 64 << 20  # of disk space, for what others write meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgress:
    """How far a pull is: the file that is being fetched, and the bytes of all of them."""

    path: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledModel:
    """What a pull ended with. `kept` says that the model was there already, whole."""

    model: InstalledModel
    kept: bool


def pull_model(
    name: str,
    *,
    folder: Path,
    revision: str | None = None,
    precisions: Sequence[Precision] = ("fp32",),
    endpoint: str | None = None,
    progress: Callable[[PullProgress], None] | None = None,
) -> PulledModel:
    """Fetch the model of a card, or of a hub repository `owner/name`, into `folder`.

    A model that is there stays at its recorded revision; only what is damaged or missing of it is
    fetched. An interrupted pull goes on where it stopped.

    Args:
        name: What to fetch.
        folder: Where models are kept.
        revision: A commit, branch or tag; by default that of the card, else the newest.
        precisions: What to fetch besides fp32, which is always fetched.
        endpoint: The hub to ask, by default the one that the environment names.
        progress: Is told of every piece that arrives.

    Raises:
        WeightsNotFoundError: It cannot be had, or is not what its card promised. Nothing that can
            be used is left behind then, but what was fetched is, for the next time.
    """
    card = find_card(name)
    if card is None and not REPOSITORY.fullmatch(name):
        raise WeightsNotFoundError(
            f"There is no card {name!r}, and a hub repository is written as 'owner/name'.",
            hint="Run `florilegium models list` to see the models that have a card.",
        )
    target = folder / model_name(name)
    wanted: tuple[Precision, ...] = tuple(dict.fromkeys(("fp32", *precisions)))
    with _locked(target):
        old = _read_old(target)
        source = card.source if card else name
        if old is not None and _is_enough(target, old, revision, wanted):
            return _pulled(target, old, kept=True)
        known = old.origin.get("revision") if old else card.revision if card else None
        hub = ModelHub(endpoint)
        repository = hub.list_repository(source, revision=revision or known)
        if old is not None:
            _refuse_another_revision(target, old, repository)
        record = _fetch(hub, repository, target, card, wanted, progress=progress)
    return _pulled(target, record, kept=False)


def _pulled(target: Path, record: ModelRecord, *, kept: bool) -> PulledModel:
    model = InstalledModel(name=target.name, folder=target, record=record)
    return PulledModel(model=model, kept=kept)


def _fetch(
    hub: ModelHub,
    repository: Repository,
    target: Path,
    card: ModelCard | None,
    precisions: Sequence[Precision],
    *,
    progress: Callable[[PullProgress], None] | None,
) -> ModelRecord:
    files = _pin(select_files(repository, precisions), repository, card)
    filling = target.with_name(target.name + PARTIAL_SUFFIX)
    filling.mkdir(parents=True, exist_ok=True)
    _tidy(filling, files)
    _reuse(target, filling, files)
    total = sum(file.size for file in files)
    _require_space(filling, total)
    before = 0
    for file in files:
        report = partial(_report, progress, file.path, before, total)
        hub.fetch(repository, file, filling / file.path, report=report)
        before += file.size
    record = _survey(filling, target.name, repository, card)
    write_record(filling / RECORD_NAME, record)
    _swap(filling, target)
    return record


def _pin(files: Sequence[HubFile], repository: Repository, card: ModelCard | None) -> list[HubFile]:
    """Return the files with the hashes of the card; refuse a repository that contradicts it."""
    pinned = {file.path: file for file in card.files} if card else {}
    if card and card.revision not in {None, repository.commit}:
        pinned = {}  # the user has asked for another revision than the card speaks of
    result = []
    for file in files:
        pin = pinned.get(file.path)
        sha256 = pin.sha256 if pin else None
        if pin and (file.size != pin.size or (sha256 and file.sha256 not in {None, sha256})):
            raise WeightsNotFoundError(
                f"{file.path!r} of {repository.name!r} is not the file that the card promises: "
                "its size or hash differs.",
                hint="Do not use it unless you know why; with --revision the card is left out.",
            )
        result.append(replace(file, sha256=sha256) if sha256 else file)
    return result


def _tidy(filling: Path, files: Sequence[HubFile]) -> None:
    """Delete what another pull has left in the folder and this one does not need."""
    wanted = {path for file in files for path in (file.path, file.path + INCOMPLETE_SUFFIX)}
    for path in _files_of(filling):
        if path not in wanted:
            (filling / path).unlink()


def _reuse(target: Path, filling: Path, files: Sequence[HubFile]) -> None:
    """Take over what is right of the model that is there; links cost neither time nor space."""
    for file in files:
        there, here = target / file.path, filling / file.path
        if there.is_file() and not here.exists() and is_same(there, file):
            here.parent.mkdir(parents=True, exist_ok=True)
            try:
                here.hardlink_to(there)
            except OSError:
                shutil.copyfile(there, here)


def _require_space(filling: Path, total: int) -> None:
    missing = max(0, total - folder_size(filling))
    free = shutil.disk_usage(filling).free
    if missing and free < missing + _SPARE_BYTES:
        raise WeightsNotFoundError(
            f"There are {free / 1e9:.1f} GB free at {str(filling.parent)!r}, but "
            f"{missing / 1e9:.1f} GB are still to be fetched.",
            hint="Free some space, or set FLORILEGIUM_MODELS_FOLDER to a folder on another disk.",
        )


def _report(
    progress: Callable[[PullProgress], None] | None, path: str, before: int, total: int, here: int
) -> None:
    if progress is not None:
        progress(PullProgress(path=path, done=before + here, total=total))


def _survey(
    filling: Path, name: str, repository: Repository, card: ModelCard | None
) -> ModelRecord:
    origin = {"source": repository.name, "revision": repository.commit}
    licence = (card.licence if card else None) or repository.licence
    if licence:
        origin["licence"] = licence
    record = survey_folder(filling, id=name, origin=origin)
    languages = record.languages or (card.language_codes if card else None)
    known = {file.path for file in record.files}
    others = tuple(
        FileRecord(
            path=path, sha256=sha256_file(filling / path), size=(filling / path).stat().st_size
        )
        for path in _files_of(filling)
        if path not in known
    )
    return replace(record, languages=languages, files=(*record.files, *others))


def _files_of(folder: Path) -> list[str]:
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if path != RECORD_NAME)


def _swap(filling: Path, target: Path) -> None:
    old = target.with_name(f"{target.name}.old{PARTIAL_SUFFIX}")
    if target.exists():
        target.rename(old)
    filling.rename(target)
    if old.exists():
        shutil.rmtree(old)


def _read_old(target: Path) -> ModelRecord | None:
    """Return the record of the model that is there, if one is."""
    if not target.exists():
        return None
    try:
        return read_record(target / RECORD_NAME)
    except FileNotFoundError as error:
        raise WeightsNotFoundError(
            f"{str(target)!r} is there, but has no {RECORD_NAME}, so it was not pulled.",
            hint="Move it away, and pull again.",
        ) from error


def _is_enough(
    target: Path, old: ModelRecord, revision: str | None, precisions: Sequence[Precision]
) -> bool:
    if revision not in {None, old.origin.get("revision")}:
        return False
    if not set(precisions) <= set(old.variants):
        return False
    return all(problem.damage is Damage.EXTRA for problem in check_files(target, old))


def _refuse_another_revision(target: Path, old: ModelRecord, repository: Repository) -> None:
    there = old.origin.get("revision")
    if there == repository.commit:
        return
    raise WeightsNotFoundError(
        f"The model {target.name!r} is there at revision {there!r}; revision "
        f"{repository.commit!r} is another model, whose embeddings do not mix with its.",
        hint=f"Run `florilegium models remove {target.name}` first, if that is what you want.",
    )


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    # The lock files stay: to delete one that another process has just opened would unlock it.
    locks = target.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{target.name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise WeightsNotFoundError(
            f"Another process is fetching the model {target.name!r}.",
            hint="Wait until it is done.",
        ) from error
    try:
        yield
    finally:
        lock.release()
