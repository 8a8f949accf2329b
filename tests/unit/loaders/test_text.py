from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.config_sections import IngestConfig
from florilegium.errors import FileTooLargeError, UnreadableFileError, UnsupportedFileError
from florilegium.ids import item_id
from florilegium.loaders.text import TextLoader, decode_text, open_loader
from florilegium.testing.loader_contract import a_source
from florilegium.types import Item, Modality, Reference, Span


def count_words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def loader() -> TextLoader:
    return open_loader("", config=IngestConfig(), count_tokens=count_words)


def load(loader: TextLoader, root: Path, path: str, data: bytes | str) -> list[Item]:
    raw = data if isinstance(data, bytes) else data.encode()
    return list(loader.load(a_source(root, path, raw)))


def test_a_span_is_where_the_chunk_stands_in_the_decoded_text(
    loader: TextLoader, tmp_path: Path
) -> None:
    data = "  Erste Rose.\r\n\r\n# Zweite\r\n\r\n红玫瑰。\r\n".encode("utf-16")

    items = load(loader, tmp_path, "rose.txt", data)

    assert [item.text for item in items] == ["Erste Rose.", "# Zweite\n\n红玫瑰。"]
    for item in items:
        assert item.span is not None
        assert decode_text(data)[item.span.start : item.span.end] == item.text


def test_items_are_numbered_chunks_of_text(loader: TextLoader, tmp_path: Path) -> None:
    items = load(loader, tmp_path, "a/rose.md", "# One\n\nRose.\n\n# Two\n\nTulip.")

    assert [item.ordinal for item in items] == [0, 1]
    assert [item.id for item in items] == [item_id("a/rose.md", 0), item_id("a/rose.md", 1)]
    assert {item.modality for item in items} == {Modality.TEXT}


@pytest.mark.parametrize(
    ("path", "text", "title"),
    [
        ("dog-rose.md", "Intro.\n\n## The *dog* [rose](x.md) ##\n\nText.", "The dog rose"),
        ("x.markdown", "The dog rose\n============\n\nText.", "The dog rose"),
        ("dog-rose.md", "```\n# comment\n```\n\nText.", "dog rose"),
        ("dog-rose.txt", "Text.\n\n# comment", "dog rose"),
        ("x.txt", "\n# Dog rose\n\nText.", "Dog rose"),
        ("红玫瑰_1.txt", "文字。", "红玫瑰 1"),
        ("x/1998.txt", "Text.", "1998"),
    ],
)
def test_a_title_is_the_first_heading_or_the_words_of_the_stem(
    loader: TextLoader, tmp_path: Path, path: str, text: str, title: str
) -> None:
    assert load(loader, tmp_path, path, text)[0].title == title


def test_references_sit_on_the_chunk_in_which_they_occur(
    loader: TextLoader, tmp_path: Path
) -> None:
    text = "# Rose\n\n![A rose](rose.jpg) ![A rose](rose.jpg)\n\n# Tulip\n\n![](../tulip.jpg) Red."

    first, second = load(loader, tmp_path, "notes/a.md", text)

    assert first.references == (Reference(target="notes/rose.jpg", words="A rose"),)
    assert second.references == (Reference(target="tulip.jpg", words=""),)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b" \r\n\t "])
def test_an_empty_file_has_no_items_and_is_no_failure(
    loader: TextLoader, tmp_path: Path, data: bytes
) -> None:
    assert load(loader, tmp_path, "empty.txt", data) == []


def test_a_picture_called_txt_is_refused(loader: TextLoader, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"'a/b\.txt'"):
        load(loader, tmp_path, "a/b.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")


def test_the_limit_of_bytes_is_the_limit_of_texts(tmp_path: Path) -> None:
    config = IngestConfig(max_text_megabytes=0.00001)
    loader = open_loader("", config=config, count_tokens=count_words)

    assert len(load(loader, tmp_path, "a.txt", b"x" * 10)) == 1
    with pytest.raises(FileTooLargeError, match="11 bytes") as caught:
        load(loader, tmp_path, "b.txt", b"x" * 11)
    assert "max_text_megabytes" in (caught.value.hint or "")


