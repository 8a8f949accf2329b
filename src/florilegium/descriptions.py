"""Files that say something of other files: sidecars beside a picture, and tables of captions.

Pure functions of names and bytes. A file described by name may be absent; that is not known here.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

import yaml

from florilegium.encodings import decode_text
from florilegium.errors import UnreadableFileError
from florilegium.fields import standard_name, to_fields
from florilegium.types import Description
from florilegium.xmp import read_xmp

_SIDECARS: Final = frozenset({".json", ".xmp", ".yaml", ".yml"})
_TABLES: Final = frozenset(
    f"{stem}{suffix}" for stem in ("captions", "metadata") for suffix in (".jsonl", ".csv", ".tsv")
)
_FILE_COLUMNS: Final = (
    "file", "file_name", "filename", "image", "path", "name",
    "文件", "文件名", "图片", "路径", "名称", "檔案", "檔名", "圖片", "路徑", "名稱",
)  # fmt: skip
_NAMES: Final = frozenset({"name", "名称", "名稱"})
_DELIMITERS: Final = (",", ";", "\t", "|")
# Google Takeout: rose.jpg.supplemental-metadata.json, cut off where the name gets too long, and
# rose.jpg(1).json for rose(1).jpg.
_TAKEOUT_ENDING: Final = "supplemental-metadata"
_TAKEOUT_NUMBER = re.compile(r"(?P<stem>.+)(?P<suffix>\.\w{2,5})(?P<number>\(\d+\))")
_MOST_YAML: Final = 200_000  # characters; it takes seconds to read
# What its reader of YAML raises of `!!bool rose` and the like.
_YAML_ERRORS: Final = (LookupError, TypeError, AttributeError, ArithmeticError)
_HINT: Final = "Correct it, or exclude it in florilegium.toml."


def is_table(name: str) -> bool:
    """Return whether a file of this name is a table of captions."""
    return name.lower() in _TABLES


def is_sidecar(name: str, described: Collection[str]) -> bool:
    """Return whether a file of this name describes one of the files beside it.

    Args:
        name: The name of the file, without its folder.
        described: What `target_keys` gives for the names of pictures and texts in its folder.
    """
    if PurePosixPath(name).suffix.lower() not in _SIDECARS:
        return False
    return target_key(sidecar_target(name)) in described


def sidecar_target(path: str) -> str:
    """Return what a sidecar describes: the path of a file, or one without its suffix."""
    pure = PurePosixPath(path)
    named = pure.stem
    inner = PurePosixPath(named)
    ending = inner.suffix[1:].lower()
    if (
        ending
        and inner.stem != PurePosixPath(inner.stem).stem
        and _TAKEOUT_ENDING.startswith(ending)
    ):
        named = inner.stem
    numbered = _TAKEOUT_NUMBER.fullmatch(named)
    if numbered:
        named = f"{numbered['stem']}{numbered['number']}{numbered['suffix']}"
    return str(pure.with_name(named))


def target_key(path: str) -> str:
    """Return the form in which a path in a description is compared with those of files."""
    return unicodedata.normalize("NFC", path)


def target_keys(path: str) -> tuple[str, str]:
    """Return what a description may call the file at `path`: its path, also without its suffix."""
    return target_key(path), target_key(str(PurePosixPath(path).with_suffix("")))


def read_descriptions(data: bytes, *, path: str) -> tuple[Description, ...]:
    """Return what a sidecar or table says, in its order.

    Args:
        data: The bytes of the file.
        path: Its path in the library folder, which names in a table are relative to.

    Raises:
        UnreadableFileError: It is not what its suffix says, or a row of it names no file.
    """
    pure = PurePosixPath(path)
    try:
        if is_table(pure.name):
            return tuple(_rows(decode_text(data, name=path), path=path))
        target = sidecar_target(path)
        if pure.suffix.lower() == ".xmp":
            fields = read_xmp(data)
        else:
            said = _mapping(decode_text(data, name=path), suffix=pure.suffix.lower())
            fields = to_fields(_told(_without_takeout(said), target))
    except (ValueError, RecursionError, yaml.YAMLError, csv.Error, *_YAML_ERRORS) as error:
        reason = " ".join(str(error).split())
        raise UnreadableFileError(
            f"{path!r} says nothing of pictures that can be read: {reason}.", hint=_HINT
        ) from error
    return (Description(target=target, fields=fields),)


# -- sidecars --


class _YamlLoader(yaml.SafeLoader):  # type: ignore[misc]  # it has no types
    """Reads plain data, but no merge keys: a few lines of them make billions of pairs."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse what a merge key would merge."""
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise yaml.constructor.ConstructorError(
                None, None, "merge keys (<<) are not read", node.start_mark
            )


