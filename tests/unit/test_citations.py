"""Claims about citation numbers in text, and the quotes behind them."""

from __future__ import annotations

from pathlib import Path
from time import thread_time

import pytest

from florilegium.citations import CitationParser, cite, cited_numbers, find_quote, strip_citations
from florilegium.types import Hit, Item, Modality, Source, Span


def make_hit(text: str, *, start: int | None = 0, modality: Modality = Modality.TEXT) -> Hit:
    source = Source(root=Path("library"), path="a.txt", size=1, modified_ns=0, content_hash="00")
    span = None if start is None else Span(start=start, end=start + len(text))
    item = Item(
        id="a", source=source, modality=modality, ordinal=0, title="A", text=text, span=span
    )
    return Hit(item=item, score=0.5, fused=1.0)


def parse(*pieces: str, count: int = 3) -> tuple[str, CitationParser]:
    parser = CitationParser(count=count)
    text = "".join(parser.feed(piece) for piece in pieces) + parser.finish()
    return text, parser


@pytest.mark.parametrize(
    ("given", "expected", "numbers"),
    [
        ("Red [1].", "Red [1].", (1,)),
        ("Red [2, 3].", "Red [2, 3].", (2, 3)),
        ("Red [2,3].", "Red [2, 3].", (2, 3)),
        ("Red [ 3 ; 1 ].", "Red [3, 1].", (3, 1)),
        ("Red [1-3].", "Red [1, 2, 3].", (1, 2, 3)),
        ("Red [1–2].", "Red [1, 2].", (1, 2)),
        ("红色【1】。", "红色[1]。", (1,)),
        ("红色【2，3】。", "红色[2, 3]。", (2, 3)),
        ("Red [1][2].", "Red [1][2].", (1, 2)),
        ("Red [2]. Blue [1]. Red [2].", "Red [2]. Blue [1]. Red [2].", (2, 1)),
        ("Red [1, 1].", "Red [1].", (1,)),
    ],
)
def test_a_citation_is_found_and_written_in_one_way(
    given: str, expected: str, numbers: tuple[int, ...]
) -> None:
    text, parser = parse(given)

    assert text == expected
    assert parser.numbers == numbers
    assert parser.removed == 0


@pytest.mark.parametrize(
    ("given", "expected", "removed"),
    [
        ("Red [4].", "Red.", 1),
        ("Red [0].", "Red.", 1),
        ("Red [1, 9].", "Red [1].", 1),
        ("Red [8] [9] and blue.", "Red and blue.", 2),
        ("Red [2-5].", "Red [2, 3].", 2),
        ("Red [1-9999999].", "Red [1].", 1),
        ("红【7】。", "红。", 1),
    ],
)
def test_a_number_that_does_not_exist_is_taken_out_and_counted(
    given: str, expected: str, removed: int
) -> None:
    text, parser = parse(given)

    assert text == expected
    assert parser.removed == removed


@pytest.mark.parametrize(
    "text",
    [
        "a[i] = b",
        "[]",
        "[note]",
        "[1",
        "[ , ]",
        "see [1a]",
        "1] or [",
        "x 【注】",
        "tail  ",
        "[1 2]",
    ],
)
def test_what_is_no_citation_passes_unchanged(text: str) -> None:
    assert parse(text)[0] == text
    assert parse(*text)[0] == text


def test_only_what_may_become_a_citation_is_held_back() -> None:
    parser = CitationParser(count=3)

    assert parser.feed("Roses are red [") == "Roses are red"
    assert parser.feed("1") == ""
    assert parser.feed("] and") == " [1] and"
    assert parser.finish() == ""


def test_a_bracket_that_never_closes_is_let_go_at_the_end() -> None:
    parser = CitationParser(count=3)

    assert parser.feed("Red [1, 2") == "Red"
    assert parser.finish() == " [1, 2"
    assert parser.numbers == ()


def test_a_bracket_with_a_very_long_list_is_not_held_back_forever() -> None:
    parser = CitationParser(count=3)

    shown = parser.feed("[" + "1," * 40)

    assert shown == "[" + "1," * 40


def test_stripping_leaves_the_words() -> None:
    assert strip_citations("Red [1]. 蓝【2】。 a[i]") == "Red. 蓝。 a[i]"


@pytest.mark.parametrize("text", [" " * 40_000, "a" + "\t" * 40_000 + "b", "[" + " " * 40_000])
def test_a_text_of_very_many_blanks_takes_no_time(text: str) -> None:
    # One process serves everybody, and a search by a pattern lets nobody else run meanwhile.
    parser = CitationParser(count=2)
    begun = thread_time()

    assert strip_citations(text) == text
    assert cited_numbers(text) == []
    assert parser.feed(text) + parser.finish() == text

    assert thread_time() - begun < 1


