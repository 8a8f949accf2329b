"""Which replies are captions, and which pictures want one."""

from __future__ import annotations

import pytest

from florilegium.config import ChatConfig
from florilegium.config_sections import IngestConfig
from florilegium.fields import MACHINE_CAPTION
from florilegium.machine_captions import (
    PROBLEMS,
    Mode,
    Reading,
    caption_recipe,
    read_reply,
    wants_caption,
    with_machine_caption,
)


def caption(reply: str, *, is_cut: bool = False) -> str:
    reading = read_reply(reply, is_cut=is_cut)
    assert reading.problem is None, reading
    return reading.caption


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("A red rose by a wall.", "A red rose by a wall."),
        ("  A rose.\n\nA sign says “Kew”.  ", "A rose. A sign says “Kew”."),
        ('"A red rose by a wall."', "A red rose by a wall."),
        ("“一朵红玫瑰。”", "一朵红玫瑰。"),
        ('"STOP" says a red sign.', '"STOP" says a red sign.'),
        ("Caption: A red rose.", "A red rose."),
        ("**Caption:** A red rose.", "A red rose."),
        ("Sure! Here is a caption:\n\nA red rose.", "A red rose."),
        ("Here's a short description of the picture: A red rose.", "A red rose."),
        ("描述：一朵红玫瑰。", "一朵红玫瑰。"),
        ("A **red** rose.<|im_end|>", "A red rose."),
        ("I should look closely.</think>\n\nA red rose.", "A red rose."),
        ("A rose\x00 and\ta bee", "A rose and a bee"),
        ("The sign reads: 'Error 404'.", "The sign reads: 'Error 404'."),
        ("Error message on a blue screen.", "Error message on a blue screen."),
        ("Sorrel in a meadow.", "Sorrel in a meadow."),
        ("An iris. I cannot tell its colour.", "An iris."),
        ("A man. I’m sorry, but I can’t say who. Ask for something else.", "A man."),
    ],
)
def test_a_reply_is_made_one_line_that_says_what_is_seen(reply: str, wanted: str) -> None:
    assert caption(reply) == wanted


@pytest.mark.parametrize(
    "reply",
    [
        "I'm sorry, but I can't help with that. Ask me about something else.",
        "I’m sorry, I cannot describe this picture.",
        "I am really sorry about that.",
        "Sorry, no.",
        "I cannot see any picture.",
        "I can't assist with that request.",
        "I'm unable to view images.",
        "I don't see an image. Please upload it.",
        "As an AI language model, I do not see.",
        "Unfortunately, I cannot.",
        "There is no image in your message.",
        "Please provide the image that you want described.",
        "**I cannot** do this.",
        "很抱歉，我无法识别这张图片。",
        "我无法查看图片。",
        "作为一个人工智能，我看不到。",
        "请上传图片。",
    ],
)
def test_a_refusal_is_no_caption(reply: str) -> None:
    assert read_reply(reply, is_cut=False) == Reading(problem="caption_refused")


@pytest.mark.parametrize("reply", ["", "  \n", "...", "?!", "<|im_end|>", "thoughts</think>", '""'])
def test_an_empty_reply_is_no_caption(reply: str) -> None:
    assert read_reply(reply, is_cut=False) == Reading(problem="caption_empty")


@pytest.mark.parametrize(
    "reply",
    [
        "Error: connection refused",
        "Error 500",
        "Internal Server Error",
        "502 Bad Gateway",
        "HTTP/1.1 503 Service Unavailable",
        "An error occurred while processing your request.",
        "RuntimeError: CUDA out of memory.",
        "Traceback (most recent call last):",
        '{"error": {"message": "busy"}}',
        "<!DOCTYPE html><html><body>Busy</body></html>",
        "Too many requests, slow down.",
    ],
)
def test_the_text_of_an_error_is_no_caption(reply: str) -> None:
    assert read_reply(reply, is_cut=False) == Reading(problem="caption_error")


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("A red rose. It stands by a wall, and there", "A red rose."),
        ("A red rose. It stands by a wall.", "A red rose. It stands by a wall."),
        ("一朵红玫瑰。旁边有一只", "一朵红玫瑰。"),
        ("A sign says “Kew.” Behind it", "A sign says “Kew.”"),
    ],
)
def test_of_a_reply_that_was_cut_the_whole_sentences_are_kept(reply: str, wanted: str) -> None:
    assert caption(reply, is_cut=True) == wanted