def _mapping(text: str, *, suffix: str) -> Mapping[str, object]:
    if suffix == ".json":
        said = json.loads(text)
    elif len(text) > _MOST_YAML:
        raise ValueError(f"more than {_MOST_YAML} characters of YAML")
    else:
        # Not the loader in C, which dies of text that is nested deeply.
        said = yaml.load(text, Loader=_YamlLoader)
    if not isinstance(said, dict):
        raise ValueError("it is no mapping of names to values")  # noqa: TRY004 - as JSON's errors
    return {str(key): value for key, value in said.items()}


def _without_takeout(said: Mapping[str, object]) -> Mapping[str, object]:
    """Return a sidecar of Google Takeout in our words, and any other as it is."""
    taken = said.get("photoTakenTime")
    if not isinstance(taken, Mapping):
        return said
    kept = {name: said[name] for name in ("title", "description", "people") if name in said}
    try:
        moment = datetime.fromtimestamp(int(str(taken.get("timestamp"))), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return kept
    return {**kept, "date": moment.replace(tzinfo=None).isoformat()}


# -- tables --


def _rows(text: str, *, path: str) -> Iterator[Description]:
    suffix = PurePosixPath(path).suffix.lower()
    rows = _json_lines(text) if suffix == ".jsonl" else _csv(text, tabbed=suffix == ".tsv")
    for number, row in rows:
        column, file = _file_of(row)
        if not file:
            wanted = ", ".join(_FILE_COLUMNS)
            raise ValueError(f"line {number} names no file in a column called {wanted}")
        rest = {name: value for name, value in row.items() if name != column}
        target = _resolve(file, path=path)
        try:
            fields = to_fields(_told(rest, target))
        except ValueError as error:
            raise ValueError(f"line {number} has {error}") from error
        yield Description(target=target, fields=fields)


def _json_lines(text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    # Not splitlines(), which also splits at characters that may stand inside of JSON strings.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no JSON object")  # noqa: TRY004 - as JSON's errors
        yield number, row


def _csv(text: str, *, tabbed: bool) -> Iterator[tuple[int, Mapping[str, object]]]:
    header = text.partition("\n")[0]
    delimiter = "\t" if tabbed else max(_DELIMITERS, key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            # More cells than columns come under None: a caption with a comma, not in quotes.
            if None in row:
                raise ValueError(f"line {reader.line_num} has more cells than the header")
            yield reader.line_num, dict(row)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _file_of(row: Mapping[str, object]) -> tuple[str, str]:
    by_name = {re.sub(r"[\s-]+", "_", key.strip().lower()): key for key in row}
    for name in _FILE_COLUMNS:
        value = row.get(by_name.get(name, ""))
        if isinstance(value, str) and value.strip():
            return by_name[name], value.strip()
    return "", ""


def _resolve(file: str, *, path: str) -> str:
    whole = file.encode("utf-8", "replace").decode("utf-8")
    if "://" in whole:
        return whole
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), whole.replace("\\", "/")))


def _told(said: Mapping[str, object], target: str) -> Iterator[tuple[str, object]]:
    """Yield what is said but the mere name of the file, which its path says already."""
    pure = PurePosixPath(target)
    for name, value in said.items():
        # A label says of what kind a picture is, also where its file is called so; a name may not.
        is_name = standard_name(name) == "title" or name.strip().lower() in _NAMES
        if not is_name or value not in (pure.name, pure.stem):
            yield name, value
