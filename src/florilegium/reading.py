"""The bytes of one file, within a limit. Knows nothing of what they mean."""

from __future__ import annotations

from florilegium.errors import FileTooLargeError, UnreadableFileError
from florilegium.types import Source


def read_source(source: Source, *, max_bytes: int, hint: str) -> bytes:
    """Return the bytes of a file.

    Args:
        source: The file.
        max_bytes: The most that is read.
        hint: What to do with a file that is larger.

    Raises:
        UnreadableFileError: It is gone or may not be read.
        FileTooLargeError: It has more than max_bytes bytes.
    """
    try:
        # One byte more than allowed tells that a file has grown since it was listed.
        with source.file.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise UnreadableFileError(
            f"{source.path!r} cannot be read: {error.strerror}.",
            hint="Check that the file is there and that you may read it.",
        ) from error
    if len(data) > max_bytes:
        raise FileTooLargeError(
            f"{source.path!r} has {max(source.size, len(data))} bytes, "
            f"more than the limit of {max_bytes}.",
            hint=hint,
        )
    return data
