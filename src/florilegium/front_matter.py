"""The YAML block that Obsidian, Hugo or Jekyll keep above a Markdown text.

Pure. Knows where the block ends and what it says the title is; the rest of YAML is not read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

_OPENING = re.compile(r"---[ \t]*(?:\n|\Z)")
_CLOSING = re.compile(r"(?:---|\.\.\.)[ \t]*\Z")
# What a line of a mapping can be: a key, a list item, a comment, indented, the end of a bracket.
# Prose between two thematic breaks is none of these.
_KEY: Final = (
    r"""(?:"[^"]{1,200}"|'[^']{1,200}'|[^\s#>|*!\[\]{}"'-](?:[^:]|:(?!\s|\Z)){0,200}):(?=\s|\Z)"""
)
_FIRST_LINE = re.compile(rf"#|{_KEY}")
_LINE = re.compile(rf"\s*\Z|[ \t]|-(?:[ \t]|\Z)|#|[\]}}]|{_KEY}")
_TITLE = re.compile(r"""(?:title|"title"|'title')[ \t]*:[ \t]+(?P<value>\S.*)\Z""", re.IGNORECASE)
_QUOTED = re.compile(r"""(?P<double>"(?:\\.|[^"\\])*")|'(?P<single>(?:''|[^'])*)'""")
_COMMENT = re.compile(r"(?<!\S)#.*")
_LONGEST_TITLE: Final = 300  # characters; every item of the text has it
# These begin or are something else than a plain value on one line.
_NOT_PLAIN = re.compile(r"[|>&*!%@`\[{\"']|(?:null|~)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontMatter:
    """A block at the start of a text: the offset where it ends, and its title if it has one."""

    end: int
    title: str | None = None


def find_front_matter(text: str) -> FrontMatter | None:
    """Return the YAML block between `---` lines at the very start of a decoded Markdown text.

    None means that there is none: other things may stand after a `---`, and a block that is never
    closed is prose.
    """
    opening = _OPENING.match(text)
    if opening is None:
        return None
    start, title, pattern = opening.end(), None, _FIRST_LINE
    while start < len(text):
        newline = text.find("\n", start)
        end = len(text) if newline < 0 else newline
        line = text[start:end]
        start = min(end + 1, len(text))
        if _CLOSING.match(line):
            return FrontMatter(end=start, title=title)
        if not pattern.match(line):
            return None
        found = _TITLE.match(line)
        if found and title is None:
            title = (_scalar(found["value"]) or "")[:_LONGEST_TITLE] or None
        pattern = _LINE
    return None


def _scalar(value: str) -> str | None:
    """Return a value as text on one line; None if it is empty or goes on over several lines."""
    quoted = _QUOTED.match(value)
    if quoted is None:
        plain = _COMMENT.sub("", value).rstrip()
        value = "" if _NOT_PLAIN.match(plain) else plain
    elif quoted["double"] is None:
        value = quoted["single"].replace("''", "'")
    else:
        value = _unescape(quoted["double"])
    return " ".join(value.split()) or None


def _unescape(quoted: str) -> str:
    try:
        # The escapes of YAML that occur in titles are those of JSON.
        said = str(json.loads(quoted, strict=False))
    except ValueError:
        return quoted[1:-1]
    # Half of a pair stands for nothing, and cannot be stored.
    return said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
