"""What lies in a library folder, by names, sizes and times alone. Opens no file."""

from __future__ import annotations

import errno
import fnmatch
import heapq
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from florilegium.config import CONFIG_NAME, INDEX_FOLDER
from florilegium.descriptions import is_sidecar, is_table, target_keys
from florilegium.encodings import decode_text
from florilegium.errors import IndexNotFoundError, SourceError, UnreadableFileError
from florilegium.report import FailedFile
from florilegium.types import Source

_OUTSIDE = "it is a link that leads out of the library"
_LATEST = 2**63 - 1
_MAY_NOT = "Give yourself the right to read it"
_HINTS = {
    errno.EXDEV: "Put what it leads to into the library",
    errno.EILSEQ: "Rename it",
    errno.EINVAL: "Put a file in its place",
}
_AGAIN = "Run `florilegium ingest` again when nobody writes to it."

_MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file that is read: its path relative to the folder with `/`, and its stat."""

    path: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """All files of a folder, in order of their paths; `ignored` counts those nobody reads.

    `ignored_examples` are the first of those.
    """

    files: tuple[Seen, ...]
    failed: tuple[FailedFile, ...]
    ignored: int
    ignored_examples: tuple[str, ...] = ()


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
    patterns = _forms(exclude)
    files: list[Seen] = []
    failed: list[FailedFile] = []
    others: list[str] = []
    ignored = 0
    examples: list[str] = []

    def note(error: OSError) -> None:
        path = Path(error.filename).relative_to(root).as_posix()
        failed.append(_failure(path, error, "folder"))

    # Names are joined as strings: with a Path for each, looking at a large folder takes three times
    # as long.
    for inside, names in _walk(root, patterns=patterns, onerror=note):
        wanted = [
            name for name in names if not _left_out(inside, name, patterns) and name != CONFIG_NAME
        ]
        loaded = [name for name in wanted if _suffix(name) in suffixes]
        rest = [name for name in wanted if _suffix(name) not in suffixes]
        described = {key for name in loaded for key in target_keys(name)} if rest else set()
        telling = [name for name in rest if is_table(name) or is_sidecar(name, described)]
        others += [inside + name for name in telling]
        ignored += len(rest) - len(telling)
        examples = _first([*examples, *(inside + name for name in rest if name not in telling)])
        _look_at([inside + name for name in loaded], root=root, files=files, failed=failed)
    if files or failed:
        _look_at(others, root=root, files=files, failed=failed)
    else:
        # Without what they describe they are nothing that could be searched.
        ignored += len(others)
        examples = _first([*examples, *others])
    return Scan(
        files=tuple(sorted(files, key=lambda seen: seen.path)),
        failed=tuple(sorted(failed, key=lambda failure: failure.path)),
        ignored=ignored,
        ignored_examples=tuple(map(_shown, examples)),
    )


def _first(paths: Iterable[str]) -> list[str]:
    return heapq.nsmallest(_MOST_EXAMPLES, paths)


def _walk(
    root: Path, *, patterns: Sequence[re.Pattern[str]], onerror: Callable[[OSError], None]
) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder, as a path that ends with `/` or is empty, with the names of its files.

    Links to folders are not followed. What cannot be read is given to `onerror`.
    """
    # os.walk calls itself for each level, and Python allows about a thousand of those.
    home = os.path.realpath(root)
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        folder = f"{root}/{inside}".removesuffix("/")
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
            elif _left_out(inside, f"{name}/", patterns):
                continue
            elif not is_link:
                waiting.append(f"{inside}{name}/")
            elif not _is_inside(f"{folder}/{name}", home):
                onerror(OSError(errno.EXDEV, _OUTSIDE, f"{folder}/{name}"))
        yield inside, names


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_inside(path: str, home: str) -> bool:
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
    paths: Sequence[str], *, root: Path, files: list[Seen], failed: list[FailedFile]
) -> None:
    for path in paths:
        try:
            files.append(_look(root, path))
        except OSError as error:
            failed.append(_failure(path, error, "file"))


def _look(root: Path, path: str) -> Seen:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise OSError(errno.EILSEQ, "its name is not UTF-8") from error
    file = f"{root}/{path}"
    found = os.lstat(file)
    if stat.S_ISLNK(found.st_mode):
        if not _is_inside(file, os.path.realpath(root)):
            raise OSError(errno.EXDEV, _OUTSIDE)
        found = os.stat(file)  # noqa: PTH116 - see scan_folder
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
        raise OSError(errno.EINVAL, "it is no regular file")
    return Seen(path=path, size=found.st_size, modified_ns=_time(found))


def _time(found: os.stat_result) -> int:
    # Nanoseconds after the year 2262 are more than databases hold.
    return max(-_LATEST, min(found.st_mtime_ns, _LATEST))


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - see scan_folder


def _forms(exclude: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    # fnmatch's * crosses slashes, so **/ in front must also match nothing at all.
    forms = (form for pattern in exclude for form in (pattern, pattern.removeprefix("**/")))
    return tuple(re.compile(fnmatch.translate(form)) for form in dict.fromkeys(forms))


def _left_out(inside: str, name: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    """Return whether a file or, with a slash at its end, a folder is passed over."""
    if name.startswith(".") or name.rstrip("/") == INDEX_FOLDER:
        return True
    path = inside + name
    # A folder is left out by its own name and by a pattern of all that is in it.
    texts = [path, path.rstrip("/")] if path.endswith("/") else [path]
    return any(pattern.match(text) for pattern in patterns for text in texts)


def _failure(path: str, error: OSError, kind: str) -> FailedFile:
    shown = _shown(path)
    todo = _HINTS.get(error.errno or 0, _MAY_NOT)
    if shown != path:
        todo += _meant(path)
    return FailedFile(
        path=shown,
        code=UnreadableFileError.code,
        message=f"The {kind} {shown!r} cannot be read: {error.strerror}.",
        hint=f"{todo}, or exclude it in florilegium.toml.",
    )


def _shown(path: str) -> str:
    """Return a path; a name that is not UTF-8 has its bytes escaped, to be kept and printed."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def _meant(path: str) -> str:
    """Return what the bytes of a name that is not UTF-8 may say, as those of unpacked archives."""
    parts = [os.fsencode(part) for part in path.split("/")]
    try:
        read = "/".join(decode_text(part) for part in parts)
    except UnreadableFileError:
        return ""
    # A guess that went wrong shows in characters that nobody types.
    odd = any(unicodedata.category(character) in {"Cc", "Cn", "Co"} for character in read)
    # All encodings of names leave the letters of an extension as they are.
    extension = PurePosixPath(path).suffix
    kept = not extension.isascii() or read.endswith(extension)
    return f", perhaps to {read!r}" if kept and not odd else ""


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
            hint="Mount the folder again; if the files are really gone, run "
            "`florilegium ingest --allow-empty`.",
        )
    return SourceError(
        f"The folder {str(root)!r} holds no picture or text{others}.",
        hint=f"Put files of these kinds into it: {kinds}.",
    )
