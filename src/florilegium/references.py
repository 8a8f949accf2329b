"""What a Markdown or HTML text points to: pictures and files that lie near it.

Pure functions of strings; whether a target exists is not known here.
"""

from __future__ import annotations

import html
import posixpath
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote

from florilegium.types import Reference, Span

# Every repetition has a limit, and no character can be read in two ways, so that no text can
# keep a search busy for long.
_LABEL = r"(?<!(?<!\\)\\)\[(?P<words>(?:\\.|\[[^\[\]]{0,300}\]|[^\[\]\\]){0,600})\]"
_WORD = r"(?:\\.|\([^()\s]{0,200}\)|[^\s()\\]){1,600}"
_TARGET = (
    r"\(\s{0,9}(?:<(?P<angled>[^<>\n]{0,600})>"
    rf"|(?P<bare>{_WORD}(?:[ ](?![\"'(]){_WORD}){{0,20}}))"
    r"(?:\s{1,9}(?:\"[^\"]{0,300}\"|'[^']{0,300}'|\([^()]{0,300}\)))?\s{0,9}\)"
)
_INLINE = re.compile(_LABEL + _TARGET)
_BY_NAME = re.compile(_LABEL + r"(?:\[(?P<name>[^\[\]]{0,300})\])?(?![\[(:])")
_DEFINITION = re.compile(
    r"^ {0,3}\[(?P<name>[^\[\]\n]{1,300})\]:[ \t]{0,9}\n?[ \t]{0,9}"
    r"(?:<(?P<angled>[^<>\n]{0,600})>|(?P<bare>\S{1,600}))",
    re.MULTILINE,
)
_IMG = re.compile(
    r"<img\b(?P<attributes>(?:\"[^\"<]{0,600}\"|'[^'<]{0,600}'|[^<>\"']){0,999})>", re.IGNORECASE
)
_ATTRIBUTE = re.compile(
    r"(?<![\w-])(?P<key>src|alt)\s*=\s*"
    r"(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s>]+))",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"^ {0,3}(```+|~~~+).*?(?:^ {0,3}\1|\Z)|(?<!`)(`{1,9})(?!`)[^\n]{0,600}?(?<!`)\2(?!`)",
    re.MULTILINE | re.DOTALL,
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|\\\\")
_MARKUP: Final = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])?|<[^>]+>|[*_`]+")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def find_references(text: str, *, path: str) -> list[tuple[int, Reference]]:
    """Return the local references of a text with the offsets where they begin, in order.

    Found are Markdown pictures and links, inline and by name, and HTML `<img>`; not what stands in
    code, and not what leads to another host or out of the library folder.

    Args:
        text: The decoded text of a source.
        path: The path of that source, which targets are relative to.
    """
    # Code is blanked out and keeps its length, so that offsets stay true.
    plain = _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    found: dict[tuple[int, str], Reference] = {}
    for offset, raw, words in (*_inline(plain), *_by_name(plain), *_html(plain)):
        target = resolve_target(raw, path=path)
        if target is not None:
            found[offset, target] = Reference(target=target, words=plain_words(words))
    return [(offset, found[offset, target]) for offset, target in sorted(found)]


def resolve_target(raw: str, *, path: str) -> str | None:
    """Return what a target written in the source at `path` names, relative to the library folder.

    A leading `/` means the library folder. None means another host, a place outside of the folder,
    or the source itself.
    """
    if _SCHEME.match(raw.strip()):
        return None
    target = unquote(re.split(r"[?#]", raw.strip(), maxsplit=1)[0]).replace("\\", "/")
    if not target or "\0" in target:
        return None
    folder = "" if target.startswith("/") else posixpath.dirname(path)
    joined = posixpath.normpath(posixpath.join(folder, target.lstrip("/")))
    outside = joined == "." or joined == ".." or joined.startswith("../")
    return None if outside or joined == path else joined


def by_chunk(
    references: Sequence[tuple[int, Reference]], spans: Sequence[Span]
) -> list[list[Reference]]:
    """Return for each chunk the references that begin in it, each once.

    What stands above the first chunk, as in front matter, counts as part of it.
    """
    starts = [span.start for span in spans]
    found: list[dict[Reference, None]] = [{} for _ in spans]
    for offset, reference in references:
        found[max(0, bisect_right(starts, offset) - 1)][reference] = None
    return [list(chunk) for chunk in found]


def plain_words(markdown: str) -> str:
    """Return a stretch of Markdown without its links, emphasis and tags, on one line."""
    bare = _MARKUP.sub(lambda match: match.group(1) or "", markdown)
    return " ".join(html.unescape(_ESCAPE.sub(r"\1", bare)).split())


def _inline(text: str) -> Iterator[tuple[int, str, str]]:
    for match in _INLINE.finditer(text):
        words = match["words"]
        # A picture inside of a link, [![alt](small.jpg)](large.jpg), is a reference as well.
        for offset, raw, inner in _inline(words):
            yield match.start("words") + offset, raw, inner
        target = match["angled"] if match["angled"] is not None else match["bare"]
        yield _start(text, match), _ESCAPE.sub(r"\1", target), words


def _by_name(text: str) -> Iterator[tuple[int, str, str]]:
    targets: dict[str, str] = {}
    for match in _DEFINITION.finditer(text):
        target = match["angled"] if match["angled"] is not None else match["bare"]
        targets.setdefault(_key(match["name"]), target)
    if not targets:
        return
    for match in _BY_NAME.finditer(text):
        target = targets.get(_key(match["name"] or match["words"]), "")
        if target:
            yield _start(text, match), target, match["words"]


def _html(text: str) -> Iterator[tuple[int, str, str]]:
    for match in _IMG.finditer(text):
        values: dict[str, str] = {}
        for attribute in _ATTRIBUTE.finditer(match["attributes"]):
            value = attribute["double"] or attribute["single"] or attribute["bare"] or ""
            values.setdefault(attribute["key"].lower(), html.unescape(value))
        if values.get("src"):
            yield match.start(), values["src"], values.get("alt", "")


def _start(text: str, match: re.Match[str]) -> int:
    is_picture = text[max(0, match.start() - 1) : match.start()] == "!"
    return match.start() - is_picture


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()
