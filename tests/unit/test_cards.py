from __future__ import annotations

import unicodedata

import pytest

from florilegium.cards import (
    caption,
    card_words,
    name_of_text,
    picture_name,
    shown_title,
    title_words,
)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("roses/IMG_0234_red-rose.jpg", "roses red rose"),
        ("flowers5/daisy/10140303196_b88d3d6cec.jpg", "flowers daisy"),
        ("月季/红玫瑰_01.jpg", "月季 红玫瑰"),
        ("गुलाब/लाल.png", "गुलाब लाल"),
        ("RedRose.jpg", "Red Rose"),
        ("rose/Rose 2.jpg", "rose"),
        ("Lady's mantle.png", "Lady's mantle"),
        ("WhatsApp Image 2024-01-02 at 10.11.12.jpg", ""),
        ("DCIM/P1010234.JPG", ""),
        ("550e8400-e29b-41d4-a716-446655440000.png", ""),
        ("photos/bee1.jpg", "bee"),
        ("decade.jpg", "decade"),
        ("800x600/DSCF1234-tulip.jpg", "tulip"),
        ("微信图片_20240601120000.jpg", ""),
        ("mmexport1717212345678.jpg", ""),
        ("屏幕截图 2024-06-01 120000.png", ""),
        ("图片/郁金香 - 副本 (2).jpg", "郁金香"),
        ("月季/月季3.jpg", "月季"),
    ],
)
def test_the_words_of_a_path_are_those_that_people_gave(path: str, words: str) -> None:
    assert card_words(path) == words


def test_decomposed_names_are_composed() -> None:
    assert card_words(unicodedata.normalize("NFD", "café/Äpfel.jpg")) == "café Äpfel"


def test_a_title_is_the_words_of_the_stem() -> None:
    assert title_words("roses/IMG_0234_red-rose.jpg") == "red rose"


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("objects/inv-1001.jpg", "inv 1001"),
        ("latin1.txt", "latin1"),
        ("rand 1.jpg", "rand 1"),
        ("rose (2).jpg", "rose 2"),
        ("月季/月季3.jpg", "月季3"),
        ("roses/IMG_0234_red-rose.jpg", "red rose"),
        ("daisy_b88d3d6cec.jpg", "daisy"),
        ("IMG_0234.jpg", "IMG_0234"),
        ("1001.jpg", "1001"),
    ],
)
def test_a_shown_title_keeps_the_numbers_that_people_gave(path: str, title: str) -> None:
    assert shown_title(path) == title


def test_texts_that_are_numbered_have_one_name_unless_they_have_titles() -> None:
    assert name_of_text("rose 001", "rose_001.txt") == name_of_text("rose 2", "rose-2.txt")
    assert name_of_text("rose 001", "rose_001.txt") == "rose"
    assert name_of_text("Apollo 11", "rose_001.txt") == "Apollo 11"


def test_a_title_without_words_is_the_stem() -> None:
    assert title_words("roses/IMG_0234.jpg") == "IMG_0234"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("roses/IMG_0234_red-rose.jpg", "red rose"),
        ("flowers5/daisy/10140303196_b88d3d6cec.jpg", "daisy"),
        ("dog rose/2024/IMG_1.jpg", "dog rose"),
        ("月季/IMG_1.jpg", "月季"),
        ("IMG_0234.jpg", ""),
    ],
)
def test_a_picture_is_called_by_its_stem_or_its_nearest_folder_with_words(
    path: str, name: str
) -> None:
    assert picture_name(path) == name


def test_a_caption_has_the_words_of_path_links_and_fields_in_this_order() -> None:
    fields = (
        ("caption", "By the gate"), ("creator", "Ana"), ("keywords", "old"), ("keywords", "thorny"),
        ("label", "Rosa gallica"), ("title", "Velvet"),
    )  # fmt: skip

    assert caption("roses/IMG_1.jpg", ["in June"], fields) == (
        "roses\nin June\nVelvet\nBy the gate\nold, thorny\nRosa gallica"
    )


def test_what_was_said_is_not_said_again_but_parts_of_words_are_no_words() -> None:
    fields = (
        ("caption", "A DOG  rose."), ("caption", "a dog rose"), ("keywords", "dog rose"),
        ("keywords", "do"), ("label", "Roses"), ("title", "..."),
    )  # fmt: skip

    assert caption("roses/a.jpg", ["a dog rose", ""], fields) == "roses a\na dog rose\ndo"


def test_what_a_machine_said_comes_last_and_only_if_it_is_new() -> None:
    fields = (("caption", "A red rose"),)

    said = caption("IMG_1.jpg", ["in June"], fields, machine_caption="A rose by a wall.")

    assert said == "in June\nA red rose\nA rose by a wall."
    assert caption("IMG_1.jpg", [], fields, machine_caption="a red rose.") == "A red rose"
    assert caption("IMG_1.jpg", [], machine_caption="A rose.") == "A rose."
