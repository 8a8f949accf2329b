"""Gets a model by name: fetches what is needed of it, checks it, and writes its record.

Knows how to go on with what is there; a folder gets the name of the model only when it is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from florilegium.encoders.onnx_clip.record import ModelRecord, write_record
from florilegium.encoders.onnx_clip.survey import survey_folder
from florilegium.errors import WeightsNotFoundError
from florilegium.ids import sha256_file
from florilegium.model_cards import ModelCard, find_card
from florilegium.model_files import (
    CONFIG,
    Wish,
    choose_files,
    find_kind,
    is_matched,
    judge_config,
    named_files,
    pin_files,
)
from florilegium.model_hub import INCOMPLETE_SUFFIX, HubFile, ModelHub, Repository, is_same
from florilegium.model_records import (
    RECORD_NAME,
    FileRecord,
    FolderKind,
    FolderRecord,
    ModelKind,
    write_folder_record,
)
from florilegium.models import (
    PARTIAL_SUFFIX,
    REPOSITORY,
    AnyRecord,
    Damage,
    InstalledModel,
    check_files,
    folder_size,
    model_name,
    read_any_record,
    record_kind,
)

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
    wish: Wish | None = None,
    endpoint: str | None = None,
    progress: Callable[[PullProgress], None] | None = None,
) -> PulledModel:
    """Fetch the model of a card, or of a hub repository `owner/name`, into `folder`.

    A model that is there stays at its recorded revision; only what is damaged or missing of it is
    fetched. An interrupted pull goes on where it stopped. Files that are named by patterns are not
    those that a card has chosen, so they are kept under the name of the repository.

    Args:
        name: What to fetch: a card, a repository, or a model that is there.
        folder: Where models are kept.
        wish: What to fetch of it, by default what its card says, else what suits most.
        endpoint: The hub to ask, by default the one that the environment names.
        progress: Is told of every piece that arrives.

    Raises:
        WeightsNotFoundError: It cannot be had, or is not what its card promised. Nothing that can
            be used is left behind then, but what was fetched is, for the next time.
    """
    wish = wish or Wish()
    card = find_card(name)
    if card and wish.kind not in {None, card.kind}:
        raise WeightsNotFoundError(
            f"The card {card.name!r} is of kind {card.kind!r}, and not {wish.kind!r}.",
            hint="Leave --kind out, which is for repositories without a card.",
        )
    source = card.source if card else _source(name, folder)
    plain = source.replace("/", "--", 1) if card and wish.patterns else model_name(name)
    target = folder / plain
    with _locked(target):
        old = _read_old(target)
        if old is not None:
            _refuse_another_choice(target, old, wish)
            if _is_enough(target, old, wish):
                return _pulled(target, old, kept=True)
        known = old.origin.get("revision") if old else card.revision if card else None
        hub = ModelHub(endpoint)
        repository = hub.list_repository(source, revision=wish.revision or known)
        if old is not None:
            _refuse_another_revision(target, old, repository)
        fetching = _Fetch(
            hub=hub, repository=repository, target=target, card=card, progress=progress
        )
        record = fetching.fetch(old, wish)
    return _pulled(target, record, kept=False)


def _source(name: str, folder: Path) -> str:
    """Return the hub repository of a name that no card has."""
    if REPOSITORY.fullmatch(name):
        return name
    try:
        origin = read_any_record(folder / model_name(name) / RECORD_NAME).origin
    except (FileNotFoundError, WeightsNotFoundError):
        origin = {}
    source = origin.get("source", "")
    if "revision" in origin and REPOSITORY.fullmatch(source):
        return source
    raise WeightsNotFoundError(
        f"There is no card {name!r}, and a hub repository is written as 'owner/name'.",
        hint="Run `florilegium models list` to see the models that have a card.",
    )


def _pulled(target: Path, record: AnyRecord, *, kept: bool) -> PulledModel:
    model = InstalledModel(name=target.name, folder=target, record=record)
    return PulledModel(model=model, kept=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetch:
    """One fetch: from where, to where, and what the card says of it."""

    hub: ModelHub
    repository: Repository
    target: Path
    card: ModelCard | None
    progress: Callable[[PullProgress], None] | None

    @property
    def filling(self) -> Path:
        """Return the folder that is being filled."""
        return self.target.with_name(self.target.name + PARTIAL_SUFFIX)

    def fetch(self, old: AnyRecord | None, wish: Wish) -> AnyRecord:
        """Put the model at its place, with its record, and return that."""
        kind = self._find_kind(old, wish)
        if isinstance(old, FolderRecord):
            named = named_files(self.repository, [file.path for file in old.files])
            chosen = [replace(file, sha256=old.file(file.path).sha256) for file in named]
        else:
            chosen = choose_files(self.repository, kind, wish=wish, card=self.card)
        files = pin_files(chosen, self.repository, self.card)
        self.filling.mkdir(parents=True, exist_ok=True)
        _tidy(self.filling, files)
        _reuse(self.target, self.filling, files)
        total = sum(file.size for file in files)
        _require_space(self.filling, total)
        before = 0
        for file in files:
            report = partial(_report, self.progress, file.path, before, total)
            self.hub.fetch(self.repository, file, self.filling / file.path, report=report)
            before += file.size
        record = self._write_record(kind, files)
        _swap(self.filling, self.target)
        return record

    def _find_kind(self, old: AnyRecord | None, wish: Wish) -> ModelKind:
        if old is not None:
            return record_kind(old)
        if wish.kind is not None:
            return wish.kind
        if self.card is not None:
            return self.card.kind
        kind = find_kind(self.repository, wish.patterns)
        return self._look_into_config() if kind == "transformers" else kind

    def _look_into_config(self) -> FolderKind:
        """Return what opens a transformers folder, before its large files are fetched."""
        (file,) = named_files(self.repository, [CONFIG])
        with TemporaryDirectory() as folder:
            self.hub.fetch(self.repository, file, Path(folder, CONFIG), report=lambda _: None)
            data = Path(folder, CONFIG).read_bytes()
        try:
            config = json.loads(data)
        except ValueError as error:
            raise WeightsNotFoundError(
                f"The {CONFIG} of {self.repository.name!r} cannot be read: {error!s}.",
                hint="Choose another repository, or another revision with --revision.",
            ) from error
        return judge_config(self.repository, config if isinstance(config, dict) else {})

    def _write_record(self, kind: ModelKind, files: Sequence[HubFile]) -> AnyRecord:
        origin = {"source": self.repository.name, "revision": self.repository.commit}
        licence = (self.card.licence if self.card else None) or self.repository.licence
        if licence:
            origin["licence"] = licence
        languages = self.card.language_codes if self.card else None
        if kind == "onnx_clip":
            surveyed = _survey(self.filling, self.target.name, origin, languages)
            write_record(self.filling / RECORD_NAME, surveyed)
            return surveyed
        # Those that had a hash were held to it when they came.
        records = [
            FileRecord(
                path=file.path,
                sha256=file.sha256 or sha256_file(self.filling / file.path),
                size=file.size,
            )
            for file in files
        ]
        record = FolderRecord(
            id=self.target.name,
            kind=kind,
            files=tuple(records),
            languages=languages,
            origin=origin,
        )
        write_folder_record(self.filling / RECORD_NAME, record)
        return record


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
    filling: Path, name: str, origin: dict[str, str], languages: tuple[str, ...] | None
) -> ModelRecord:
    record = survey_folder(filling, id=name, origin=origin)
    known = {file.path for file in record.files}
    others = tuple(
        FileRecord(
            path=path, sha256=sha256_file(filling / path), size=(filling / path).stat().st_size
        )
        for path in _files_of(filling)
        if path not in known
    )
    return replace(record, languages=record.languages or languages, files=(*record.files, *others))


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


def _read_old(target: Path) -> AnyRecord | None:
    """Return the record of the model that is there, if one is."""
    if not target.exists():
        return None
    try:
        return read_any_record(target / RECORD_NAME)
    except FileNotFoundError as error:
        raise WeightsNotFoundError(
            f"{str(target)!r} is there, but has no {RECORD_NAME}, so it was not pulled.",
            hint="Move it away, and pull again.",
        ) from error


def _is_enough(target: Path, old: AnyRecord, wish: Wish) -> bool:
    if wish.revision not in {None, old.origin.get("revision")}:
        return False
    if isinstance(old, ModelRecord) and not set(wish.precisions) <= set(old.variants):
        return False
    return all(problem.damage is Damage.EXTRA for problem in check_files(target, old))


def _refuse_another_choice(target: Path, old: AnyRecord, wish: Wish) -> None:
    """Refuse what would make another model of the one that is there."""
    kind = record_kind(old)
    missing = [
        pattern
        for pattern in wish.patterns
        if not any(is_matched(file.path, pattern) for file in old.files)
    ]
    if wish.kind in {None, kind} and not missing:
        return
    asked = f"--file {missing[0]!r}" if missing else f"--kind {wish.kind}"
    raise WeightsNotFoundError(
        f"The model {target.name!r} is there as {kind} with other files than {asked} means.",
        hint=f"Run `florilegium models remove {target.name}` first, if that is what you want.",
    )


def _refuse_another_revision(target: Path, old: AnyRecord, repository: Repository) -> None:
    there = old.origin.get("revision")
    if there == repository.commit:
        return
    why = ", whose embeddings do not mix with its" if isinstance(old, ModelRecord) else ""
    raise WeightsNotFoundError(
        f"The model {target.name!r} is there at revision {there!r}; revision "
        f"{repository.commit!r} is another model{why}.",
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
