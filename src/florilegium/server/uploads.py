"""Files that are uploaded into a library: names made harmless, and files that appear as a whole.

Nothing that a request says is ever used as a path: of its file name only the last part is kept,
without what could lead elsewhere, and no file that is there is written over.
"""

from __future__ import annotations

import errno
import filecmp
import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from florilegium.errors import (
    FileTooLargeError,
    FlorilegiumError,
    ForbiddenError,
    InvalidRequestError,
    StorageFullError,
    StoreError,
    UnsupportedFileError,
)
from florilegium.images import read_size
from florilegium.library import Library
from florilegium.loaders.image import IMAGE_SUFFIXES
from florilegium.querying import max_pixels
from florilegium.registry import open_loaders

_STEM_BYTES = 120
_MOST_COPIES = 1000
_PIECE = 1 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# What file systems without hard links say, as exFAT and some network shares.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
# What browsers write for a quotation mark and line ends in the file names of forms (HTML standard).
_ESCAPED = re.compile(r"%22|%0D|%0A")
_HARMFUL = re.compile(r'[<>:"|?*\\/]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Where an upload lies, relative to the library; `is_new` unless the same bytes were there."""

    path: str
    is_new: bool


def take_in(data: BinaryIO, *, library: Library, filename: str) -> Upload:
    """Write an upload into the folder of a library, under what is left of its name.

    Raises:
        InvalidRequestError: Its name is none, or it is empty.
        UnsupportedFileError: No loader reads such files.
        UnreadableFileError: It has the name of a picture, and is none.
        FileTooLargeError: It has more bytes or pixels than ingest reads.
        StorageFullError: There is no room for it.
        ForbiddenError: The server may not write there either.
    """
    config = library.settings.config
    loaders = open_loaders(config=config.ingest, count_tokens=len)
    suffixes = {suffix for loader in loaders for suffix in loader.suffixes}
    return receive(
        data,
        folder=library.root,
        name=safe_name(filename, suffixes=suffixes),
        max_bytes=int(config.ingest.max_file_megabytes * 1_000_000),
        max_pixels=max_pixels(config),
    )


def safe_name(filename: str, *, suffixes: Collection[str]) -> str:
    """Return the name that an uploaded file gets.

    Raises:
        InvalidRequestError: Nothing of the name is left.
        UnsupportedFileError: No loader reads files of this suffix.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", _ESCAPED.sub("", filename)))[-1]
    # Categories C* are control, format and half characters, of which names can be faked.
    kept = "".join(c for c in last if not unicodedata.category(c).startswith("C"))
    stem, dot, suffix = _HARMFUL.sub("", kept).rpartition(".")
    stem = " ".join(stem.split()).strip(". ")
    if not stem or not dot:
        raise InvalidRequestError(
            f"{filename[:200]!r} cannot be the name of a file here.",
            hint="Give the file a name with letters and a suffix, such as rose.jpg.",
        )
    suffix = f".{suffix.strip().lower()}"
    if suffix not in suffixes:
        raise UnsupportedFileError(
            f"Files with the suffix {suffix[:20]!r} are not read here.",
            hint=f"Those that are: {', '.join(sorted(suffixes))}.",
        )
    while len(stem.encode("utf-8", "ignore")) > _STEM_BYTES:
        stem = stem[:-1]
    return f"{stem.strip('. ')}{suffix}"


def receive(data: BinaryIO, *, folder: Path, name: str, max_bytes: int, max_pixels: int) -> Upload:
    """Write an upload into a folder, and return the name that it has there.

    A file that is there already stays as it is: the new one gets a number, unless it is the very
    same. Until all of it has arrived, nothing is in the folder.

    Args:
        data: The bytes that are uploaded.
        folder: Where they are put.
        name: What the file is to be called, as `safe_name` gives it.
        max_bytes: Files with more bytes are refused.
        max_pixels: Pictures with more pixels are refused.

    Raises:
        InvalidRequestError: It is empty.
        FileTooLargeError: It has more than `max_bytes` or `max_pixels`.
        UnreadableFileError: It is called a picture, and is none that can be read.
        StorageFullError: There is no room for it.
        ForbiddenError: The server may not write there.
        StoreError: It cannot be written for another reason.
    """
    try:
        # Hidden names are not ingested, so a half file is never taken for a whole one.
        handle, temporary = tempfile.mkstemp(prefix=".upload-", dir=folder)
    except OSError as error:
        raise _failed(name, error) from error
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - of the handle
            size = 0
            while piece := data.read(_PIECE):
                size += len(piece)
                if size > max_bytes:
                    raise FileTooLargeError(
                        f"{name!r} has more than {max_bytes / 1e6:g} MB.",
                        hint="Make it smaller, or raise ingest.max_file_megabytes.",
                    )
                file.write(piece)
            if not size:
                raise InvalidRequestError(
                    f"{name!r} is empty.", hint="Look at the file, and upload it again."
                )
            file.flush()
            os.fsync(file.fileno())
        if Path(name).suffix in IMAGE_SUFFIXES:
            # The header alone, as ingest looks at it first.
            read_size(Path(temporary).read_bytes(), max_pixels=max_pixels, name=name)
        Path(temporary).chmod(0o644)
        return _publish(Path(temporary), folder=folder, name=name)
    except OSError as error:
        raise _failed(name, error) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def _publish(file: Path, *, folder: Path, name: str) -> Upload:
    stem, _, suffix = name.rpartition(".")
    for number in range(1, _MOST_COPIES):
        chosen = name if number == 1 else f"{stem} ({number}).{suffix}"
        try:
            _put(file, folder / chosen)
            return Upload(path=chosen, is_new=True)
        except FileExistsError:
            if _is_same(folder / chosen, file):
                return Upload(path=chosen, is_new=False)
    raise InvalidRequestError(
        f"There are too many files called {name!r} here.", hint="Give the file another name."
    )


def _put(file: Path, place: Path) -> None:
    """Give a file its name, whole from the first moment. Raises FileExistsError if there is one."""
    try:
        place.hardlink_to(file)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        return
    # The name is taken first, since a move would go over what is there; it is empty for a moment.
    place.touch(exist_ok=False)
    try:
        file.replace(place)
    except OSError:
        place.unlink()
        raise


def _is_same(there: Path, file: Path) -> bool:
    """Return whether a file that is there holds what another one does; links are never followed."""
    try:
        status = there.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.stat().st_size:
            return False
        return filecmp.cmp(there, file, shallow=False)
    except OSError:  # it went at this moment, or may not be read
        return False


def _failed(name: str, error: OSError) -> FlorilegiumError:
    if error.errno in _FULL:
        return StorageFullError(
            f"There is no room for {name!r} on the disk of the library.",
            hint="Who runs the server can make room.",
        )
    if error.errno in _READ_ONLY:
        return ForbiddenError(
            f"{name!r} cannot be written: the server may only read the folder of the library.",
            hint="Who runs the server can let it write there.",
        )
    return StoreError(
        f"{name!r} cannot be written into the library: {error.strerror}.",
        hint="See that there is room, and that the server may write to the folder.",
    )
