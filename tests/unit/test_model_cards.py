from __future__ import annotations

import re

import pytest

from florilegium.model_cards import ModelCard, PinnedFile, find_card, read_cards
from florilegium.models import is_inner_path, model_name

CARDS = read_cards()
each_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)


def test_cards_have_names_and_sources_of_their_own() -> None:
    assert len({card.name for card in CARDS}) == len({card.source for card in CARDS}) == len(CARDS)


@each_card
def test_the_name_of_a_card_is_the_name_of_its_folder(card: ModelCard) -> None:
    assert model_name(card.name) == card.name
    assert model_name(card.source) == card.name


@each_card
def test_a_revision_is_a_commit_and_no_branch_that_moves(card: ModelCard) -> None:
    assert card.revision is None or re.fullmatch(r"[0-9a-f]{40}", card.revision)


@each_card
def test_the_files_of_a_card_are_within_its_folder_and_have_whole_hashes(card: ModelCard) -> None:
    for file in card.files:
        assert is_inner_path(file.path)
        assert file.size > 0
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)


@each_card
def test_a_card_says_what_may_be_done_with_the_model(card: ModelCard) -> None:
    assert card.licence or card.licence_note


@each_card
def test_every_number_names_where_it_was_published(card: ModelCard) -> None:
    for number in card.numbers:
        assert 0 < number.value < 100
        assert number.task
        assert number.source


@each_card
def test_languages_are_codes_or_many(card: ModelCard) -> None:
    assert card.languages == ("many",) or all(len(code) == 2 for code in card.languages)


def test_files_of_one_hash_have_one_size() -> None:
    files = [file for card in CARDS for file in card.files if file.sha256]

    assert len({file.sha256 for file in files}) == len({(f.sha256, f.size) for f in files})


def test_a_card_is_found_by_its_name_and_by_its_repository() -> None:
    card = find_card("siglip2-base-256")

    assert card is not None
    assert find_card(card.source) == card
    assert find_card("siglip3") is None


def test_the_size_of_a_card_is_that_of_the_files_it_knows() -> None:
    card = find_card("siglip2-base-256")

    assert card is not None
    assert card.size == 371_992_072 + 1_129_469_657 + 34_363_039


@pytest.mark.parametrize(
    ("languages", "codes"), [(("en",), ("en",)), (("many",), None), ((), None)]
)
def test_many_and_unknown_languages_are_not_told_apart_from_any(
    languages: tuple[str, ...], codes: tuple[str, ...] | None
) -> None:
    card = ModelCard(
        name="a", title="A", about="", encoder="onnx_clip", source="b/c", languages=languages,
        files=(PinnedFile(path="d", size=1),),
    )  # fmt: skip

    assert card.language_codes == codes
