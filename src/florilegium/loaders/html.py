"""Web pages: one file, one item per chunk of its visible text, with the pictures that it shows.

Knows limits of size, and what of a page is text; encodings, chunks and targets have own modules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import NavigableString, PageElement, Tag
from bs4.exceptions import ParserRejectedMarkup
from PIL import Image

from florilegium.cards import shown_title
from florilegium.chunking import split_chunks
from florilegium.config_sections import IngestConfig
from florilegium.encodings import decode_text
from florilegium.errors import UnreadableFileError, UnsupportedFileError
from florilegium.ids import item_id
from florilegium.protocols import Loader
from florilegium.reading import read_source
from florilegium.references import by_chunk, resolve_target
from florilegium.types import Item, Modality, Reference, Source, Span

_MILLION: Final = 1_000_000
_SUFFIXES = frozenset({".html", ".htm"})
_TOO_LARGE = "Split the file, or raise ingest.max_text_megabytes."

# What is no text, or leads through a site and says nothing of its own.
_UNSEEN: Final = frozenset({
    "head", "script", "style", "noscript", "template", "nav", "svg", "math", "canvas", "iframe",
    "object", "audio", "video", "form", "button", "select", "textarea", "datalist", "dialog",
})  # fmt: skip
_UNSEEN_ROLES: Final = frozenset({"navigation", "search", "menu", "menubar", "banner"})
_OWN: Final = frozenset({"article", "main", "blockquote"})
_BLOCKS: Final = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hgroup", "hr", "html", "li", "main", "ol", "p", "pre", "section", "summary",
    "table", "tbody", "tfoot", "thead", "tr", "ul",
})  # fmt: skip
_LINES: Final = frozenset({"li", "tr", "dt", "dd"})  # one line each, where others are paragraphs
_CELLS: Final = frozenset({"td", "th"})
_LONGEST_WORDS: Final = 1_000  # characters of the words of a link or picture
_LONGEST_TITLE: Final = 300  # characters; every item of the page has it
# Of XML, and of old browsers. The parser warns of the first, and seeks the ends of the others, and
# of comments, up to the end of the page, each time anew.
_INSTRUCTION = re.compile(r"<\?[^<>]{0,1000}>?|<!\[(?:CDATA\[|[^\[\]<>]{0,200}\]>)?")
_COMMENT_START: Final = re.compile(r"<!(?!doctype)", re.IGNORECASE)


class HtmlLoader:
    """Read web pages in the encodings that they declare, and cut their visible text into chunks.

    Spans are offsets into the visible text, without markup. Menus, forms, scripts and the foot of
    the page are no part of it. Pictures that it shows, and files that it links to, are references
    with their alternative text, caption or linked words.
    """

    def __init__(
        self, *, max_text_megabytes: float, chunk_tokens: int, count_tokens: Callable[[str], int]
    ) -> None:
        self._max_bytes = int(max_text_megabytes * _MILLION)
        self._chunk_tokens = chunk_tokens
        self._count_tokens = count_tokens

    @property
    def suffixes(self) -> frozenset[str]:
        return _SUFFIXES

    def load(self, source: Source) -> Iterator[Item]:
        data = read_source(source, max_bytes=self._max_bytes, hint=_TOO_LARGE)
        page = _read_page(data, path=source.path)
        title = page.title or shown_title(source.path)
        # A page of nothing but pictures is still where they are shown.
        text = page.text or (title if page.references else "")
        spans = split_chunks(text, max_tokens=self._chunk_tokens, count_tokens=self._count_tokens)
        references = by_chunk(page.references, spans)
        for ordinal, span in enumerate(spans):
            yield Item(
                id=item_id(source.path, ordinal),
                source=source,
                modality=Modality.TEXT,
                ordinal=ordinal,
                title=title,
                text=text[span.start : span.end],
                span=Span(start=span.start, end=span.end),
                references=tuple(references[ordinal]),
            )

    def read_image(self, item: Item, *, least_side: int | None = None) -> Image.Image:  # noqa: ARG002
        raise UnsupportedFileError(
            f"{item.source.path!r} is a web page and holds no picture itself.",
            hint="Ask the loader of pictures for image items only.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """The visible text of a page, its title, and where in the text it refers to what."""

    title: str
    text: str
    references: tuple[tuple[int, Reference], ...]


def open_loader(
    model: str,  # noqa: ARG001 - a loader has one kind only
    *,
    config: IngestConfig,
    count_tokens: Callable[[str], int],
) -> HtmlLoader:
    """Return the loader of web pages with the limits of `config`."""
    return HtmlLoader(
        max_text_megabytes=config.max_text_megabytes,
        chunk_tokens=config.chunk_tokens,
        count_tokens=count_tokens,
    )


def _read_page(data: bytes, *, path: str) -> _Page:
    declared = EncodingDetector.find_declared_encoding(data, is_html=True)
    text = _INSTRUCTION.sub("", decode_text(data, name=path, declared=declared))
    end = text.rfind("-->") + 1
    markup = text[:end] + _COMMENT_START.sub("", text[end:])
    end = markup.rfind(">") + 1
    markup = markup[:end] + markup[end:].replace("<", "&lt;")
    try:
        # With a tag in front it is never taken for the name of a file.
        soup = BeautifulSoup("<!DOCTYPE html>" + markup, "html.parser")
    except (ParserRejectedMarkup, AssertionError, RecursionError, ValueError) as error:
        raise UnreadableFileError(
            f"{path!r} is no web page that can be read: {error}.", hint="Save the page again."
        ) from error
    writer = _Writer(path)
    _walk(soup, writer)
    text, references = writer.finish()
    heading = soup.title or soup.find("h1")
    title = " ".join(heading.get_text(" ").split()) if isinstance(heading, Tag) else ""
    return _Page(title=title[:_LONGEST_TITLE], text=text, references=tuple(references))


def _walk(soup: Tag, writer: _Writer) -> None:
    # Pages may nest deeper than Python recurses, so what is open is kept in a list.
    opened: list[tuple[Tag, Iterator[PageElement]]] = [(soup, iter(soup.contents))]
    while opened:
        tag, inside = opened[-1]
        node = next(inside, None)
        if node is None:
            opened.pop()
            writer.close(tag)
        elif isinstance(node, Tag):
            if not _is_unseen(node, within_own=writer.within_own):
                writer.open(node)
                opened.append((node, iter(node.contents)))
        elif type(node) is NavigableString:  # its subclasses are comments, scripts and the like
            writer.write(str(node))


def _is_unseen(tag: Tag, *, within_own: bool) -> bool:
    if tag.name in _UNSEEN or tag.has_attr("hidden") or tag.get("role") in _UNSEEN_ROLES:
        return True
    # The foot of an article is its own; that of the page is the site's.
    return tag.name == "footer" and not within_own


@dataclass(slots=True)
class _Link:
    """A reference whose words are still being read; `start` is where they begin."""

    target: str
    offset: int
    start: int


@dataclass(slots=True)
class _Figure:
    """Pictures whose caption may still come."""

    found: list[int] = field(default_factory=list)
    caption: str = ""


class _Writer:
    """Collects the visible text and the references while a page is walked through."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pieces: list[str] = []
        self._length = 0
        self._gap = ""  # what separates the next word from what was written
        self._kept = 0  # how many elements that are open keep their spaces
        self._own = 0  # how many that are open have a foot of their own
        self._found: list[tuple[int, Reference]] = []
        self._links: list[_Link | None] = []
        self._figures: list[_Figure] = []
        self._captions: list[int] = []

    @property
    def within_own(self) -> bool:
        """Return whether an article or the like is open."""
        return self._own > 0

    def open(self, tag: Tag) -> None:
        """Begin an element."""
        self._separate(tag.name)
        self._own += tag.name in _OWN
        if tag.name == "pre":
            self._kept += 1
        elif tag.name == "img":
            self._picture(tag)
        elif tag.name == "a":
            target = resolve_target(str(tag.get("href") or ""), path=self._path)
            self._links.append(
                _Link(target=target, offset=self._next(), start=len(self._pieces))
                if target
                else None
            )
        elif tag.name == "figure":
            self._figures.append(_Figure())
        elif tag.name == "figcaption":
            self._captions.append(len(self._pieces))

    def close(self, tag: Tag) -> None:
        """End an element."""
        self._own -= tag.name in _OWN
        if tag.name == "pre":
            self._kept -= 1
        elif tag.name == "a":
            self._end_link(self._links.pop())
        elif tag.name == "figcaption":
            words = self._words_since(self._captions.pop())
            if self._figures:
                self._figures[-1].caption = words
        elif tag.name == "figure":
            self._end_figure(self._figures.pop())
        self._separate(tag.name)

    def write(self, text: str) -> None:
        """Add text."""
        if self._kept:
            self._add(text.strip("\n") if not self._pieces else text)
            return
        words = " ".join(text.split())
        if not words:
            self._gap = self._gap or (" " if text else "")
            return
        if text[0].isspace():
            self._gap = self._gap or " "
        self._add(words)
        self._gap = " " if text[-1].isspace() else ""

    def finish(self) -> tuple[str, list[tuple[int, Reference]]]:
        """Return all that was collected."""
        return "".join(self._pieces), self._found

    def _add(self, text: str) -> None:
        gap = self._gap if self._pieces else ""
        self._pieces += [gap, text]
        self._length += len(gap) + len(text)
        self._gap = ""

    def _next(self) -> int:
        # Where the next word will stand: a picture between two paragraphs belongs to the second.
        return self._length + (len(self._gap) if self._pieces else 0)

    def _separate(self, name: str) -> None:
        if name in _LINES or name == "br":
            wanted = "\n"
        elif name in _BLOCKS:
            wanted = "\n\n"
        else:
            wanted = " " if name in _CELLS else ""
        self._gap = max(self._gap, wanted, key=lambda gap: (gap.count("\n"), len(gap)))

    def _picture(self, tag: Tag) -> None:
        raw = str(tag.get("src") or "")
        if not raw or raw.startswith("data:"):
            raw = str(tag.get("data-src") or "")  # pictures that are loaded late
        target = resolve_target(raw, path=self._path)
        if target is None:
            return
        words = " ".join(str(tag.get("alt") or tag.get("title") or "").split())
        if self._figures:
            self._figures[-1].found.append(len(self._found))
        self._found.append((self._next(), Reference(target=target, words=words)))

    def _end_link(self, link: _Link | None) -> None:
        if link is not None:
            words = self._words_since(link.start)
            self._found.append((link.offset, Reference(target=link.target, words=words)))

    def _end_figure(self, figure: _Figure) -> None:
        for number in figure.found:
            offset, reference = self._found[number]
            both = dict.fromkeys(one for one in (reference.words, figure.caption) if one)
            self._found[number] = (
                offset,
                Reference(target=reference.target, words=". ".join(both)),
            )

    def _words_since(self, piece: int) -> str:
        # Elements that contain each other would otherwise repeat the same words without end.
        first = self._pieces[piece : piece + 2 * _LONGEST_WORDS]  # every second is a gap
        words = " ".join("".join(text[: _LONGEST_WORDS + 1] for text in first).split())
        if len(words) <= _LONGEST_WORDS:
            return words
        return words[:_LONGEST_WORDS].rpartition(" ")[0] or words[:_LONGEST_WORDS]


_: type[Loader] = HtmlLoader