@pytest.mark.parametrize("reply", ["A red rose by a", "", "<|end|>"])
def test_a_reply_that_was_cut_in_its_first_sentence_is_no_caption(reply: str) -> None:
    assert read_reply(reply, is_cut=True) == Reading(problem="caption_cut")


def test_what_is_said_again_is_left_out() -> None:
    assert caption("A red rose.\nA bee.\n" * 30 + "A red", is_cut=True) == "A red rose. A bee."


@pytest.mark.parametrize(
    ("reply", "is_cut"),
    [
        ("a rose and a rose and a rose and a rose and a rose and a rose and", True),
        ("The sign says 哈哈哈哈哈哈哈哈哈哈哈哈", False),
    ],
)
def test_a_reply_that_only_loops_is_no_caption(reply: str, is_cut: bool) -> None:
    assert read_reply(reply, is_cut=is_cut) == Reading(problem="caption_repeats")


def test_what_was_said_before_a_loop_is_kept() -> None:
    assert caption(f"A red rose. It is {'very ' * 40}", is_cut=True) == "A red rose."
    assert caption("A form. Name: ______________________.") == (
        "A form. Name: ______________________."
    )


def test_a_reply_of_the_longest_kind_is_read_fast() -> None:
    reply = "".join(f"{number} roses and " for number in range(400))[:4001]

    assert read_reply(reply, is_cut=True) == Reading(problem="caption_cut")


def test_every_problem_has_words_and_a_way_out() -> None:
    assert all(reason and hint for reason, hint in PROBLEMS.values())
    assert len(PROBLEMS) == 5


# -- which pictures, and by which recipe --


@pytest.mark.parametrize(
    ("mode", "fields", "words", "wanted"),
    [
        ("missing", (), (), True),
        ("missing", (("creator", "Ana"), ("label", "rose")), (), True),
        ("missing", ((MACHINE_CAPTION, "A rose."),), ("",), True),
        ("missing", (("caption", "A rose"),), (), False),
        ("missing", (("keywords", "rose"),), (), False),
        ("missing", (("title", "..."),), (), True),
        ("missing", (), ("by the gate",), False),
        ("all", (("caption", "A rose"),), ("by the gate",), True),
        ("off", (), (), False),
    ],
)
def test_missing_means_that_nobody_said_in_words_what_a_picture_shows(
    mode: Mode, fields: tuple[tuple[str, str], ...], words: tuple[str, ...], wanted: bool
) -> None:
    assert wants_caption(mode, fields=fields, words_at_links=words) is wanted


def test_a_machine_caption_replaces_the_last_one_and_nothing_else() -> None:
    fields = (("caption", "A rose"),)
    one = with_machine_caption(fields, "It is red.")

    assert one == (("caption", "A rose"), (MACHINE_CAPTION, "It is red."))
    assert with_machine_caption(one, "Red.") == (("caption", "A rose"), (MACHINE_CAPTION, "Red."))
    assert with_machine_caption(one, "") == fields


def test_another_model_or_prompt_is_another_recipe_and_off_is_none() -> None:
    missing = IngestConfig(captions="missing")
    recipes = {
        caption_recipe(missing, ChatConfig(name="openai:a")),
        caption_recipe(missing, ChatConfig(name="openai:b")),
        caption_recipe(missing.model_copy(update={"caption_prompt": "?"}), ChatConfig(name="x:y")),
        caption_recipe(missing, ChatConfig(name="openai", base_url="http://one/v1")),
        caption_recipe(missing, ChatConfig(name="openai", base_url="http://two/v1")),
    }

    assert len(recipes) == 5
    assert None not in recipes
    assert caption_recipe(IngestConfig(), ChatConfig(name="openai:a")) is None


def test_a_recipe_holds_no_key_of_an_address() -> None:
    chat = ChatConfig(name="openai", base_url="http://one/v1?key=s3cr3t")

    assert "http://one/v1?key=***" in str(caption_recipe(IngestConfig(captions="all"), chat))


def test_more_room_and_the_other_mode_are_the_same_recipe() -> None:
    chat = ChatConfig(name="openai:a", base_url="http://one/v1")
    other = chat.model_copy(update={"base_url": "http://two/v1"})
    config = IngestConfig(captions="all", caption_max_tokens=999)

    assert caption_recipe(IngestConfig(captions="missing"), chat) == caption_recipe(config, other)
