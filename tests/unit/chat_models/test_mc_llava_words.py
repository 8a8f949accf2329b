from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from florilegium.chat_models.mc_llava.words import Speech, Words, open_words
from florilegium.errors import WeightsNotFoundError
from tests.torch.tiny_mc_llava import CONFIG, write_tokenizer

IMAGE = CONFIG["image_token_index"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tokenizer(tmp_path / "tokenizer.json")
    return tmp_path


@pytest.fixture
def words(folder: Path) -> Words:
    return open_words(folder, image_token=IMAGE)


def test_control_tokens_of_a_prompt_are_one_token_each(words: Words) -> None:
    ids = words.encode("<|im_start|>user\n<image>\nWhich?<|im_end|>\n")

    assert ids.count(IMAGE) == 1
    assert len(ids) == len("user\n\nWhich?\n") + 3


def test_a_reply_ends_with_its_message_or_with_the_text(words: Words, folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    assert words.ends == {
        tokenizer.token_to_id("<|im_end|>"),
        tokenizer.token_to_id("<|endoftext|>"),
    }


def test_a_character_is_said_once_all_of_its_bytes_are_there(words: Words) -> None:
    speech = Speech(words)

    said = [speech.feed(token) for token in words.encode("a花 b")]

    assert said == ["a", "", "", "花", " ", "b"]
    assert speech.finish() == ""


def test_what_is_unfinished_at_the_end_is_said_then(words: Words) -> None:
    speech = Speech(words)
    for token in words.encode("花")[:2]:
        assert speech.feed(token) == ""

    assert speech.finish() == "\ufffd"


def test_control_tokens_are_not_said(words: Words) -> None:
    speech = Speech(words)

    said = [speech.feed(token) for token in words.encode("a<image>b")]

    assert said == ["a", "", "b"]


def test_a_tokenizer_with_another_picture_token_is_refused(folder: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=r"'<image>' is 259 in it, expected 50297"):
        open_words(folder, image_token=50297)


def test_a_tokenizer_without_chatml_is_refused(folder: Path) -> None:
    file = folder / "tokenizer.json"
    file.write_text(file.read_text("utf-8").replace("<|im_end|>", "<|end|>"), "utf-8")

    with pytest.raises(WeightsNotFoundError, match=r"\[None, 256\]"):
        open_words(folder, image_token=IMAGE)


@pytest.mark.parametrize("text", [None, "{", "{}"])
def test_a_tokenizer_that_cannot_be_read_is_refused(folder: Path, text: str | None) -> None:
    file = folder / "tokenizer.json"
    if text is None:
        file.unlink()
    else:
        file.write_text(text, encoding="utf-8")

    with pytest.raises(WeightsNotFoundError, match=r"tokenizer\.json.*cannot be read"):
        open_words(folder, image_token=IMAGE)
