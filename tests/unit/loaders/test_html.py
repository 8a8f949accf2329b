"""Of a web page, its visible text is cut into chunks, and its pictures are references."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.config_sections import IngestConfig
from florilegium.errors import FileTooLargeError, UnreadableFileError, UnsupportedFileError
from florilegium.ids import hash_bytes
from florilegium.loaders.html import HtmlLoader, open_loader
from florilegium.testing.loader_contract import a_source
from florilegium.types import Item, Reference, Source, Span


def load(
    root: Path, page: str | bytes, *, name: str = "a/page.html", tokens: int = 500
) -> list[Item]:
    """Return the items of a page."""
    loader = HtmlLoader(
        max_text_megabytes=1, chunk_tokens=tokens, count_tokens=lambda text: len(text.split())
    )
    data = page.encode() if isinstance(page, str) else page
    return list(loader.load(a_source(root, name, data)))


def text_of(root: Path, page: str | bytes) -> str:
    """Return the visible text of a page, in one chunk."""
    return "\n\n".join(item.text for item in load(root, page))


def references(root: Path, page: str) -> list[tuple[str, str]]:
    """Return what a page refers to, and by which words."""
    return [(one.target, one.words) for item in load(root, page) for one in item.references]


def test_text_is_read_in_order_with_paragraphs_lines_and_cells(tmp_path: Path) -> None:
    page = (
        "<h1>Roses</h1><p>A <b>velvet</b>\n rose&nbsp;&amp; more.<p>First<br>second"
        "<ul><li>one<li>two</ul><table><tr><td>a<td>b</tr><tr><td>c</table>"
    )

    assert text_of(tmp_path, page) == (
        "Roses\n\nA velvet rose & more.\n\nFirst\nsecond\n\none\ntwo\n\na b\nc"
    )


def test_words_of_inline_elements_are_not_torn_apart(tmp_path: Path) -> None:
    assert text_of(tmp_path, "<p>H<sub>2</sub>O is <i>wet</i>, <b>very</b>.") == "H2O is wet, very."


def test_preformatted_text_keeps_its_spaces(tmp_path: Path) -> None:
    assert text_of(tmp_path, "<p>x<pre>a\n  b</pre>") == "x\n\na\n  b"


@pytest.mark.parametrize(
    "unseen",
    ["<script>alert(1)</script>", "<style>p {}</style>", "<nav>Home</nav>", "<!-- note -->",
     "<div hidden>x</div>", "<div role=navigation>x</div>", "<form><input>Search</form>",
     "<footer>Imprint</footer>", "<template>x</template>", "<noscript>x</noscript>",
     "<![CDATA[", "<?php echo 1 ?>"],
)  # fmt: skip
def test_what_is_not_the_text_of_a_page_is_left_out(tmp_path: Path, unseen: str) -> None:
    assert text_of(tmp_path, f"<p>Roses</p>{unseen}<p>Tulips</p>") == "Roses\n\nTulips"


def test_the_foot_of_an_article_is_its_own(tmp_path: Path) -> None:
    assert text_of(tmp_path, "<article>Roses<footer>by Ana</footer></article>") == "Roses\n\nby Ana"


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title> Old\n roses </title><h1>x</h1>", "Old roses"),
        ("<h1>Old <i>roses</i></h1>", "Old roses"),
        ("<p>Roses", "red rose"),
    ],
)
def test_a_title_is_that_of_the_page_its_heading_or_its_file(
    tmp_path: Path, page: str, title: str
) -> None:
    assert {item.title for item in load(tmp_path, page + "<p>x", name="red-rose.html")} == {title}


def test_pictures_are_references_with_all_words_around_them(tmp_path: Path) -> None:
    page = (
        "<p>Text</p><img src='img/red%20rose.jpg' alt='A rose'><img src=plain.jpg>"
        "<figure><img src=/b.jpg alt='Two'><figcaption>By the <i>gate</i></figcaption></figure>"
        "<img src='data:image/png;base64,AAAA' data-src=late.jpg alt=Late>"
        "<img src='https://example.org/c.jpg' alt=far><a href='d.jpg'>the <b>big</b> one</a>"
    )

    assert references(tmp_path, page) == [
        ("a/img/red rose.jpg", "A rose"), ("a/plain.jpg", ""), ("b.jpg", "Two. By the gate"),
        ("a/late.jpg", "Late"), ("a/d.jpg", "the big one"),
    ]  # fmt: skip


def test_a_reference_belongs_to_the_chunk_where_it_stands(tmp_path: Path) -> None:
    words = "Roses like the sun. " * 8
    items = load(tmp_path, f"<p>{words}<p><img src=x.jpg alt=X>{words}", tokens=40)

    assert [item.references for item in items] == [
        (), (Reference(target="a/x.jpg", words="X"),),
    ]  # fmt: skip


def test_spans_are_offsets_into_the_visible_text(tmp_path: Path) -> None:
    words = "Roses like the sun. " * 8
    items = load(tmp_path, f"<b>x</b><p>{words}<p>{words}", tokens=40)

    whole = "x\n\n" + words.strip() + "\n\n" + words.strip()
    assert len(items) > 1
    for item in items:
        assert isinstance(item.span, Span)
        assert whole[item.span.start : item.span.end] == item.text


def test_a_page_of_pictures_alone_is_where_they_are_shown(tmp_path: Path) -> None:
    (item,) = load(tmp_path, "<title>My roses</title><img src=a.jpg><img src=b.jpg>")

    assert item.text == "My roses"
    assert [one.target for one in item.references] == ["a/a.jpg", "a/b.jpg"]


def test_a_page_without_text_has_no_items(tmp_path: Path) -> None:
    assert load(tmp_path, "<html></html>") == []


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        ("gb2312", "gb18030", "玫瑰"), ("iso-8859-1", "cp1252", "Rosé – 5 €"),
        ("windows-1251", "cp1251", "роза"), ("shift_jis", "cp932", "バラ"),
        ("iso-2022-jp", "iso2022_jp", "バラ"), ("iso-8859-1", "utf-8", "Rosé"),
        ("nonsense", "utf-8", "Rosé"),
    ],
)  # fmt: skip
def test_a_page_is_read_in_the_encoding_that_it_declares(
    tmp_path: Path, declared: str, encoding: str, text: str
) -> None:
    page = f'<meta charset="{declared}"><p>{text}</p>'.encode(encoding)

    assert text_of(tmp_path, page) == text


@pytest.mark.parametrize("page", ["<?xml version='1.0'?><svg><a/></svg><p>Roses", "roses.html"])
def test_the_parser_warns_of_nothing(tmp_path: Path, page: str) -> None:
    assert "oses" in text_of(tmp_path, page)


@pytest.mark.parametrize(
    "piece", ["<div>", "<p>a", "<!--", "<![", "<a b='", "</", "<!x", "&#", "<title>"]
)
def test_markup_without_end_is_read_in_time(tmp_path: Path, piece: str) -> None:
    assert isinstance(load(tmp_path, piece * 5_000 + "x", tokens=100_000), list)


def test_a_page_that_is_too_large_or_binary_fails(tmp_path: Path) -> None:
    with pytest.raises(FileTooLargeError):
        load(tmp_path, "x" * 1_000_001)
    with pytest.raises(UnreadableFileError):
        load(tmp_path, bytes(range(256)) * 10)


def test_a_page_holds_no_picture(tmp_path: Path) -> None:
    loader = open_loader("", config=IngestConfig(), count_tokens=len)
    (item,) = loader.load(a_source(tmp_path, "page.htm", b"<p>Roses"))

    with pytest.raises(UnsupportedFileError, match=r"page\.htm"):
        loader.read_image(item)


def test_words_of_links_that_contain_each_other_are_bounded(tmp_path: Path) -> None:
    page = b"<title>" + b"t" * 1_000 + b"</title>" + b"<a href=x.png>" * 500 + b"rose " * 5_000
    (tmp_path / "a.html").write_bytes(page)
    source = Source(
        root=tmp_path, path="a.html", size=len(page), modified_ns=1, content_hash=hash_bytes(page)
    )

    items = list(open_loader("", config=IngestConfig(), count_tokens=len).load(source))

    references = [one for item in items for one in item.references]
    assert references
    assert all(len(one.words) <= 1_000 for one in references)
    assert {len(item.title) for item in items} == {300}
