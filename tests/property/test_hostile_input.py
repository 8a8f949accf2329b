"""Arbitrary bytes and texts at every place where files and queries come in.

Only FlorilegiumError may come out. FLORILEGIUM_FUZZ_EXAMPLES sets how many examples are tried.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from florilegium import FlorilegiumError, Library
from florilegium.chunking import split_chunks
from florilegium.config_sections import IngestConfig
from florilegium.descriptions import read_descriptions
from florilegium.encodings import decode_text
from florilegium.filters import parse_filter
from florilegium.front_matter import find_front_matter
from florilegium.ids import hash_bytes
from florilegium.images import image_from, open_image, open_tags, read_size
from florilegium.loaders import html, image, text
from florilegium.metadata import read_metadata
from florilegium.protocols import Loader
from florilegium.references import find_references
from florilegium.terms import split_terms
from florilegium.types import Item, Source
from florilegium.xmp import read_xmp
from tests.conftest import FAKES, draw, write_tiny_folder

# Read when the module is imported: the tests hide such variables later.
EXAMPLES: Final = int(os.environ.get("FLORILEGIUM_FUZZ_EXAMPLES", "25"))
FUZZED: Final = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES <= 25,
    deadline=10_000,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
MOST_PIXELS: Final = 1_000_000
_MARKUP: Final = (
    "<p>", "</p>", "<a href=x.png>", "</a>", "<img src='a b.png' alt=\"", "<!--", "-->", "<script>",
    "</script>", "<figure><figcaption>", "<table><tr><td>", "&#xD800;", "&amp;", "<![CDATA[", "<?",
    "# ", "\n\n", "\n---\n", "---\ntitle: ", "![", "[a](", "](b.png)", "[n]: c.png\n", "[n][n]",
    "```", "~~~\n", "`", "**", "> ", "- ", "1. ", "| a | b |\n", "\\[", "\\", "\t", "    ", "茶。",
    "\u202e", "e\u0301", "\ud800", "\0", "\x1b[31m", "'", '"', "<", ">", "{{", "\u2028", "==\n",
)  # fmt: skip
_WORDS: Final = st.text(max_size=12)
GRAMMAR: Final = st.lists(st.sampled_from(_MARKUP) | _WORDS, max_size=40).map("".join)
ANY_TEXT: Final = st.text(st.characters(exclude_categories=()), max_size=80) | GRAMMAR


def picture(format_: str) -> bytes:
    """Return a small healthy picture."""
    stream = io.BytesIO()
    draw("red", "circle", size=24).save(stream, format=format_)
    return stream.getvalue()


HEALTHY: Final = tuple(picture(one) for one in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"))
TEXTS: Final = (
    "# Rose\n\n![a](b.png) text 茶。\n".encode(),
    b"<html><meta charset=gbk><p>rose <img src=a.png></html>",
    b'{"caption": "a rose", "date": "2024-01-01"}',
    b"caption: a rose\ntags: [a, b]\n",
    b"file,caption\na.png,a rose\n",
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>',
)


@st.composite
def mutated(draw_: st.DrawFn, healthy: Sequence[bytes]) -> bytes:
    """Return a healthy file with bytes changed, taken out or put in, and perhaps cut off."""
    data = bytearray(draw_(st.sampled_from(healthy)))
    for _ in range(draw_(st.integers(0, 6))):
        at = draw_(st.integers(0, len(data)))
        taken = draw_(st.integers(0, 4))
        data[at : at + taken] = draw_(st.binary(max_size=6))
    return bytes(data[: draw_(st.integers(len(data) // 2, len(data)))])


PICTURES: Final = mutated(HEALTHY) | st.binary(max_size=200)
BYTES: Final = mutated(TEXTS) | GRAMMAR.map(lambda one: one.encode("utf-8", "replace"))


def try_picture(data: bytes) -> None:
    """Read a picture in every way."""
    for read in (open_image, read_size, open_tags):
        with suppress(FlorilegiumError):
            read(data, max_pixels=MOST_PIXELS, name="a")
    with suppress(FlorilegiumError):
        image_from(data, max_pixels=MOST_PIXELS)
    check_texts(
        value for pair in read_metadata(data, max_pixels=MOST_PIXELS, name="a") for value in pair
    )


def try_loader(open_loader: Callable[..., Loader], name: str, data: bytes, folder: Path) -> None:
    """Load a file of these bytes."""
    (folder / name).write_bytes(data)
    loader = open_loader("", config=IngestConfig(), count_tokens=lambda one: len(one.split()))
    source = Source(
        root=folder, path=name, size=len(data), modified_ns=1, content_hash=hash_bytes(data)
    )
    items: list[Item] = []
    with suppress(FlorilegiumError):
        items = list(loader.load(source))
    for item in items:
        check_texts([item.title, item.text, *(one for pair in item.fields for one in pair)])
        check_texts(one for ref in item.references for one in (ref.target, ref.words))


def try_description(name: str, data: bytes) -> None:
    """Read a sidecar or a table."""
    with suppress(FlorilegiumError):
        for one in read_descriptions(data, path=name):
            check_texts([one.target, *(text for pair in one.fields for text in pair)])


def try_text(data: str) -> None:
    """Take a decoded text apart."""
    find_front_matter(data)
    find_references(data, path="a.md")
    split_chunks(data, max_tokens=32, count_tokens=lambda one: len(one.split()))


def try_query(query: str) -> None:
    """Take a query and the values of filters apart."""
    with suppress(FlorilegiumError):
        split_terms(query)
    with suppress(FlorilegiumError):
        parse_filter(folders=[query], suffixes=[query], labels=[query])
    with suppress(FlorilegiumError):
        parse_filter(since=query, until=query, fields=[query])


def check_texts(texts: Any) -> None:
    """Check that what was read can be stored."""
    for one in texts:
        one.encode("utf-8")


@FUZZED
@given(data=PICTURES)
def test_pictures_raise_nothing_else(data: bytes) -> None:
    try_picture(data)


@pytest.mark.parametrize(
    ("open_loader", "name", "data"),
    [
        (text.open_loader, "a.md", BYTES),
        (text.open_loader, "a.txt", st.binary(max_size=300)),
        (html.open_loader, "a.html", BYTES),
        (image.open_loader, "a.png", PICTURES),
    ],
    ids=["markdown", "text", "html", "image"],
)
def test_loaders_raise_nothing_else(
    open_loader: Callable[..., Loader], name: str, data: st.SearchStrategy[bytes], tmp_path: Path
) -> None:
    @FUZZED
    @given(data=data)
    def load(data: bytes) -> None:
        try_loader(open_loader, name, data, tmp_path)

    load()


@FUZZED
@given(
    name=st.sampled_from(["a.png.json", "a.yaml", "a.xmp", "captions.csv", "captions.jsonl"]),
    data=BYTES | st.binary(max_size=200),
)
def test_descriptions_raise_nothing_else(name: str, data: bytes) -> None:
    try_description(name, data)


@FUZZED
@given(data=st.binary(max_size=300))
def test_bytes_are_decoded_or_refused(data: bytes) -> None:
    with suppress(FlorilegiumError):
        decode_text(data).encode("utf-8")
    with suppress(ValueError):
        read_xmp(data)


@FUZZED
@given(data=GRAMMAR)
def test_texts_are_taken_apart(data: str) -> None:
    try_text(data)


@FUZZED
@given(query=ANY_TEXT)
def test_terms_and_filters_raise_nothing_else(query: str) -> None:
    try_query(query)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("asked") / "library"
    write_tiny_folder(folder)
    with Library.create(folder, overrides=FAKES) as library:
        library.ingest()
        yield library


@FUZZED
@given(query=ANY_TEXT, data=st.none() | PICTURES)
def test_searches_raise_nothing_else(asked: Library, query: str, data: bytes | None) -> None:
    with suppress(FlorilegiumError):
        asked.search(query, image=data)
    with suppress(FlorilegiumError):
        asked.search("rose", where=parse_filter(folders=[query], labels=[query], fields=[query]))
    with suppress(FlorilegiumError):
        asked.ask(query, quote=True)


@pytest.mark.parametrize(
    "query",
    [
        "rose " * 10_000,
        "a" * 1_000_000,
        "茶" * 10_000,
        '"' * 20_000,
        "+" * 20_000,
        '+"rose" -' * 2_000,
        "rose AND (NEAR OR NOT *) ^col: {x} ; DROP TABLE items; --",
        "\0",
        "\ud800 rose \udfff",
        "\u202e\x1b[31m",
    ],
    ids=range(10),
)
def test_long_and_odd_queries_end(asked: Library, query: str) -> None:
    with suppress(FlorilegiumError):
        asked.search(query)
    with suppress(FlorilegiumError):
        asked.ask(query, quote=True)
