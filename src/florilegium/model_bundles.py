"""Carries a model to a machine without a network: one tar file, checked when it is opened.

A bundle may come from anywhere, so nothing in it is believed but what its record and the cards
can prove, and its own idea of where files belong is never followed.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from florilegium.errors import WeightsNotFoundError
from florilegium.model_cards import find_card
from florilegium.model_records import RECORD_NAME, FileRecord
from florilegium.models import (
    PARTIAL_SUFFIX,
    AnyRecord,
    Damage,
    InstalledModel,
    check_files,
    find_model,
    is_inner_path,
    model_name,
    read_any_record,
    record_kind,
)

BUNDLE_SUFFIX = ".tar"
_RECORD_LIMIT = 16 << 20  # bytes; a record has some tens of thousands
_CHUNK = 1 << 20
_NOT_A_BUNDLE = "Make it with `florilegium models bundle` on the machine that has the model."


def write_bundle(name: str, file: Path, *, folder: Path) -> InstalledModel:
    """Write the model called `name` in `folder` to a tar file that `read_bundle` opens.

    Raises:
        WeightsNotFoundError: The model is not there or not whole, or the file cannot be written.
    """
    model = find_model(name, folder=folder)
    if file.exists():
        raise WeightsNotFoundError(f"{str(file)!r} exists.", hint="Name another file with -o.")
    for problem in check_files(model.folder, model.record):
        if problem.damage is not Damage.EXTRA:
            raise WeightsNotFoundError(
                f"The model {model.name!r} is damaged: {problem.path!r} {problem.message}.",
                hint=f"Run `florilegium models pull {model.name}`, which mends it.",
            )
    filling = file.with_name(file.name + PARTIAL_SUFFIX)
    try:
        with tarfile.open(filling, "w", format=tarfile.PAX_FORMAT) as tar:
            for path in (RECORD_NAME, *(each.path for each in model.record.files)):
                _add(tar, model.folder / path, f"{model.name}/{path}")
        filling.replace(file)
    except OSError as error:
        filling.unlink(missing_ok=True)
        raise WeightsNotFoundError(
            f"The bundle {str(file)!r} cannot be written: {error.strerror or error!s}.",
            hint="Name a file on a disk with more space, in a folder that you may write to.",
        ) from error
    return model


def read_bundle(file: Path, *, folder: Path) -> InstalledModel:
    """Put the model of a bundle into `folder`; it is there only if all of it is right.

    Raises:
        WeightsNotFoundError: It is no bundle, is damaged, contradicts the card of its model, or a
            model of its name is there.
    """
    if not file.is_file():
        raise WeightsNotFoundError(f"There is no file {str(file)!r}.", hint="Mend the path.")
    with _opened(file) as tar:
        members = _members(tar, file)
        name, first = next(members, (None, None))
        if name is None or first is None or first.name != f"{name}/{RECORD_NAME}":
            raise _refusal(file, f"it does not begin with a {RECORD_NAME}")
        target = folder / name
        if target.exists():
            raise WeightsNotFoundError(
                f"There is a model {name!r} in {str(folder)!r}.",
                hint=f"Run `florilegium models remove {name}` first, to take that of the bundle.",
            )
        # Not the folder of a pull, which may have to go on.
        filling = target.with_name(f"{target.name}.bundle{PARTIAL_SUFFIX}")
        shutil.rmtree(filling, ignore_errors=True)
        filling.mkdir(parents=True)
        try:
            record = _take_record(tar, first, filling, file)
            _check_card(record, name, file)
            _take_files(tar, members, record, filling, file)
            filling.rename(target)
        finally:
            shutil.rmtree(filling, ignore_errors=True)
    return InstalledModel(name=name, folder=target, record=record)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = path.stat().st_size
    with path.open("rb") as stream:
        tar.addfile(info, stream)


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        # Not compressed, so that a small file cannot become a large one.
        with tarfile.open(file, "r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError) as error:
        raise _refusal(file, f"it cannot be read as a tar file ({error!s})") from error
    except OSError as error:
        raise WeightsNotFoundError(
            f"The bundle {str(file)!r} cannot be unpacked: {error.strerror or error!s}.",
            hint="Free some disk space, or set FLORILEGIUM_MODELS_FOLDER to another disk.",
        ) from error


def _members(tar: tarfile.TarFile, file: Path) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield (model name, member); all members are plain files of one model."""
    name = ""
    for member in tar:
        top, _, rest = member.name.partition("/")
        if not member.isreg() or not is_inner_path(member.name) or not rest:
            raise _refusal(file, f"{member.name!r} is not a plain file of a model")
        if name and top != name:
            raise _refusal(file, f"it holds {top!r} besides {name!r}")
        if not name and model_name(top) != top:
            raise _refusal(file, f"{top!r} is no name of a model")
        name = top
        yield name, member


