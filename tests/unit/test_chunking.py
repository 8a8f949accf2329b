from __future__ import annotations

from florilegium.chunking import split_chunks, split_windows


def count_words(text: str) -> int:
    return len(text.split())


def count_with_two_marks(text: str) -> int:
    return len(text.split()) + 2


def words(count: int, word: str = "rose") -> str:
    return " ".join([word] * count)


def chunks(text: str, max_tokens: int = 200) -> list[str]:
    spans = split_chunks(text, max_tokens=max_tokens, count_tokens=count_words)
    return [text[span.start : span.end] for span in spans]


def windows(text: str, max_tokens: int) -> list[str]:
    spans = split_windows(text, max_tokens=max_tokens, count_tokens=count_words)
    return [text[span.start : span.end] for span in spans]


def test_a_paragraph_of_sixty_tokens_stands_alone() -> None:
    first, second = words(60), words(60, "tulip")

    assert chunks(f"{first}\n\n{second}") == [first, second]


def test_small_paragraphs_are_merged_up_to_the_budget() -> None:
    small = [words(40, name) for name in ("one", "two", "three")]

    assert chunks("\n\n".join(small), max_tokens=100) == [f"{small[0]}\n\n{small[1]}", small[2]]


def test_a_small_paragraph_is_not_merged_with_a_large_one() -> None:
    small, large = words(5), words(90, "tulip")

    assert chunks(f"{small}\n\n{large}\n\n{small}") == [small, large, small]


def test_paragraphs_of_different_sections_are_not_merged() -> None:
    text = "# Rose\n\nA shrub.\n\n# Tulip\n\nA bulb."

    assert chunks(text) == ["# Rose\n\nA shrub.", "# Tulip\n\nA bulb."]


def test_headings_stay_with_what_follows() -> None:
    body = words(70)

    assert chunks(f"# Rose\n\n## Care\n{body}") == [f"# Rose\n\n## Care\n{body}"]


def test_an_underlined_heading_is_a_heading() -> None:
    assert chunks("A shrub.\n\nCare\n====\n\nWater.") == ["A shrub.", "Care\n====\n\nWater."]


def test_a_heading_stays_with_a_paragraph_that_is_over_the_budget() -> None:
    sentence = words(29) + " end."
    text = "# Care\n\n" + " ".join([sentence] * 3).replace("rose", "Rose")

    found = chunks(text, max_tokens=40)

    assert found[0].startswith("# Care\n\nRose")
    assert len(found) == 3


def test_a_heading_without_text_is_not_lost() -> None:
    assert chunks("Text.\n\n# End") == ["Text.", "# End"]


def test_a_picture_goes_with_the_paragraph_below_it() -> None:
    first, second = words(60), words(60, "tulip")
    picture = "![A tulip](tulip.jpg)"

    assert chunks(f"{first}\n\n{picture}\n\n{second}") == [first, f"{picture}\n\n{second}"]


def test_a_picture_at_the_end_goes_with_the_paragraph_above_it() -> None:
    body = words(80)

    assert chunks(f"{body}\n\n![](rose.jpg)") == [f"{body}\n\n![](rose.jpg)"]


def test_a_line_with_a_colon_goes_with_its_list() -> None:
    first, items = words(60), "\n".join(["- " + words(9)] * 8)

    assert chunks(f"{first}\n\nTools:\n\n{items}") == [first, f"Tools:\n\n{items}"]


def test_a_long_paragraph_is_cut_between_sentences_into_even_parts() -> None:
    sentence = "Roses like sun and a deep soil."
    text = " ".join([sentence] * 10)

    assert chunks(text, max_tokens=42) == [" ".join([sentence] * 5)] * 2


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    text = "it needs sun, it needs water, it needs soil, it needs food"

    assert chunks(text, max_tokens=7) == [
        "it needs sun, it needs water,",
        "it needs soil, it needs food",
    ]


def test_a_long_word_is_cut_within_the_budget() -> None:
    spans = split_chunks("ä" * 100, max_tokens=30, count_tokens=len)

    assert all(span.end - span.start <= 30 for span in spans)
    assert sum(span.end - span.start for span in spans) == 100


def test_a_letter_is_not_torn_from_its_accent() -> None:
    text = "e\u0301" * 40

    spans = split_chunks(text, max_tokens=9, count_tokens=len)

    assert all(text[span.start] == "e" for span in spans)


def test_chinese_is_cut_at_its_full_stops() -> None:
    sentence = "玫瑰需要充足的阳光。"

    spans = split_chunks(sentence * 6, max_tokens=30, count_tokens=len)

    assert [span.end - span.start for span in spans] == [30, 30]


def test_lines_that_were_never_wrapped_are_paragraphs() -> None:
    first, second = "玫" * 70 + "。", "瑰" * 70 + "。"

    spans = split_chunks(f"{first}\n{second}", max_tokens=200, count_tokens=len)

    assert len(spans) == 2


def test_code_between_fences_is_one_paragraph() -> None:
    code = "```\n# not a heading\n\nx = 1\n```"

    assert chunks(f"{words(60)}\n\n{code}")[1] == code


def test_an_empty_text_has_no_chunks() -> None:
    assert chunks("") == []
    assert chunks(" \n\n ") == []


def test_tokens_that_every_text_has_are_counted_once_per_chunk() -> None:
    text = ". ".join(["Rose is red"] * 6) + "."

    spans = split_chunks(text, max_tokens=11, count_tokens=count_with_two_marks)

    assert [count_words(text[span.start : span.end]) for span in spans] == [9, 9]


def test_tokens_are_counted_about_once_per_sentence() -> None:
    calls = 0

    def count(text: str) -> int:
        nonlocal calls
        calls += 1
        return count_words(text)

    text = "\n\n".join([" ".join(["Roses like the sun."] * 100)] * 5)
    spans = split_chunks(text, max_tokens=100, count_tokens=count)

    assert calls <= 500 + len(spans) + 5 + 1


def test_a_text_that_fits_is_one_window() -> None:
    assert windows(" one two. Three.\n\nFour. ", 4) == ["one two. Three.\n\nFour."]


def test_windows_are_cut_between_sentences() -> None:
    assert windows("One two. Three four. Five six. Seven.", 4) == [
        "One two. Three four.",
        "Five six. Seven.",
    ]


def test_an_empty_text_has_no_windows() -> None:
    assert windows("\n", 4) == []


def test_a_word_that_counts_as_one_token_is_cut_all_the_same() -> None:
    spans = split_chunks("a" * 100_000, max_tokens=32, count_tokens=lambda text: bool(text))

    assert max(span.end - span.start for span in spans) < 7_000
    assert sum(span.end - span.start for span in spans) == 100_000


def test_marks_without_end_are_cut() -> None:
    text = "e" + "\u0301" * 20_000

    assert len(split_chunks(text, max_tokens=32, count_tokens=len)) < 2_000