def test_a_quote_is_found_with_its_place() -> None:
    assert find_quote("Roses are red.", "Hm. Roses are red. So.") == (
        "Roses are red.",
        Span(start=4, end=18),
    )


def test_a_quote_is_found_across_a_line_break_and_a_foreign_reference() -> None:
    text = "Roses\n  are[3] very red.\nSo."

    assert find_quote("Roses are very red.", text) == (
        "Roses\n  are[3] very red.",
        Span(start=0, end=24),
    )


def test_a_wrapped_chinese_quote_is_found() -> None:
    assert find_quote("茶叶怕光、怕潮。", "前言。茶叶\n怕光、怕潮。") == (
        "茶叶\n怕光、怕潮。",
        Span(start=3, end=12),
    )


def test_the_last_sentence_of_a_claim_is_tried_when_the_whole_is_not_there() -> None:
    found = find_quote("As the book says so well. Roses are red.", "Roses are red. So.")

    assert found == ("Roses are red.", Span(start=0, end=14))


def test_words_in_quotation_marks_are_looked_for() -> None:
    found = find_quote('The text says "roses are red", plainly', "All roses are red here.")

    assert found == ("roses are red", Span(start=4, end=17))


def test_own_words_give_no_quote() -> None:
    assert find_quote("They have a colour like blood.", "Roses are red.") is None


def test_a_claim_too_short_to_be_a_quote_gives_none() -> None:
    assert find_quote("red", "Roses are red.") is None


def test_a_citation_carries_the_quote_and_its_place_in_the_source() -> None:
    hit = make_hit("Roses are red. Violets are blue.", start=100)

    (citation,) = cite("Violets are blue. [1]", [hit])

    assert citation.number == 1
    assert citation.hit is hit
    assert citation.quote == "Violets are blue."
    assert citation.span == Span(start=115, end=132)


def test_a_citation_before_the_full_stop_finds_its_quote_too() -> None:
    hits = [make_hit("Roses are red."), make_hit("Violets are blue.")]

    first, second = cite("Roses are red [1]. Violets are blue [2].", hits)

    assert first.quote == "Roses are red"
    assert second.quote == "Violets are blue"


def test_citations_come_in_the_order_of_first_use_once_each() -> None:
    hits = [make_hit("Roses are red."), make_hit("Violets are blue.")]

    citations = cite("Violets are blue. [2] Roses are red. [1] Blue they are. [2]", hits)

    assert [citation.number for citation in citations] == [2, 1]
    assert citations[0].quote == "Violets are blue."


def test_a_later_use_brings_the_quote_that_the_first_lacked() -> None:
    (citation,) = cite(
        "Their colour is that of blood. [1] Roses are red. [1]",
        [
            make_hit("Roses are red."),
        ],
    )

    assert citation.quote == "Roses are red."


def test_two_markers_side_by_side_share_their_claim() -> None:
    hits = [make_hit("Roses are red."), make_hit("Indeed: Roses are red.")]

    citations = cite("Roses are red. [1][2]", hits)

    assert [citation.quote for citation in citations] == ["Roses are red.", "Roses are red."]


def test_a_picture_is_cited_without_a_quote() -> None:
    hit = make_hit("Roses are red.", start=None, modality=Modality.IMAGE)

    (citation,) = cite("Roses are red. [1]", [hit])

    assert citation.quote is None
    assert citation.span is None


def test_a_text_without_a_span_gives_a_quote_without_a_place() -> None:
    (citation,) = cite("Roses are red. [1]", [make_hit("Roses are red.", start=None)])

    assert citation.quote == "Roses are red."
    assert citation.span is None


def test_numbers_outside_the_hits_are_passed_over() -> None:
    assert cite("Roses are red. [2]", [make_hit("Roses are red.")]) == ()


def test_the_numbers_of_all_markers_are_listed_once_in_order() -> None:
    assert cited_numbers("A [2]. B [1, 2] and [3-5] but not [x].") == [2, 1, 3, 4, 5]
    assert cited_numbers("Nothing.") == []


@pytest.mark.parametrize(
    ("reply", "written", "removed"),
    [
        ("Red [Source 1].", "Red [1].", 0),
        ("Red ［2］.", "Red [2].", 0),
        ("红 [来源1]。", "红 [1]。", 0),
        ("Red [sources 1, 9].", "Red [1].", 1),
        ("Red [Source 9].", "Red.", 1),
        ("A [Sour", "A [Sour", 0),
        ("A [source code].", "A [source code].", 0),
    ],
)
def test_other_ways_to_write_a_citation_are_read_however_they_are_cut(
    reply: str, written: str, removed: int
) -> None:
    for pieces in ([reply], list(reply)):
        parser = CitationParser(count=2)

        text = "".join([*(parser.feed(piece) for piece in pieces), parser.finish()])

        assert (text, parser.removed) == (written, removed)
