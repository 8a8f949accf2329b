from __future__ import annotations

import re
from typing import Any

import pytest

from florilegium.model_cards import ModelCard, PinnedFile, find_card, read_cards
from florilegium.model_records import section_of
from florilegium.models import is_inner_path, model_name
from florilegium.registry import backend_names

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
        assert file.size is None or file.size > 0
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)


@each_card
def test_a_card_whose_files_are_of_unknown_size_says_how_much_is_fetched(card: ModelCard) -> None:
    unknown = [file.path for file in card.files if file.size is None]

    assert bool(unknown) == (card.rounded_size is not None)
    assert card.size > 0


@each_card
def test_a_card_names_a_backend_that_there_is(card: ModelCard) -> None:
    groups = {"encoder": "encoders", "chat": "chat_models", "rerank": "rerankers"}

    assert card.kind in backend_names(groups[section_of(card.kind)])


@each_card
def test_a_card_of_gguf_names_a_model_and_its_projector(card: ModelCard) -> None:
    files = [file.path for file in card.files if file.path.endswith(".gguf")]
    projectors = [path for path in files if "mmproj" in path]

    is_gguf = card.chat_model == "llama_cpp"
    assert (len(files), len(projectors)) == ((2, 1) if is_gguf else (0, 0))


@pytest.mark.parametrize(
    "kinds",
    [
        {},
        {"encoder": "onnx_clip", "chat_model": "llama_cpp"},
        {"encoder": "onnx_clip", "reranker": "cross_encoder"},
    ],
)
def test_a_card_is_of_an_encoder_or_of_a_chat_model_or_of_a_reranker(kinds: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an encoder, a chat model or a reranker"):
        ModelCard(name="a", title="A", about="", source="b/c", **kinds)


def test_a_card_knows_the_setting_that_uses_its_model() -> None:
    lines = {card.setting for card in CARDS}

    assert 'encoder.name = "onnx_clip:siglip2-base-256"' in lines
    assert 'chat.name = "llama_cpp:qwen3-vl-2b"' in lines
    assert 'chat.name = "mc_llava:mc-llava-3b"' in lines
    assert 'rerank.name = "cross_encoder:bge-reranker-base"' in lines


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
