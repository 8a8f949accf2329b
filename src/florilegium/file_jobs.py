"""What is done with the bytes of one file: hash, load, decode. In this process or in another.

Whatever goes wrong with a file is a SourceError, a defect of its loader too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from PIL import Image

from florilegium.config_sections import IngestConfig
from florilegium.descriptions import read_descriptions
from florilegium.errors import (
    FileTooLargeError,
    FlorilegiumError,
    UnreadableFileError,
    UnsupportedFileError,
)
from florilegium.protocols import Loader
from florilegium.reading import hash_source, read_source
from florilegium.types import Description, Item, Source

_MILLION: Final = 1_000_000
_TOO_LARGE: Final = "Split the file, or raise ingest.max_file_megabytes."


class FileJobs(Protocol):
    """What is done with the bytes of one file. Several threads may use one object.

    All but `close` raise SourceError when the file is at fault.
    """

    def hash(self, root: Path, path: str) -> str:
        """Return the content hash of the file at `path` in the folder `root`."""

    def load(self, source: Source) -> tuple[Item, ...]:
        """Return the items of a file."""

    def describe(self, source: Source) -> tuple[Description, ...]:
        """Return what a sidecar or table says of other files."""

    def read_image(self, item: Item, *, least_side: int | None) -> Image.Image:
        """Return the picture of an item, as `Loader.read_image` does."""

    def close(self) -> None:
        """End at once what other threads have being done; nothing can be done afterwards."""


class DirectJobs:
    """The jobs, done in this process."""

    def __init__(self, find: Callable[[str], Loader | None], *, config: IngestConfig) -> None:
        """Keep what is needed.

        Args:
            find: Says who reads files of a suffix.
            config: The limits.
        """
        self._find = find
        self._max_bytes = int(config.max_file_megabytes * _MILLION)
        text_bytes = int(config.max_text_megabytes * _MILLION)
        self._most_bytes = max(self._max_bytes, text_bytes)

    def hash(self, root: Path, path: str) -> str:
        return hash_source(root / path, name=path, max_bytes=self._most_bytes, hint=_TOO_LARGE)

    def load(self, source: Source) -> tuple[Item, ...]:
        with _blamed(source.path):
            return tuple(self._loader(source.path).load(source))

    def describe(self, source: Source) -> tuple[Description, ...]:
        with _blamed(source.path):
            data = read_source(source, max_bytes=self._max_bytes, hint=_TOO_LARGE)
            return read_descriptions(data, path=source.path)

    def read_image(self, item: Item, *, least_side: int | None) -> Image.Image:
        path = item.source.path
        with _blamed(path):
            image = self._loader(path).read_image(item, least_side=least_side)
            image.load()
        if image.mode != "RGB":
            raise UnreadableFileError(
                f"The loader of {path!r} gave a picture in the mode {image.mode!r}, not RGB.",
                hint="Report it to those who make the loader, or exclude the file.",
            )
        return image

    def close(self) -> None:
        """Do nothing: no job can be ended from outside."""

    def _loader(self, path: str) -> Loader:
        loader = self._find(Path(path).suffix.lower())
        if loader is None:
            raise UnsupportedFileError(f"No loader reads {path!r} any more.")
        return loader


def loaders_by_suffix(loaders: Sequence[Loader]) -> Mapping[str, Loader]:
    """Return who reads files of which suffix; of several the last does."""
    return {suffix: one for one in loaders for suffix in one.suffixes}


class JobLoader:
    """A loader whose work is done by jobs."""

    def __init__(self, suffixes: frozenset[str], jobs: FileJobs) -> None:
        """Keep which files are read, and by whom."""
        self._suffixes = suffixes
        self._jobs = jobs

    @property
    def suffixes(self) -> frozenset[str]:
        return self._suffixes

    def load(self, source: Source) -> Iterator[Item]:
        yield from self._jobs.load(source)

    def read_image(self, item: Item, *, least_side: int | None = None) -> Image.Image:
        return self._jobs.read_image(item, least_side=least_side)


@contextmanager
def _blamed(path: str) -> Iterator[None]:
    """Make an error of the file of all that goes wrong in the block."""
    try:
        yield
    except FlorilegiumError:
        raise
    except MemoryError as error:
        raise FileTooLargeError(
            f"{path!r} takes more memory than there is to read it.",
            hint="Make the file smaller, or split it.",
        ) from error
    except (Exception, SystemExit) as error:  # a loader of somebody's may raise anything
        raise UnreadableFileError(
            f"{path!r} cannot be read, since its loader failed: {_describe(error)}.",
            hint="Report it to those who make the loader, or exclude the file.",
        ) from error


def _describe(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


_jobs: type[FileJobs] = DirectJobs
_: type[Loader] = JobLoader
