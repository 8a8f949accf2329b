from __future__ import annotations

import pytest

from florilegium.references import by_chunk, find_references, plain_words, resolve_target
from florilegium.types import Reference, Span


def found(text: str) -> list[tuple[str, str]]:
    return [(one.target, one.words) for _, one in find_references(text, path="notes/rose.md")]


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        ("![A rose](rose.jpg)", "notes/rose.jpg", "A rose"),
        ('![A rose](rose.jpg "Title")', "notes/rose.jpg", "A rose"),
        ("![](my%20rose.jpg)", "notes/my rose.jpg", ""),
        ("![](<my rose.jpg>)", "notes/my rose.jpg", ""),
        ("![](my rose.jpg)", "notes/my rose.jpg", ""),
        ("![](rose(1).jpg)", "notes/rose(1).jpg", ""),
        ("![](../pictures/./rose.jpg)", "pictures/rose.jpg", ""),
        ("![](/pictures/rose.jpg)", "pictures/rose.jpg", ""),
        ("![](pictures\\rose.jpg)", "notes/pictures/rose.jpg", ""),
        ("![红玫瑰](玫瑰.jpg)", "notes/玫瑰.jpg", "红玫瑰"),
        ("[see *this*](tulip.txt#care)", "notes/tulip.txt", "see this"),
        ("![A rose][r]\n\n[r]: rose.jpg 'x'", "notes/rose.jpg", "A rose"),
        ("![Rose][]\n\n[rose]: <a rose.jpg>", "notes/a rose.jpg", "Rose"),
        ("![Rose]\n\n[ROSE]: rose.jpg", "notes/rose.jpg", "Rose"),
        ("<img alt='A &amp; B' src=\"rose.jpg\">", "notes/rose.jpg", "A & B"),
        ("<IMG SRC=rose.jpg />", "notes/rose.jpg", ""),
    ],
)
def test_local_references_are_found(text: str, target: str, words: str) -> None:
    assert found(text) == [(target, words)]


@pytest.mark.parametrize(
    "text",
    [
        "![](https://example.org/rose.jpg)",
        "![](//example.org/rose.jpg)",
        "![](data:image/png;base64,AAAA)",
        "[mail](mailto:a@example.org)",
        "![](../../rose.jpg)",
        "![](%2e%2e/%2e%2e/rose.jpg)",
        "![](/../rose.jpg)",
        "![](C:\\rose.jpg)",
        "[top](#top)",
        "[myself](rose.md)",
        "![]()",
        "`![](rose.jpg)`",
        "```\n![](rose.jpg)\n```",
        "an [unknown][name] and a [word]",
    ],
)
def test_nothing_leads_out_of_the_folder_or_out_of_code(text: str) -> None:
    assert found(text) == []


def test_a_picture_inside_of_a_link_counts_as_well() -> None:
    text = "[![Small](small.jpg)](large.jpg)"

    assert found(text) == [("notes/large.jpg", "Small"), ("notes/small.jpg", "Small")]


def test_offsets_are_where_references_begin() -> None:
    text = "`code` ![a](a.jpg), [b](b.txt)"

    assert [offset for offset, _ in find_references(text, path="x.md")] == [7, 20]


def test_a_target_is_relative_to_the_folder_of_its_source() -> None:
    assert resolve_target("rose.jpg", path="a/b/c.md") == "a/b/rose.jpg"
    assert resolve_target("rose.jpg", path="c.md") == "rose.jpg"
    assert resolve_target("..", path="a/c.md") is None


def test_words_lose_their_markup() -> None:
    assert plain_words("The **dog** [rose](x.md) <b>and</b>\n`hip`") == "The dog rose and hip"


@pytest.mark.parametrize("stretch", ["[a", "![x](", "[[", "<img ", "[a](b ", "`", "![](", "[x]: "])
def test_a_strange_text_does_not_keep_the_search_busy(stretch: str) -> None:
    # An expression that backtracks would take hours for this.
    assert found(stretch * 1000) in ([], [("notes/[x]:", "x")])


def test_escaped_brackets_begin_no_reference() -> None:
    assert find_references(r"\[a](b.png)", path="a.md") == []
    assert [one.target for _, one in find_references(r"\\[a](b.png)", path="a.md")] == ["b.png"]


def test_many_references_of_one_chunk_are_told_apart_quickly() -> None:
    many = [(0, Reference(target=f"{number}.png", words="")) for number in range(20_000)]

    assert len(by_chunk(many * 2, [Span(start=0, end=1)])[0]) == 20_000
