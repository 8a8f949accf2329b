"""Traditional characters count as simplified ones, one by one, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.simplified import simplify

HAN = st.text(st.characters(min_codepoint=0x3400, max_codepoint=0x9FFF))


@pytest.mark.parametrize(
    ("traditional", "simple"),
    [
        ("雛菊", "雏菊"),
        ("諾曼人從哪裡來", "诺曼人从哪里来"),
        ("臺灣", "台湾"),
        ("乾燥", "干燥"),  # its usual form, whatever the word is
        ("玫瑰", "玫瑰"),
        ("a 國 b", "a 国 b"),
        ("ばら、薔薇", "ばら、蔷薇"),
        ("한글", "한글"),
        ("roses", "roses"),
        ("", ""),
    ],
)
def test_each_traditional_character_becomes_its_simplified_form(
    traditional: str, simple: str
) -> None:
    assert simplify(traditional) == simple


@given(HAN)
def test_the_length_stays_and_a_second_time_changes_nothing(text: str) -> None:
    once = simplify(text)

    assert len(once) == len(text)
    assert simplify(once) == once


@pytest.mark.parametrize("text", ["薴", "苧"])
def test_characters_that_lead_to_each_other_end_at_one(text: str) -> None:
    assert simplify(text) == "苎"
