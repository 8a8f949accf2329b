"""Both languages say the same, and the browser's is found."""

from __future__ import annotations

import re
import string

import pytest

from florilegium.server.page import texts
from florilegium.server.page.texts import TEXTS, Say, choose_language
from tests.conftest import ROOT

PAGE = ROOT / "src" / "florilegium" / "server" / "page"
KEY = re.compile(
    r"""["']((?:answer|app|ask|chats|explain|item|library|search)\.[a-z_]*(?:\{[^"}]+\})?)["']"""
)
MADE = re.compile(r"\{[^}]+\}")


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_have_the_sentence_with_the_same_values(key: str) -> None:
    english, chinese = TEXTS[key]

    assert english
    assert chinese
    assert names(english) == names(chinese)


def test_the_page_uses_exactly_the_sentences_that_there_are() -> None:
    used = set()
    for file in PAGE.glob("*.py"):
        if file.name not in {"texts.py", "mounting.py"}:
            used |= set(KEY.findall(file.read_text(encoding="utf-8")))
    made = [re.compile(MADE.sub("[a-z_]+", key)) for key in used if "{" in key]
    plain = {key for key in used if "{" not in key}

    assert plain <= set(TEXTS)
    unused = {
        key for key in TEXTS if key not in plain and not any(one.fullmatch(key) for one in made)
    }
    assert unused == set()


def test_values_are_put_in_and_braces_in_them_stay() -> None:
    assert Say(language="en")("library.failed", count="{x}") == "{x} failed"
    assert Say(language="zh")("app.chat") == "对话"


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr-FR,en;q=0.5,zh;q=0.7", "zh"),
        (None, "en-GB,zh;q=0.9", "en"),
        (None, "zh;q=nonsense,en;q=0.1", "en"),
        ("en", "zh", "en"),
        ("zh", "en", "zh"),
        ("<script>", "en", "en"),
    ],
)
def test_the_chosen_language_wins_then_the_best_accepted_one(
    cookie: str | None, accepted: str, language: str
) -> None:
    assert choose_language(cookie, accepted) == language


def test_the_keys_are_sorted() -> None:
    assert list(texts.TEXTS) == sorted(texts.TEXTS)
