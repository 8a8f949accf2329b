"""What the picture of a question shows decides which text is read."""

from __future__ import annotations

from collections.abc import Sequence

from florilegium.answers import Candidate, Event, Retrieved, Turn
from florilegium.asking import Found, Wanted
from florilegium.chat import Tools, answer_events
from florilegium.config import ChatConfig
from florilegium.evidence import Evidence
from florilegium.protocols import ChatModel
from florilegium.testing.chat_model import FakeChatModel
from florilegium.types import Picture
from tests.unit.chat_samples import (
    BLUE,
    HITS,
    RED,
    answer_of,
    make_tools,
    render_text,
)

PRUNING = "How do I prune it?"
ROSE_OR_TULIP = (
    Candidate(name="tulip", share=0.6, path="tulip.txt"),
    Candidate(name="rose", share=0.4, path="rose.txt"),
)


def ask_about_picture(
    model: ChatModel,
    *,
    is_known: bool = False,
    history: Sequence[Turn] = (),
    question: str = PRUNING,
) -> tuple[list[tuple[str, str | None]], list[Event]]:
    """Return what was searched for, with the text that was to be read, and the events."""
    searches: list[tuple[str, str | None]] = []

    def search(wanted: Wanted) -> Found:
        searches.append((wanted.text, wanted.about))
        return Found(
            hits=HITS if wanted.about != "rose.txt" else HITS[:1],
            evidence=Evidence(confidence=0.9, reasons=("It matches.",)),
            searched=wanted.text,
            candidates=ROSE_OR_TULIP,
            is_known=is_known,
        )

    tools = Tools(
        search=search, chat_model=model, open_image=lambda _: BLUE, config=ChatConfig(name="fake")
    )
    image = None if history else Picture(image=RED)
    return searches, list(answer_events(question, image=image, history=history, tools=tools))


def test_the_name_that_the_model_chooses_decides_which_text_is_read() -> None:
    model = FakeChatModel(["2", "In spring [1]."])

    searches, events = ask_about_picture(model)

    assert searches == [(PRUNING, None), (f"rose {PRUNING}", "rose.txt")]
    answer = answer_of(events)
    assert answer.hits == HITS[:1]
    assert answer.searched == f"rose {PRUNING}"
    assert answer.identification is not None
    assert (answer.identification.by, answer.identification.chosen) == ("model", ROSE_OR_TULIP[1])
    assert "The user's picture most likely shows: “rose”." in render_text(model.received[1][-1])


def test_a_model_that_finds_that_no_name_fits_is_not_told_one() -> None:
    model = FakeChatModel(["0", "In spring [1]."])

    searches, events = ask_about_picture(model)

    assert searches == [(PRUNING, None)]
    identification = answer_of(events).identification
    assert identification is not None
    assert (identification.by, identification.chosen) == ("model", None)
    asked = render_text(model.received[1][-1])
    assert "most likely shows" not in asked
    assert "none of the things that the library names" in asked


def test_a_blind_model_is_told_what_the_vote_decided() -> None:
    model = FakeChatModel(["In spring [1]."], max_images=0)

    searches, events = ask_about_picture(model)

    assert searches == [(PRUNING, None)]
    identification = answer_of(events).identification
    assert identification is not None
    assert (identification.by, identification.chosen) == ("vote", ROSE_OR_TULIP[0])
    assert identification.note == "fake sees no pictures."
    assert "The user's picture most likely shows: “tulip”." in render_text(model.received[0][-1])


def test_a_picture_that_is_in_the_library_needs_no_guess() -> None:
    model = FakeChatModel(["In spring [1]."])

    _, events = ask_about_picture(model, is_known=True)

    identification = answer_of(events).identification
    assert identification is not None
    assert (identification.by, identification.chosen) == ("known", ROSE_OR_TULIP[0])


def test_what_a_picture_was_found_to_show_stays_in_play() -> None:
    _, first = ask_about_picture(FakeChatModel(["2", "In spring [1]."]))
    history = answer_of(first).history
    model = FakeChatModel(["How do I water the rose?", "Deeply [1]."])

    searches, events = ask_about_picture(model, history=history, question="How do I water it?")

    asked = "How do I water the rose?"
    assert searches == [(asked, None), (asked, "rose.txt")]
    assert answer_of(events).identification == history[-1].identification


def test_a_question_that_is_not_about_the_picture_asks_for_no_name() -> None:
    model = FakeChatModel(["In spring [1]."])

    _, events = ask_about_picture(model, question="When do gardeners prune roses in England?")

    assert answer_of(events).identification is None
    assert len(model.received) == 1


def test_a_question_that_the_model_finds_to_stand_alone_leaves_the_picture_out() -> None:
    _, first = ask_about_picture(FakeChatModel(["2", "In spring [1]."]))
    alone = "Is it true that moss spoils English lawns?"
    model = FakeChatModel([alone, "Rake it [1]."])

    _, events = ask_about_picture(model, history=answer_of(first).history, question=alone)

    assert isinstance(events[0], Retrieved)
    assert not events[0].with_image
    assert answer_of(events).identification is None


def test_what_a_later_turn_found_the_picture_to_show_is_kept() -> None:
    model = FakeChatModel(["It lives in hedges [1]."])
    _, first = ask_about_picture(model, question="Where do hedgehogs hibernate in England?")
    seeing = FakeChatModel(["What does it show?", "2", "A rose [1]."])
    _, second = ask_about_picture(
        seeing, history=answer_of(first).history, question="What does it show, then?"
    )
    blind = FakeChatModel(["How do I prune it in winter?", "Late [1]."])

    _, third = ask_about_picture(
        blind, history=answer_of(second).history, question="How do I prune it in winter, though?"
    )

    assert answer_of(first).identification is None
    assert answer_of(third).identification == answer_of(second).identification
    assert answer_of(third).identification is not None


def test_only_the_newest_picture_is_held() -> None:
    _, first = ask_about_picture(FakeChatModel(["2", "In spring [1]."]))
    (turn,) = answer_of(first).history
    tools = make_tools(FakeChatModel(["It is blue [1]."]))
    image = Picture(image=BLUE)

    events = list(answer_events("", image=image, history=[turn], tools=tools))

    history = answer_of(events).history
    assert [one.image for one in history] == [None, BLUE]
    assert history[0].identification == turn.identification


def test_a_name_that_is_searched_for_already_is_not_added_again() -> None:
    model = FakeChatModel(["2", "In spring [1]."])

    searches, _ = ask_about_picture(model, question="How do I prune roses like this?")

    assert searches[-1] == ("How do I prune roses like this?", "rose.txt")
