"""What a chat model wrote, as HTML that can do nothing but be read and lead to its sources.

The text is untrusted: HTML in it is shown as text, pictures are never loaded, links lead to the
web alone, and only numbers of sources that exist become buttons.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# The blanks before it from their first: a try at each takes minutes where a text has many.
_CITATION = re.compile(r"(?<![ \t])[ \t]*+\[(?P<numbers>\d{1,4}(?:, \d{1,4})*)\]")
_SAFE_LINK = re.compile(r"https?://", re.IGNORECASE)
_LONGEST_GLUED = 20  # characters
_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
_GLUED_HAN = 2  # characters: a line may break between any two others
_FENCE = re.compile(r"\s*(```|~~~)")
_RULE = re.compile(r"\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?)?")  # below the head of a table
_BAR = re.compile(r"(?<!\\)\|")
_NUMBERS = "cited"  # the name under which a rendering finds the numbers that exist


def reply_to_html(text: str, *, cited: Collection[int], open_label: str) -> str:
    """Return Markdown as HTML.

    Args:
        text: What the chat model wrote.
        cited: The numbers of sources that exist; `[1]` becomes a button with `data-cite="1"`.
        open_label: What a button is called for those who do not see it, with `{number}` in it.
    """
    numbers = {number: open_label.format(number=number) for number in cited}
    return str(_parser().render(_with_whole_tables(text), {_NUMBERS: numbers}))


def _with_whole_tables(text: str) -> str:
    """Return Markdown with the tables set apart that models write a little wrong.

    Markdown knows none right below the line of a list, or with a rule of other columns than the
    head has; it would show their bars.
    """
    lines = text.split("\n")
    fences = 0
    made: list[str] = []
    for at, line in enumerate(lines):
        fences += bool(_FENCE.match(line))
        head = lines[at - 1] if at else ""
        if fences % 2 == 0 and _RULE.fullmatch(line.strip()) and _BAR.search(head):
            columns = _columns(head)
            if _columns(line) != columns:
                line = "|" + "---|" * columns
            if len(made) > 1 and made[-2].strip():
                made.insert(-1, "")
        made.append(line)
    return "\n".join(made)


def _columns(row: str) -> int:
    return len(_BAR.split(row.strip().removeprefix("|").removesuffix("|")))


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
    parser.enable(["table", "strikethrough"])
    # Pictures would be fetched from wherever a text says; definitions would make links of "[1]".
    parser.disable(["image", "reference", "html_block", "html_inline"])
    parser.core.ruler.push("citations", _mark_citations)
    parser.add_render_rule("citation", _render_citation)
    parser.add_render_rule("link_open", _render_link)
    return parser


def _mark_citations(state: StateCore) -> None:
    numbers = state.env.get(_NUMBERS, {})
    for token in state.tokens:
        if token.type != "inline":
            continue
        token.children = [
            piece for child in token.children or [] for piece in _split(child, numbers)
        ]


def _split(token: Token, numbers: Collection[int]) -> list[Token]:
    if token.type != "text":
        return [token]
    pieces: list[Token] = []
    end = 0
    for match in _CITATION.finditer(token.content):
        known = [int(n) for n in match["numbers"].split(", ") if int(n) in numbers]
        if not known:
            continue
        before, word = _last_word(token.content[end : match.start()])
        pieces += [_text(token, before), Token("glue_open", "span", 1, attrs={"class": "fl-glue"})]
        pieces.append(_text(token, word))
        pieces += [
            Token("citation", "", 0, content=str(number), level=token.level) for number in known
        ]
        pieces.append(Token("glue_close", "span", -1))
        end = match.end()
    return [*pieces, _text(token, token.content[end:])]


def _last_word(text: str) -> tuple[str, str]:
    """Return a text without its last word, and that word: a number never begins a line alone."""
    longest = _GLUED_HAN if _HAN.search(text[-_GLUED_HAN:]) else _LONGEST_GLUED
    at = max(text.rfind(" ") + 1, text.rfind("\n") + 1, len(text) - longest)
    return text[:at], text[at:]


def _text(token: Token, content: str) -> Token:
    return Token("text", "", 0, content=content, level=token.level)


def _render_citation(
    renderer: RendererHTML,
    tokens: list[Token],
    index: int,
    _options: object,
    env: dict[str, object],
) -> str:
    del renderer
    number = int(tokens[index].content)
    labels = env[_NUMBERS]
    assert isinstance(labels, dict)
    label = escape(labels[number])
    return (
        f'<button type="button" class="fl-cite" data-cite="{number}" aria-label="{label}">'
        f"{number}</button>"
    )


def _render_link(
    renderer: RendererHTML, tokens: list[Token], index: int, _options: object, _env: object
) -> str:
    del renderer
    target = str(tokens[index].attrs.get("href", ""))
    if not _SAFE_LINK.match(target):
        return "<a>"  # such as a path: it would lead into this server
    return f'<a href="{escape(target)}" target="_blank" rel="noopener noreferrer nofollow">'
