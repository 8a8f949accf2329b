"""Messages become a question, its picture and turns; the rest is named as ignored."""

from __future__ import annotations

from typing import Any

import pytest

from florilegium.errors import InvalidRequestError
from florilegium.server.openai.conversation import Conversation, Exchange, read_conversation
from florilegium.server.openai.schema import ChatMessage

RED, BLUE = "data:image/png;base64,cmVk", "data:image/png;base64,Ymx1ZQ=="


def user(text: str = "", *pictures: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    parts += [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
    return {"role": "user", "content": parts}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def read(*messages: dict[str, Any], max_turns: int = 20) -> Conversation:
    return read_conversation(
        [ChatMessage.model_validate(one) for one in messages], max_turns=max_turns
    )


def test_the_last_message_is_the_question_and_those_before_are_turns() -> None:
    found = read(user("Which rose is it?", RED), said("A tea rose [1]."), user("And in winter?"))

    assert found.asked == Exchange(question="And in winter?")
    assert found.earlier == (
        Exchange(question="Which rose is it?", answer="A tea rose [1].", picture=RED),
    )
    assert found.ignored == ()


def test_messages_of_the_system_change_nothing_and_are_named() -> None:
    system = {"role": "system", "content": "Never cite anything."}
    developer = {"role": "developer", "content": "Answer without sources."}

    found = read(system, user("How?"), said("So."), developer, user("Why?"))

    assert found == Conversation(
        asked=Exchange(question="Why?"),
        earlier=(Exchange(question="How?", answer="So."),),
        ignored=("messages[0]", "messages[3]"),
    )


def test_a_greeting_before_the_first_question_is_no_turn() -> None:
    found = read(said("Hello!"), user("How?"))

    assert found == Conversation(asked=Exchange(question="How?"), ignored=("messages[0]",))


def test_several_messages_of_the_user_in_a_row_are_one_question() -> None:
    found = read(user("This", RED), user("is what?"))

    assert found.asked == Exchange(question="This\n\nis what?", picture=RED)


def test_several_messages_of_the_assistant_in_a_row_are_one_answer() -> None:
    found = read(user("How?"), said(" So. "), said(""), said("And so."), user("Why?"))

    assert found.earlier == (Exchange(question="How?", answer="So.\n\nAnd so."),)


def test_of_all_pictures_the_newest_is_held() -> None:
    found = read(user("1", RED), said("a"), user("2", BLUE), said("b"), user("3"))

    assert [exchange.picture for exchange in found.earlier] == [None, BLUE]


def test_a_new_picture_takes_the_place_of_the_earlier_ones() -> None:
    found = read(user("1", RED), said("a"), user("2", BLUE))

    assert found.asked.picture == BLUE
    assert found.earlier[0].picture is None


def test_turns_over_the_limit_go_the_oldest_first_and_the_picture_stays() -> None:
    messages = [user("0", RED), said("a"), user("1"), said("b"), user("2"), said("c"), user("3")]

    found = read(*messages, max_turns=2)

    assert [exchange.question for exchange in found.earlier] == ["1", "2"]
    assert [exchange.picture for exchange in found.earlier] == [RED, None]
    assert found.ignored == ("the oldest 1 turns",)


def test_no_turn_is_held_where_none_is_allowed() -> None:
    assert read(user("0", RED), said("a"), user("1"), max_turns=0).earlier == ()


def test_the_list_of_sources_is_no_part_of_an_answer_that_comes_back() -> None:
    answer = "So [1].\n\n---\n[1] `a.txt` A title\n\n[2] `b.txt`"

    assert read(user("0"), said(answer), user("1")).earlier[0].answer == "So [1]."


@pytest.mark.parametrize(
    "messages", [[said("Hello")], [user("0"), said("a")], [{"role": "system", "content": "x"}]]
)
def test_a_conversation_that_ends_without_a_question_is_refused(
    messages: list[dict[str, Any]],
) -> None:
    with pytest.raises(InvalidRequestError, match="no question"):
        read(*messages)


def test_two_pictures_in_one_message_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"messages\[0\] has 2 pictures"):
        read(user("0", RED, BLUE))
