"""Labelled queries: what is searched for, and which files are right. Knows their JSON lines.

Opens no library: whether the files are there is for others to find out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from florilegium.errors import ConfigError
from florilegium.ids import hash_bytes
from florilegium.types import Modality

_KEYS: Final = ("id", "text", "image", "relevant", "modality", "answerable", "direction")
_ANY: Final = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledQuery:
    """A query and its labels.

    `relevant` maps library paths to grades from 1; a path that ends in `/` means all files below
    it. It is empty if and only if nothing answers the query. `image` is a path, relative to
    `folder` (where the file of queries lies) or to the library. `place` is for messages.
    """

    id: str
    text: str = ""
    image: str | None = None
    relevant: Mapping[str, int] = field(default_factory=dict)
    modality: Modality | None = None
    direction: str = ""
    folder: Path | None = None
    place: str = ""

    @property
    def is_answerable(self) -> bool:
        """Whether something answers it."""
        return bool(self.relevant)


def make_query(
    *,
    text: str = "",
    image: str | None = None,
    relevant: Mapping[str, int] | Sequence[str] = (),
    modality: Modality | None = None,
    id_: str | None = None,
    direction: str | None = None,
    folder: Path | None = None,
    place: str = "",
) -> LabelledQuery:
    """Return a labelled query; its id and direction follow from the rest where they are not given.

    A direction reads `text->image`: what is searched with, and the modality that is searched for.
    """
    asked = "+".join(name for name, given in (("text", text), ("image", image)) if given)
    grades = relevant if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1)
    return LabelledQuery(
        id=id_ or hash_bytes("\0".join([text, image or "", modality or ""]).encode())[:12],
        text=text,
        image=image,
        relevant=dict(grades),
        modality=modality,
        direction=direction or f"{asked}->{modality or _ANY}",
        folder=folder,
        place=place,
    )


def read_jsonl(file: Path) -> list[LabelledQuery]:
    """Return the labelled queries of a file with one JSON object a line; blank lines are skipped.

    Raises:
        ConfigError: The file cannot be read, a line is wrong, or an id comes twice. The message
            has the number of the line.
    """
    queries = [
        _from_line(line, file=file, place=f"{str(file)!r}, line {number}")
        for number, line in enumerate(read_lines(file), start=1)
        if line.strip()
    ]
    return checked(queries, file)


def read_lines(file: Path) -> list[str]:
    """Return the lines of a file. Raises ConfigError."""
    try:
        # Not `splitlines`, which also breaks at separators that JSON allows inside of strings.
        return file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The file {str(file)!r} cannot be read: {error}.",
            hint="Name a readable file in UTF-8.",
        ) from error


def checked(queries: Sequence[LabelledQuery], file: Path) -> list[LabelledQuery]:
    """Return the queries. Raises ConfigError if there are none, or two of one id."""
    if not queries:
        raise ConfigError(
            f"{str(file)!r} holds no labelled query.",
            hint="Write one with `florilegium eval make`, or see docs/how-to/evaluate.md.",
        )
    first: dict[str, LabelledQuery] = {}
    for query in queries:
        if query.id in first:
            raise wrong(
                query.place, f"the query {query.id!r} stands in {first[query.id].place} too"
            )
        first[query.id] = query
    return list(queries)


def to_line(query: LabelledQuery) -> str:
    """Return a query as one line of JSON, which `read_jsonl` reads; it ends in a newline."""
    grades = query.relevant
    plain = all(grade == 1 for grade in grades.values())
    values: dict[str, object] = {
        "text": query.text or None,
        "image": query.image,
        "modality": query.modality,
        "relevant": (list(grades) if plain else dict(grades)) if grades else None,
        "answerable": None if grades else False,
    }
    kept = {key: value for key, value in values.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False) + "\n"


def wrong(place: str, what: str, hint: str | None = None) -> ConfigError:
    """Return the error for a wrong line."""
    return ConfigError(
        f"{place}: {what}.",
        hint=hint
        or 'A line reads e.g. {"text": "a white flower", "relevant": ["daisy.jpg"]}; '
        "docs/how-to/evaluate.md has all keys.",
    )


def _from_line(line: str, *, file: Path, place: str) -> LabelledQuery:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise wrong(place, f"this is no JSON ({error})") from error
    if not isinstance(values, dict):
        raise wrong(place, "a JSON object was expected")
    unknown = [key for key in values if key not in _KEYS]
    if unknown:
        raise wrong(place, f"the key {unknown[0]!r} is unknown; there are {', '.join(_KEYS)}")
    text, image = _string(values, "text", place), _string(values, "image", place)
    if not text.strip() and not image:
        raise wrong(place, "a query needs `text`, `image`, or both")
    return make_query(
        text=text,
        image=image or None,
        relevant=_relevant(values, place),
        modality=_modality(values, place),
        id_=_string(values, "id", place),
        direction=_string(values, "direction", place),
        folder=file.parent,
        place=place,
    )


def _string(values: Mapping[str, Any], key: str, place: str) -> str:
    value = values.get(key, "")
    if not isinstance(value, str):
        raise wrong(place, f"`{key}` must be a string, not {value!r}")
    return value


def _modality(values: Mapping[str, Any], place: str) -> Modality | None:
    value = _string(values, "modality", place)
    if value and value not in list(Modality):
        raise wrong(place, f"`modality` must be `image` or `text`, not {value!r}")
    return Modality(value) if value else None


def _relevant(values: Mapping[str, Any], place: str) -> dict[str, int]:
    answerable = values.get("answerable", True)
    if not isinstance(answerable, bool):
        raise wrong(place, f"`answerable` must be true or false, not {answerable!r}")
    given = values.get("relevant", [])
    grades = dict.fromkeys(given, 1) if _is_list_of_paths(given) else given
    if not isinstance(grades, dict) or not all(_is_grade(grade) for grade in grades.values()):
        raise wrong(place, "`relevant` must be a list of paths, or map paths to grades from 0")
    if not all(grades):
        raise wrong(place, "`relevant` has an empty path")
    positive = {path: grade for path, grade in grades.items() if grade > 0}
    if answerable and not positive:
        raise wrong(
            place,
            "no file is `relevant`",
            hint='Name one, or write "answerable": false if nothing answers the query.',
        )
    if positive and not answerable:
        raise wrong(place, "a query with `answerable` false has no `relevant` files")
    return positive


def _is_list_of_paths(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(path, str) for path in value)


def _is_grade(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
