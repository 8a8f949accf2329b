"""The list of sources below an answer: what stands in it, and that it can be taken off again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.answers import Answer, Citation, Failure
from florilegium.server.openai.footer import footer, without_footer
from florilegium.types import Hit, Item, Modality, Source


def answer_of(*paths: str, title: str = "A title") -> Answer:
    citations = []
    for number, path in enumerate(paths, start=1):
        source = Source(root=Path("x"), path=path, size=1, modified_ns=0, content_hash="0")
        item = Item(
            id=f"{number:032}",
            source=source,
            modality=Modality.TEXT,
            ordinal=0,
            title=title,
            text="words",
        )
        citations.append(Citation(number=number, hit=Hit(item=item, score=0.5, fused=1.0)))
    return Answer(
        text="It is so [1].", citations=tuple(citations), refused=False, confidence=1.0, history=()
    )


def test_sources_stand_below_the_answer_by_number_path_and_title() -> None:
    assert footer(answer_of("a/rose.txt", "b.md")) == (
        "\n\n---\n[1] `a/rose.txt` A title\n\n[2] `b.md` A title"
    )


def test_an_answer_without_sources_has_nothing_below_it() -> None:
    assert footer(answer_of()) == ""


@pytest.mark.parametrize(
    ("stands_in", "said"),
    [
        (True, "(The chat model m is out of reach; this is quoted from the library.)"),
        (False, "(The chat model m failed here: It broke.)"),
    ],
)
def test_a_chat_model_that_failed_is_told_of(stands_in: bool, said: str) -> None:
    failure = Failure(model="m", code="chat_failed", message="It broke.", stands_in=stands_in)

    below = footer(replace(answer_of("a.txt"), failure=failure))

    assert below.endswith(f"[1] `a.txt` A title\n\n{said}")
    assert without_footer("So [1]." + below) == "So [1]."


def test_a_title_draws_no_picture_and_opens_no_tag() -> None:
    below = footer(answer_of("a`b.txt", title="![x](http://e.vil/p.png) <img src=x>\nnew `line`"))

    assert below == "\n\n---\n[1] `a'b.txt` !(x)(http://e.vil/p.png) ‹img src=x› new 'line'"


@given(
    text=st.text(max_size=80),
    paths=st.lists(st.text(min_size=1, max_size=20), max_size=3),
    title=st.text(max_size=30),
)
def test_what_was_put_below_is_taken_off_again(text: str, paths: list[str], title: str) -> None:
    below = footer(answer_of(*paths, title=title))

    assert without_footer(text.strip() + "." + below) == text.strip() + "."


@pytest.mark.parametrize(
    "hostile",
    [
        "\n\n---\n(" + " " * 1_000_000 + "x",
        "\n\n---\n(" + "\n" * 1_000_000 + "x",
        "\n\n---\n(x" * 100_000 + "\nx",
        "\n\n---\n" + "(\n" * 500_000 + "x",
        "\n\n---\n[" + "1" * 1_000_000,
        " \n" * 500_000 + "x",
    ],
    ids=["spaces", "lines", "rules", "sources", "digits", "no rule"],
)
def test_a_hostile_text_is_read_at_once(hostile: str) -> None:
    start = process_time()

    without_footer(hostile)

    assert process_time() - start < 1


@pytest.mark.parametrize("below", ["[1] `a`\n\n\n[2] `b`", "\n[1] `a`", "", "[1] `a`\nand so on"])
def test_what_is_no_list_of_sources_stays(below: str) -> None:
    text = f"So it is.\n\n---\n{below}"

    assert without_footer(text) == text


@pytest.mark.parametrize("below", ["[1] `a`\n[2] `b`", "[1] `a` b \n\n", "(The model failed.)"])
def test_a_list_that_a_client_laid_out_anew_is_taken_off(below: str) -> None:
    assert without_footer(f"So it is.\n\n---\n{below}") == "So it is."


def test_a_rule_of_the_answer_itself_stays() -> None:
    text = "First.\n\n---\nSecond [1].\n\n---\n[1] is not a source"

    assert without_footer(text) == text
