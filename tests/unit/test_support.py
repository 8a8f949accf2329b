"""Sentences of a reply that no source supports are marked, however the stream is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.support import MARKS, SupportMarker
from florilegium.types import Hit, Item, Modality, Source

MARK = MARKS["en"]
INVENTED = "Bees adore purple lavender fields."


def make_hit(text: str, modality: Modality = Modality.TEXT) -> Hit:
    source = Source(root=Path("library"), path="a", size=1, modified_ns=0, content_hash="a")
    item = Item(id=text, source=source, modality=modality, ordinal=0, title="rose", text=text)
    return Hit(item=item, score=0.5, fused=1.0)


HITS = (
    make_hit("Roses are pruned in early spring. Their hips are rich in vitamin C."),
    make_hit("a red flower", Modality.IMAGE),
    make_hit("玫瑰在早春修剪。"),
)


def mark(reply: str, *, question: str = "What of roses?") -> str:
    marker = SupportMarker(known=question, hits=HITS)
    return marker.feed(reply) + marker.finish()


@pytest.mark.parametrize(
    "reply",
    [
        "Roses are pruned in early spring. [1]",
        "Roses are pruned in early spring [1].",
        "Gardeners prune roses when winter ends [1]. Their hips hold much vitamin C. [1]",
        "In early spring roses are pruned. Hips are rich in vitamin C [1].",  # one citation for two
        "The flower has large velvet petals [2].",  # words cannot be compared with a picture
        "Roses need cutting once a year [3].",  # nor with another language
        "Water twice weekly in dry summer months [3]!\n",
        "You ask how penguins breed in deep antarctic winters?",
        "Here is what wild southern gardeners recommend:",
        "Yes.",
        "The sources do not mention how to propagate it from cuttings.",
        "The provided documents don't mention fertilizer schedules.",
        "The picture shows a red flower.",
        "Let me know if you need more about pruning shears!",
        "**Watering, pruning and seasonal maintenance**",
        "### Watering and seasonal garden maintenance",
        "| bees adore purple lavender | fields |\n| wasps adore ripe pears | gardens |",
        "```\nbees.adore(purple, lavender, fields)\nwasps.adore(ripe, pears)\n```",
        "资料中没有提到怎样扦插。",
        "Los rosales trepadores necesitan mucho sol [3].",
        "Nothing in this library answers that.",
        "",
        "  \n\n ",
    ],
)
def test_what_is_supported_or_claims_nothing_is_left_as_it_is(reply: str) -> None:
    assert mark(reply) == reply


@pytest.mark.parametrize(
    ("reply", "marked"),
    [
        (INVENTED, INVENTED + MARK),
        (f"{INVENTED}\n", f"{INVENTED}{MARK}\n"),
        (f"Roses are pruned in early spring [1]. {INVENTED} Roses have hips [1].",
         f"Roses are pruned in early spring [1]. {INVENTED}{MARK} Roses have hips [1]."),
        (f"- {INVENTED}\n- Hips are rich in vitamin C [1]",
         f"- {INVENTED}{MARK}\n- Hips are rich in vitamin C [1]"),
        ("Bees adore purple lavender fields [1].", f"Bees adore purple lavender fields [1].{MARK}"),
        ("Dog roses cure cancer and were invented on Mars by engineers [1].",
         f"Dog roses cure cancer and were invented on Mars by engineers [1].{MARK}"),
        ("蜜蜂喜欢紫色的薰衣草田。", f"蜜蜂喜欢紫色的薰衣草田。{MARKS['zh']}"),
        ("The article on lilies says their pollen is not harmful.",
         f"The article on lilies says their pollen is not harmful.{MARK}"),
        ("I am certain that chocolate strengthens kidneys.",
         f"I am certain that chocolate strengthens kidneys.{MARK}"),
        ("**Chocolate strengthens kidneys wonderfully.**",
         f"**Chocolate strengthens kidneys wonderfully.**{MARK}"),
        ("bees adore purple lavender fields", f"bees adore purple lavender fields{MARK}"),
    ],
)  # fmt: skip
def test_what_no_source_supports_is_marked(reply: str, marked: str) -> None:
    assert mark(reply) == marked


def test_abbreviations_and_numbers_end_no_sentence() -> None:
    reply = "Bees adore 3.5 lavender fields, e.g. purple ones."

    assert mark(reply) == reply + MARK


@pytest.mark.parametrize(
    "label",
    ["Not from the library:", "**Not from the library:**", "*Not from the library*:\n\n",
     "以下内容并非来自资料库:"],
)  # fmt: skip
def test_what_follows_the_label_of_own_knowledge_is_not_marked_again(label: str) -> None:
    reply = f"Roses have hips [1].\n\n{label} {INVENTED}\n\n- Wasps adore ripe garden pears."

    assert mark(reply) == reply


def test_a_mark_that_the_model_wrote_itself_is_not_doubled() -> None:
    reply = f"{INVENTED[:-1]}{MARK}."

    assert mark(reply) == reply


def test_words_of_the_question_need_no_support() -> None:
    asked = "Do bees adore purple lavender fields?"

    assert mark("Bees adore purple lavender fields in spring.", question=asked) == (
        "Bees adore purple lavender fields in spring."
    )


def test_the_marks_are_counted() -> None:
    marker = SupportMarker(known="", hits=HITS)

    marker.feed(f"{INVENTED} {INVENTED} Roses have hips [1].")
    marker.finish()

    assert marker.marked == 2


def test_text_that_is_certain_is_passed_on_at_once() -> None:
    marker = SupportMarker(known="", hits=HITS)

    assert marker.feed("Roses are") == "Roses are"
    assert marker.feed(" pruned in early spring") == " pruned in early spring"
    assert marker.feed(". ") == ""
    assert marker.feed("[1] ") == ""
    assert marker.feed("Hips are rich.") == ". [1] Hips are rich"
    assert marker.finish() == "."


def test_a_citation_that_comes_in_pieces_belongs_to_the_sentence_before_it() -> None:
    marker = SupportMarker(known="", hits=HITS)

    pieces = [*"Gardeners prune roses when winter ends. [1, 2, 3]"]

    assert "".join([*map(marker.feed, pieces), marker.finish()]) == "".join(pieces)
