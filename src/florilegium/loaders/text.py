"""Plain text and Markdown: one file, one item per chunk, with what each chunk points to.

Knows limits of size and how titles are found; encodings, front matter, chunks and references have
own modules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Final

from PIL import Image

from florilegium.cards import shown_title
from florilegium.chunking import split_chunks, split_windows
from florilegium.config_sections import IngestConfig
from florilegium.encodings import decode_text
from florilegium.errors import UnsupportedFileError
from florilegium.front_matter import FrontMatter, find_front_matter
from florilegium.ids import item_id
from florilegium.protocols import Loader
from florilegium.reading import read_source
from florilegium.references import by_chunk, find_references, plain_words
from florilegium.types import Item, Modality, Source, Span

__all__ = ["TextLoader", "decode_text", "open_loader"]

_MILLION: Final = 1_000_000
_MARKDOWN = frozenset({".md", ".markdown"})
_SUFFIXES = _MARKDOWN | {".txt"}
_FENCED = re.compile(r"^ {0,3}(```+|~~~+).*?(?:^ {0,3}\1|\Z)", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(
    r"^ {0,3}\#{1,6}[ \t]+(?P<hashed>[^\n]{0,300})"
    r"|^ {0,3}(?P<underlined>[^\s#>|-][^\n]{0,300})\n {0,3}(?:={3,}|-{3,})[ \t]*$",
    re.MULTILINE,
)


_TOO_LARGE = "Split the file, or raise ingest.max_text_megabytes."


class TextLoader:
    """Read text files in the usual encodings and cut them into chunks.

    Front matter of a Markdown file is in none of its chunks, so it is neither found nor cited; its
    title is the title of all of them. In a file that is nothing else it is the text.
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
        text = decode_text(self._read(source), name=source.path)
        is_markdown = PurePosixPath(source.path).suffix.lower() in _MARKDOWN
        matter = (find_front_matter(text) if is_markdown else None) or FrontMatter(end=0)
        # What is blanked out keeps its length, so that offsets stay true.
        body = _blank(text[: matter.end]) + text[matter.end :]
        spans = self._split(text, body)
        references = by_chunk(find_references(text, path=source.path), spans)
        title = matter.title or _heading(body, is_markdown=is_markdown) or shown_title(source.path)
        for ordinal, span in enumerate(spans):
            yield Item(
                id=item_id(source.path, ordinal),
                source=source,
                modality=Modality.TEXT,
                ordinal=ordinal,
                title=title,
                text=text[span.start : span.end],
                span=span,
                references=tuple(references[ordinal]),
            )

    def read_image(self, item: Item, *, least_side: int | None = None) -> Image.Image:  # noqa: ARG002
        raise UnsupportedFileError(
            f"{item.source.path!r} is a text and holds no picture.",
            hint="Ask the loader of pictures for image items only.",
        )

    def _split(self, text: str, body: str) -> list[Span]:
        if body.strip():
            return split_chunks(
                body, max_tokens=self._chunk_tokens, count_tokens=self._count_tokens
            )
        # Front matter alone has no paragraphs; its closing line would make a heading of the last.
        return split_windows(text, max_tokens=self._chunk_tokens, count_tokens=self._count_tokens)

    def _read(self, source: Source) -> bytes:
        return read_source(source, max_bytes=self._max_bytes, hint=_TOO_LARGE)


def open_loader(
    model: str,  # noqa: ARG001 - a loader has one kind only
    *,
    config: IngestConfig,
    count_tokens: Callable[[str], int],
) -> TextLoader:
    """Return the loader of texts with the limits of `config`."""
    return TextLoader(
        max_text_megabytes=config.max_text_megabytes,
        chunk_tokens=config.chunk_tokens,
        count_tokens=count_tokens,
    )


def _heading(text: str, *, is_markdown: bool) -> str:
    """Return the first heading of a Markdown text; plain text must begin with it to have one."""
    body = _FENCED.sub(lambda match: _blank(match.group()), text)
    match = _HEADING.search(body) if is_markdown else _HEADING.match(body.lstrip())
    if match is None:
        return ""
    return plain_words((match["hashed"] or match["underlined"] or "").rstrip("# \t"))


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


_: type[Loader] = TextLoader