def test_a_folder_called_txt_is_refused(loader: TextLoader, tmp_path: Path) -> None:
    source = a_source(tmp_path, "a.txt", b"x")
    source.file.unlink()
    source.file.mkdir()

    with pytest.raises(UnreadableFileError, match="no regular file"):
        list(loader.load(source))


def test_a_text_holds_no_picture(loader: TextLoader, tmp_path: Path) -> None:
    item = load(loader, tmp_path, "a.txt", "Rose.")[0]

    with pytest.raises(UnsupportedFileError):
        loader.read_image(item)


def test_chunks_keep_the_budget_of_the_settings(tmp_path: Path) -> None:
    config = IngestConfig(chunk_tokens=32)
    loader = open_loader("", config=config, count_tokens=count_words)

    items = load(loader, tmp_path, "a.txt", "Roses like the sun. " * 40)

    assert len(items) == 5
    assert all(count_words(item.text) == 32 for item in items)


# -- front matter --

OBSIDIAN = "---\ntags: [garden]\naliases:\n  - Hunds-Rose\n---\n"
HUGO = '---\ntitle: "Dog rose: a guide"\ndraft: false\n---\n\n'
JEKYLL = "---\r\nlayout: post\r\ntitle: Dog rose: a guide\r\n---\r\n"


@pytest.mark.parametrize(
    ("block", "title"),
    [(OBSIDIAN, "Care"), (HUGO, "Dog rose: a guide"), (JEKYLL, "Dog rose: a guide")],
)
def test_of_front_matter_only_its_title_is_kept(
    loader: TextLoader, tmp_path: Path, block: str, title: str
) -> None:
    text = block + "Intro.\n\n# Care\n\nWater it."

    items = load(loader, tmp_path, "rose.md", text)

    assert [(item.text, item.title) for item in items] == [
        ("Intro.", title),
        ("# Care\n\nWater it.", title),
    ]


def test_spans_below_front_matter_are_offsets_into_the_whole_text(
    loader: TextLoader, tmp_path: Path
) -> None:
    (item,) = load(loader, tmp_path, "rose.md", HUGO + "Water it.")

    assert item.span == Span(start=len(HUGO), end=len(HUGO) + 9)


def test_a_line_of_front_matter_is_no_heading(loader: TextLoader, tmp_path: Path) -> None:
    (item,) = load(loader, tmp_path, "dog-rose.md", OBSIDIAN + "Water it.")

    assert item.title == "dog rose"


def test_front_matter_alone_is_one_chunk(loader: TextLoader, tmp_path: Path) -> None:
    (item,) = load(loader, tmp_path, "rose.md", HUGO)

    assert (item.text, item.title) == (HUGO.strip(), "Dog rose: a guide")


def test_a_reference_in_front_matter_belongs_to_the_first_chunk(
    loader: TextLoader, tmp_path: Path
) -> None:
    block = "---\ncover: '![A rose](rose.jpg)'\n---\n"

    first, second = load(loader, tmp_path, "a.md", block + "# One\n\nA.\n\n# Two\n\nB.")

    assert first.references == (Reference(target="rose.jpg", words="A rose"),)
    assert second.references == ()


def test_plain_text_has_no_front_matter(loader: TextLoader, tmp_path: Path) -> None:
    items = load(loader, tmp_path, "dog-rose.txt", HUGO + "Water it.")

    assert 'title: "Dog rose: a guide"' in items[0].text


@pytest.mark.parametrize(
    ("text", "title", "chunks"),
    [
        ("Care\n---\n\nWater it.", "Care", ["Care\n---\n\nWater it."]),
        ("---\n\nWater it.\n\n---\n\nOften.", "rose", ["---\n\nWater it.\n\n---\n\nOften."]),
        ("A.\n\n---\ntitle: B\n---\n\nC.", "title: B", ["A.\n\n---", "title: B\n---\n\nC."]),
    ],
)
def test_other_lines_of_dashes_mean_what_they_did(
    loader: TextLoader, tmp_path: Path, text: str, title: str, chunks: list[str]
) -> None:
    items = load(loader, tmp_path, "rose.md", text)

    assert [item.text for item in items] == chunks
    assert {item.title for item in items} == {title}