def _take_record(
    tar: tarfile.TarFile, member: tarfile.TarInfo, filling: Path, file: Path
) -> AnyRecord:
    if member.size > _RECORD_LIMIT:
        raise _refusal(file, f"its {RECORD_NAME} is too large")
    data = (tar.extractfile(member) or io.BytesIO()).read()
    (filling / RECORD_NAME).write_bytes(data)
    record = read_any_record(filling / RECORD_NAME)
    outside = [each.path for each in record.files if not is_inner_path(each.path)]
    if outside:
        raise _refusal(file, f"{outside[0]!r} would lie outside of the model")
    free = shutil.disk_usage(filling).free
    total = sum(each.size for each in record.files)
    if total > free:
        raise WeightsNotFoundError(
            f"There are {free / 1e9:.1f} GB free at {str(filling.parent)!r}, but the model of "
            f"{str(file)!r} has {total / 1e9:.1f} GB.",
            hint="Free some space, or set FLORILEGIUM_MODELS_FOLDER to a folder on another disk.",
        )
    return record


def _check_card(record: AnyRecord, name: str, file: Path) -> None:
    """Refuse a model that bears the name of a card and has other files than the card says."""
    card = find_card(name)
    if card is None or card.revision not in {None, record.origin.get("revision")}:
        return
    if record_kind(record) != card.kind:
        raise _refusal(file, f"it is of kind {record_kind(record)!r}, and its card {name!r} is not")
    known = {each.path: each for each in record.files}
    for pin in card.files:
        found = known.get(pin.path)
        is_same = (
            found is not None
            and pin.size in {None, found.size}
            and pin.sha256 in {None, found.sha256}
        )
        if not is_same:
            raise _refusal(file, f"{pin.path!r} is not the one of the card {name!r}")


def _take_files(
    tar: tarfile.TarFile,
    members: Iterator[tuple[str, tarfile.TarInfo]],
    record: AnyRecord,
    filling: Path,
    file: Path,
) -> None:
    missing = {each.path: each for each in record.files}
    for name, member in members:
        expected = missing.pop(member.name.removeprefix(f"{name}/"), None)
        if expected is None or expected.size != member.size:
            raise _refusal(file, f"{member.name!r} is not what its record says")
        _take_file(tar, member, expected, filling, file)
    if missing:
        raise _refusal(file, f"it lacks {min(missing)!r}")


def _take_file(
    tar: tarfile.TarFile, member: tarfile.TarInfo, expected: FileRecord, filling: Path, file: Path
) -> None:
    target = filling / expected.path
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    stream = tar.extractfile(member) or io.BytesIO()
    with target.open("xb") as out:
        while data := stream.read(_CHUNK):
            digest.update(data)
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != expected.sha256:
        raise _refusal(file, f"{expected.path!r} has another SHA-256 than its record")


def _refusal(file: Path, reason: str) -> WeightsNotFoundError:
    return WeightsNotFoundError(
        f"{str(file)!r} is no bundle that can be used: {reason}.", hint=_NOT_A_BUNDLE
    )
