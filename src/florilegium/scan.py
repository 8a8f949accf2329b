"""What lies in a library folder, by names, sizes and times alone. Opens no file."""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from florilegium.config import CONFIG_NAME, INDEX_FOLDER
from florilegium.descriptions import is_sidecar, is_table, target_keys
from florilegium.errors import IndexNotFoundError, SourceError, UnreadableFileError
from florilegium.report import FailedFile
from florilegium.types import Source

_OUTSIDE = "it is a link that leads out of the library"
_LATEST = 2**63 - 1
_AGAIN = "Run `florilegium ingest` again when nobody writes to it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file that is read: its path relative to the folder with `/`, and its stat."""

    path: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """All files of a folder, in order of their paths; `ignored` counts those nobody reads."""

    files: tuple[Seen, ...]
    failed: tuple[FailedFile, ...]
    ignored: int


def scan_folder(root: Path, *, suffixes: Collection[str], exclude: Sequence[str]) -> Scan:
    """Return what lies in `root` and its subfolders; links to folders are not followed.

    A link that leads out of `root` is a failure, whatever it leads to.

    Hidden files and folders, the index and the settings are passed over. Beside what a loader
    reads, the files are sidecars that describe one of those, and tables of captions.

    Raises:
        IndexNotFoundError: There is no such folder.
        UnreadableFileError: The folder may not be read.
    """
    _check_readable(root)
    files: list[Seen] = []
    failed: list[FailedFile] = []
    others: list[Path] = []
    ignored = 0

    def note(error: OSError) -> None:
        path = Path(error.filename).relative_to(root).as_posix()
        failed.append(_failure(path, error, "folder"))

    for folder, names in _walk(root, exclude=exclude, onerror=note):
        inside = folder.relative_to(root)
        wanted = [
            inside / name
            for name in names
            if not _left_out(inside / name, exclude) and name != CONFIG_NAME
        ]
        loaded = [path for path in wanted if path.suffix.lower() in suffixes]
        described = {name for path in loaded for name in target_keys(path.name)}
        telling = [
            path
            for path in wanted
            if path.suffix.lower() not in suffixes
            and (is_table(path.name) or is_sidecar(path.name, described))
        ]
        others += telling
        ignored += len(wanted) - len(loaded) - len(telling)
        _look_at(loaded, root=root, files=files, failed=failed)
    if files or failed:
        _look_at(others, root=root, files=files, failed=failed)
    else:
        # Without what they describe they are nothing that could be searched.
        ignored += len(others)
    return Scan(
        files=tuple(sorted(files, key=lambda seen: seen.path)),
        failed=tuple(sorted(failed, key=lambda failure: failure.path)),
        ignored=ignored,
    )


