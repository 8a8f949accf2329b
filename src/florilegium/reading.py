"""The bytes of one file, within a limit. Knows nothing of what they mean."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from florilegium.errors import FileTooLargeError, SourceGoneError, UnreadableFileError
from florilegium.types import Source

_BLOCK: Final = 1 << 20
# A pipe that took the place of a file would keep whoever opens it waiting; Windows has none.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_source(source: Source, *, max_bytes: int, hint: str) -> bytes:
    """Return the bytes of a file.

    Args:
        source: The file.
        max_bytes: The most that is read.
        hint: What to do with a file that is larger.

    Raises:
        UnreadableFileError: It is gone, may not be read, or is no regular file.
        FileTooLargeError: It has more than max_bytes bytes.
    """
    with _opened(source.file, name=source.path) as stream:
        # One byte more than allowed tells that a file has grown since it was listed.
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise _too_large(source.path, max(source.size, len(data)), max_bytes, hint=hint)
    return data


def hash_source(file: Path, *, name: str, max_bytes: int, hint: str) -> str:
    """Return the BLAKE2b-128 of a file's bytes, as `ids.hash_file` gives it.

    A file that says it is larger than `max_bytes` is not read at all.

    Args:
        file: Where the file lies.
        name: What to call it in errors.
        max_bytes: The most that is read.
        hint: What to do with a file that is larger.

    Raises:
        UnreadableFileError: It is gone, may not be read, or is no regular file.
        FileTooLargeError: It has more than max_bytes bytes.
    """
    digest, count = hashlib.blake2b(digest_size=16), 0
    with _opened(file, name=name) as stream:
        size = os.fstat(stream.fileno()).st_size
        while size <= max_bytes and (block := stream.read(_BLOCK)):
            digest.update(block)
            count += len(block)
            size = max(size, count)
    if size > max_bytes:
        raise _too_large(name, size, max_bytes, hint=hint)
    return digest.hexdigest()


def check_unchanged(source: Source) -> None:
    """Raise SourceGoneError unless a file is still the one that was ingested.

    Its size and its time tell; what it holds is read only where the time alone is another.
    """
    try:
        status = source.file.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceGoneError(
            f"{source.path!r} is not there any more.",
            hint="The next `florilegium ingest` takes it out of the index.",
        ) from None
    except OSError as error:
        raise _unreadable(source.path, error) from error
    if (status.st_size, status.st_mtime_ns) == (source.size, source.modified_ns):
        return
    hint = "The next `florilegium ingest` takes it in as it is now."
    if status.st_size == source.size:
        found = hash_source(source.file, name=source.path, max_bytes=source.size, hint=hint)
        if found == source.content_hash:
            return
    raise SourceGoneError(
        f"{source.path!r} has become another file since it was ingested.", hint=hint
    )


@contextmanager
def _opened(file: Path, *, name: str) -> Iterator[BinaryIO]:
    try:
        descriptor = os.open(file, _FLAGS)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UnreadableFileError(
                f"{name!r} is no regular file any more.",
                hint="Put a file in its place, or exclude it in florilegium.toml.",
            )
        with os.fdopen(descriptor, "rb") as stream:
            yield stream
    except OSError as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: OSError) -> UnreadableFileError:
    return UnreadableFileError(
        f"{name!r} cannot be read: {error.strerror}.",
        hint="Check that the file is there and that you may read it.",
    )


def _too_large(name: str, size: int, max_bytes: int, *, hint: str) -> FileTooLargeError:
    return FileTooLargeError(
        f"{name!r} has {size} bytes, more than the limit of {max_bytes}.", hint=hint
    )
