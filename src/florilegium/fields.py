"""What is said of an item, as pairs of a field's name and a value: standard names, dates, limits.

Pure functions. Where the words come from, and what they are used for, is not known here.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Final, TypeAlias

Fields: TypeAlias = tuple[tuple[str, str], ...]
"""Sorted (name, value) pairs; names are lower case, and one name may have several values."""

MOST_FIELDS: Final = 2_000
"""How many different fields one file or row may have."""

CARD_FIELDS: Final = ("title", "caption", "keywords", "label")
"""The fields whose words stand on the card of a picture, in this order."""

MACHINE_CAPTION: Final = "machine_caption"
"""The field of what a chat model said of a picture; no file gives it."""

_LONGEST_VALUE = 1_000  # characters of a field that is only filtered by
_MOST_NUMBERS = 16  # of a list; longer ones are coordinates or embeddings
_DEEPEST = 6
_MOST_STEPS = 100_000  # YAML can say one thing in very many places
_STANDARD: Final[dict[str, str]] = {
    alias: name
    for name, aliases in {
        "title": "title headline 标题 题目 標題 題目",
        "caption": "caption captions text description descriptions alt alt_text "
        "说明 描述 图片说明 图注 說明 圖片說明 圖註",
        "keywords": "keywords keyword tags tag subject 关键词 关键字 标签 關鍵詞 關鍵字 標籤",
        "label": "label labels class class_name category categories species name "
        "类别 分类 物种 名称 類別 分類 物種 名稱",
        "date": "date date_taken taken datetime date_time_original "
        "日期 拍摄日期 拍摄时间 拍攝日期 拍攝時間",
        "creator": "creator author photographer artist 作者 摄影 摄影者 摄影师 攝影 攝影者 攝影師",
        "place": "place location 地点 拍摄地点 地點 拍攝地點",
    }.items()
    for alias in aliases.split()
}
# Languages that people caption pictures in. Codes that are also words of tables, such as "id" and
# "no", are left out.
_LANGUAGES: Final = frozenset({
    "ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr",
    "hu", "it", "ja", "ko", "lt", "lv", "ms", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv",
    "ta", "te", "th", "tr", "uk", "ur", "vi", "zh",
})  # fmt: skip
_CODED = re.compile(r"(?:(?P<name>.+?)[_.])?(?P<language>[a-z]{2})(?:[_-][a-z]{2,4})?")
_SEPARATOR = re.compile(r"[,;|，；、]")
_PARTIAL_DATE = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2]))?")
_WRITTEN_DATE = re.compile(r"(\d{4})[:/.](\d{1,2})[:/.](\d{1,2})(?:[ T](\d{2}:\d{2}:\d{2}))?")
_CHINESE_DATE = re.compile(r"(\d{4})\s*年(?:\s*(\d{1,2})\s*月(?:\s*(\d{1,2})\s*[日号號])?)?")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def to_fields(pairs: Iterable[tuple[str, object]]) -> Fields:
    """Return what is said in `pairs` of a name and a value, as JSON and YAML have them.

    Names that mean the same get one standard name. Lists give several values, and what is nested
    is called `outer.inner`. Keywords in one string are taken apart. Long lists of numbers, lists
    in lists, and values of more than 1,000 characters that are no title or caption are left out.

    Raises:
        ValueError: There are more than MOST_FIELDS fields, or they are nested too deeply.
    """
    found: dict[tuple[str, str], None] = {}
    steps = itertools.count()
    for key, value in pairs:
        for name, text in _flat(key, value, depth=0, steps=steps):
            for pair in _values(name, text):
                found[pair] = None
            if len(found) > MOST_FIELDS:
                raise ValueError(f"more than {MOST_FIELDS} fields")
    return tuple(sorted(found))


def standard_name(key: str) -> str:
    """Return the standard name of a field, or its own in lower case. Language codes are dropped."""
    own = plain(key).lower()
    name = re.sub(r"[\s-]+", "_", own)
    if name in _STANDARD:
        return _STANDARD[name]
    coded = _CODED.fullmatch(name)
    if coded and coded["language"] in _LANGUAGES:
        if coded["name"] is None:
            return "caption"
        if coded["name"] in _STANDARD:
            return _STANDARD[coded["name"]]
    return own


def fold(value: str) -> str:
    """Return the form in which two values are compared: without regard to case or spaces."""
    return unicodedata.normalize("NFC", " ".join(value.split()).casefold())


def plain(text: str) -> str:
    """Return a text on one line, in Unicode's NFC, without control characters or half pairs."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return unicodedata.normalize("NFC", " ".join(_CONTROL.sub(" ", whole).split()))


def iso_date(text: str) -> str | None:
    """Return a date as ISO 8601 has it, with the time if there is one; None if it is no date.

    Read are ISO dates, also those of a year or a month alone, and `2024:06:01 12:00:00` as cameras
    write them, and `2024年6月1日`.
    """
    if chinese := _CHINESE_DATE.fullmatch(text):
        text = "-".join(f"{part:0>2}" for part in chinese.groups() if part)
    if _PARTIAL_DATE.fullmatch(text):
        return text if text > "0000" else None
    written = _WRITTEN_DATE.match(text)
    if written:
        year, month, day, time = written.groups()
        text = f"{year}-{month:0>2}-{day:0>2}" + (f"T{time}" if time else "")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    has_time = "T" in text or ":" in text
    return found.isoformat(timespec="seconds") if has_time else found.date().isoformat()


def _flat(
    key: str, value: object, *, depth: int, steps: Iterator[int]
) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST or next(steps) > _MOST_STEPS:
        raise ValueError("fields that are nested too deeply")
    if isinstance(value, Mapping):
        for inner, one in value.items():
            yield from _flat(_nested(key, str(inner)), one, depth=depth + 1, steps=steps)
    elif isinstance(value, list | tuple):
        numbers = sum(isinstance(one, int | float) for one in value)
        for one in value if numbers <= _MOST_NUMBERS else ():
            if isinstance(one, Mapping) and isinstance(one.get("name"), str):
                yield key, one["name"]
            elif not isinstance(one, list | tuple):
                yield from _flat(key, one, depth=depth + 1, steps=steps)
    elif (text := _scalar(value)) is not None:
        yield key, text


def _nested(outer: str, inner: str) -> str:
    # {"caption": {"en": ..., "zh": ...}} is one caption in two languages.
    coded = _CODED.fullmatch(inner.lower())
    return outer if coded and coded["language"] in _LANGUAGES else f"{outer}.{inner}"


def _scalar(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else None
    if isinstance(value, float):
        return f"{value:.15g}" if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, date) else None


def _values(key: str, text: str) -> Iterator[tuple[str, str]]:
    name, value = standard_name(key), plain(text)
    if not name or not value:
        return
    if name == "keywords":
        for word in _SEPARATOR.split(value):
            if word.strip():
                yield name, word.strip()
    elif name == "date":
        found = iso_date(value)
        # What is no date to us is kept, where it is in no filter's way.
        yield ("date", found) if found else ("date as written", value[:_LONGEST_VALUE])
    elif name == MACHINE_CAPTION:
        yield "machine_caption as written", value[:_LONGEST_VALUE]
    elif name in {"title", "caption"} or len(value) <= _LONGEST_VALUE:
        yield name, value