def _walk(
    root: Path, *, exclude: Sequence[str], onerror: Callable[[OSError], None]
) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder with the names of its files; what cannot be read is given to `onerror`."""
    # os.walk calls itself for each level, and Python allows about a thousand of those.
    home = os.path.realpath(root)
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                listed = [(entry.name, _is_folder(entry), entry.is_symlink()) for entry in entries]
        except OSError as error:
            onerror(error)
            continue
        names = []
        for name, is_folder, is_link in listed:
            if not is_folder:
                names.append(name)
            elif _left_out(folder.relative_to(root) / name, exclude, folder=True):
                continue
            elif not is_link:
                waiting.append(folder / name)
            elif not _is_inside(folder / name, home):
                onerror(OSError(errno.EXDEV, _OUTSIDE, str(folder / name)))
        yield folder, names


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_inside(path: Path, home: str) -> bool:
    real = os.path.realpath(path)
    return real == home or real.startswith(os.path.join(home, ""))  # noqa: PTH118 - not of "//"


def _check_readable(root: Path) -> None:
    if not root.is_dir():
        raise IndexNotFoundError(
            f"There is no folder {str(root)!r}.",
            hint="Check the path; a library is a folder of pictures and texts.",
        )
    try:
        with os.scandir(root):
            pass
    except OSError as error:
        raise UnreadableFileError(
            f"The folder {str(root)!r} cannot be read: {error.strerror}.",
            hint="Give yourself the right to read it, or choose another folder.",
        ) from error


def _look_at(
    paths: Sequence[Path], *, root: Path, files: list[Seen], failed: list[FailedFile]
) -> None:
    for path in paths:
        try:
            files.append(_look(root, path))
        except OSError as error:
            failed.append(_failure(path.as_posix(), error, "file"))


def _look(root: Path, path: Path) -> Seen:
    try:
        path.as_posix().encode("utf-8")
    except UnicodeEncodeError as error:
        raise OSError(errno.EILSEQ, "its name is not UTF-8") from error
    found = (root / path).lstat()
    if stat.S_ISLNK(found.st_mode):
        if not _is_inside(root / path, os.path.realpath(root)):
            raise OSError(errno.EXDEV, _OUTSIDE)
        found = (root / path).stat()
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
        raise OSError(errno.EINVAL, "it is no regular file")
    return Seen(path=path.as_posix(), size=found.st_size, modified_ns=_time(found))


def _time(found: os.stat_result) -> int:
    # Nanoseconds after the year 2262 are more than databases hold.
    return max(-_LATEST, min(found.st_mtime_ns, _LATEST))


def _left_out(path: Path, exclude: Sequence[str], *, folder: bool = False) -> bool:
    if path.name.startswith(".") or path.name == INDEX_FOLDER:
        return True
    # A folder is left out by its own name and by a pattern of all that is in it.
    texts = [path.as_posix(), path.as_posix() + "/"] if folder else [path.as_posix()]
    # fnmatch's * crosses slashes, so **/ in front must also match nothing at all.
    patterns = [form for pattern in exclude for form in (pattern, pattern.removeprefix("**/"))]
    return any(fnmatch.fnmatchcase(text, pattern) for text in texts for pattern in patterns)


def _failure(path: str, error: OSError, kind: str) -> FailedFile:
    # A name that is not UTF-8 is shown with its bytes escaped, so that it can be kept and printed.
    path = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return FailedFile(
        path=path,
        code=UnreadableFileError.code,
        message=f"The {kind} {path!r} cannot be read: {error.strerror}.",
        hint="Give yourself the right to read it, or exclude it in florilegium.toml.",
    )


def check_unchanged(source: Source) -> None:
    """Raise UnreadableFileError if a file is not what it was when it was looked at.

    What was read of it would be kept under the hash of its earlier content.
    """
    try:
        stat = source.file.stat()
    except OSError as error:
        raise UnreadableFileError(
            f"The file {source.path!r} vanished while it was read.", hint=_AGAIN
        ) from error
    if (stat.st_size, _time(stat)) != (source.size, source.modified_ns):
        raise UnreadableFileError(
            f"The file {source.path!r} changed while it was read.", hint=_AGAIN
        )


def nothing_found(root: Path, scan: Scan, suffixes: Iterable[str], *, kept: int) -> SourceError:
    """Return the error of a folder that holds no file with these suffixes.

    Args:
        root: The folder.
        scan: What lies in it.
        suffixes: What loaders read.
        kept: How many files its index has.
    """
    kinds = ", ".join(sorted(suffixes))
    others = f" ({scan.ignored} files of other kinds)" if scan.ignored else ""
    if kept:
        # An unmounted disk looks just like this.
        return SourceError(
            f"The folder {str(root)!r} holds no picture or text{others}, but its index has "
            f"{kept} files; the index was kept.",
            hint="Mount the folder again; if the files are really gone, delete .florilegium in it.",
        )
    return SourceError(
        f"The folder {str(root)!r} holds no picture or text{others}.",
        hint=f"Put files of these kinds into it: {kinds}.",
    )
