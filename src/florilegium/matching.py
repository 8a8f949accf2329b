"""SQL that lists the items which a filter admits, for the catalog, which holds the connection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Final, TypeAlias

from florilegium.fields import fold
from florilegium.filters import Filter, by_name, is_within, suffix_key
from florilegium.types import Modality

Statement: TypeAlias = tuple[str, tuple[str | int, ...]]

# A field stands in the file of the item, or in a description of that file, which names it with or
# without its suffix.
FIELDS_OF_ITEM: Final = (
    "(SELECT json_group_array(json_array(f.name, f.value)) FROM fields f"
    " WHERE (f.path = i.path AND f.ordinal = i.ordinal)"
    " OR (f.target IN (s.key, s.stem) AND f.ordinal = -1 AND f.name <> ''))"
)
_SAYING: Final = (
    "SELECT i.number FROM fields f JOIN items i ON i.path = f.path AND i.ordinal = f.ordinal"
    " WHERE {condition}"
    " UNION ALL SELECT i.number FROM fields f JOIN sources s ON s.key = f.target"
    " JOIN items i ON i.path = s.path WHERE f.ordinal = -1 AND {condition}"
    " UNION ALL SELECT i.number FROM fields f JOIN sources s ON s.stem = f.target"
    " JOIN items i ON i.path = s.path WHERE f.ordinal = -1 AND {condition}"
)
_VALUE: Final = "f.name = ? AND f.folded IN (SELECT value FROM json_each(?))"
# A date may be a year, a month, a day or a moment: compared is as much as it says.
_IN_DAYS: Final = (
    "f.name = 'date' AND substr(f.value, 1, 10) >= substr(?, 1, length(f.value))"
    " AND substr(f.value, 1, 10) <= substr(?, 1, length(f.value))"
)
_LARGEST: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def matching_statement(
    wanted: Filter, modality: Modality | None, *, folders: Iterable[str]
) -> Statement:
    """Return SQL and values that list the ids of the items which `wanted` admits.

    Args:
        wanted: The filter.
        modality: What the items must be made of, if that matters.
        folders: All folders that hold files, as `filters.place` gives them.
    """
    parts = [part for part in _parts(wanted, tuple(folders)) if part[0]]
    if modality is not None:
        parts.insert(0, ("i.modality = ?", (str(modality),)))
    where = " AND ".join(f"({sql})" for sql, _ in parts) or "1"
    sql = f"SELECT i.id FROM items i JOIN sources s USING (path) WHERE {where}"  # noqa: S608 - of constants
    return sql, tuple(value for _, values in parts for value in values)


def missing_statement() -> str:
    """Return SQL that lists (path, count, first) of names in descriptions that no file has."""
    return (
        "SELECT f.path, count(DISTINCT f.target), min(f.target) FROM fields f WHERE f.ordinal = -1"
        " AND NOT EXISTS (SELECT 1 FROM sources s WHERE s.key = f.target)"
        " AND NOT EXISTS (SELECT 1 FROM sources s WHERE s.stem = f.target)"
        " GROUP BY f.path ORDER BY f.path"
    )


def _parts(wanted: Filter, folders: Sequence[str]) -> list[Statement]:
    return [
        _folders(wanted, folders),
        _suffixes(wanted),
        _labels(wanted, folders),
        _days(wanted),
        *(_says(name, values) for name, values in sorted(by_name(wanted.fields).items())),
    ]


def _folders(wanted: Filter, folders: Sequence[str]) -> Statement:
    if not wanted.folders:
        return "", ()
    inside = [one for one in folders if any(is_within(one, outer) for outer in wanted.folders)]
    return _listed("s.folder", inside)


def _suffixes(wanted: Filter) -> Statement:
    suffixes = [suffix_key(suffix) for suffix in wanted.suffixes]
    return _listed("s.suffix", suffixes) if suffixes else ("", ())


def _labels(wanted: Filter, folders: Sequence[str]) -> Statement:
    if not wanted.labels:
        return "", ()
    labels = {fold(label) for label in wanted.labels}
    called = [one for one in folders if fold(one.rpartition("/")[2]) in labels]
    in_folder, names = _listed("s.folder", called)
    said, values = _says("label", labels)
    return f"{said} OR (i.modality = 'image' AND {in_folder})", (*values, *names)


def _days(wanted: Filter) -> Statement:
    if wanted.since is None and wanted.until is None:
        return "", ()
    since, until = wanted.since or date.min, wanted.until or date.max
    within, dated = _SAYING.format(condition=_IN_DAYS), _SAYING.format(condition="f.name = 'date'")
    sql = f"i.number IN ({within}) OR (i.number NOT IN ({dated}) AND s.modified_ns BETWEEN ? AND ?)"
    days = (since.isoformat(), until.isoformat()) * 3
    return sql, (*days, _first_moment(since), _last_moment(until))


def _says(name: str, values: Iterable[str]) -> Statement:
    some = json.dumps(sorted(values), ensure_ascii=False)
    return f"i.number IN ({_SAYING.format(condition=_VALUE)})", (name, some) * 3


def _listed(column: str, values: Sequence[str]) -> Statement:
    # One value that lists them all: statements may have few variables, and folders are many.
    some = json.dumps(values, ensure_ascii=False)
    return f"{column} IN (SELECT value FROM json_each(?))", (some,)  # noqa: S608 - a constant


def _first_moment(day: date) -> int:
    since = datetime.combine(day, time(), tzinfo=UTC) - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    return max(-_LARGEST, min(_LARGEST, seconds * 1_000_000_000))


def _last_moment(day: date) -> int:
    return min(_LARGEST, _first_moment(day) + 86_400 * 1_000_000_000 - 1)
