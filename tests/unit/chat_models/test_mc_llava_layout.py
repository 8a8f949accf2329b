from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from florilegium.chat_models.mc_llava.layout import (
    PUBLISHED,
    Pin,
    TextLayout,
    VisionLayout,
    read_layout,
)
from florilegium.errors import WeightsNotFoundError
from florilegium.model_cards import find_card
from tests.torch.tiny_mc_llava import CONFIG, PICTURE_TOKENS

# As far as a page shows it, this is the published configuration; it says more, of no use here.
PUBLISHED_CONFIG: dict[str, Any] = {
    "auto_map": {"AutoConfig": "modeling_llava.LlavaConfig"},
    "model_type": "mc-llava",
    "image_token_index": 50297,
    "text_config": {
        "model_type": "phi",
        "bos_token_id": None,
        "hidden_act": "gelu_new",
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 2048,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "partial_rotary_factor": 0.4,
        "rope_theta": 10000.0,
        "vocab_size": 51200,
    },
    "vision_config": {
        "model_type": "siglip_vision_model",
        "hidden_size": 1152,
        "image_size": 384,
        "intermediate_size": 4304,
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "patch_size": 14,
    },
}
ANY = Pin(repository="somebody/tiny", revision="0123456789", files={}, numbers={})


def write(folder: Path, config: object) -> Path:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_the_card_pins_the_same_files_of_the_same_revision() -> None:
    card = find_card("mc-llava-3b")

    assert card is not None
    assert (card.source, card.revision) == (PUBLISHED.repository, PUBLISHED.revision)
    assert {file.path: file.sha256 for file in card.files} == PUBLISHED.files


def test_the_published_configuration_is_read(tmp_path: Path) -> None:
    layout = read_layout(write(tmp_path, PUBLISHED_CONFIG), pin=PUBLISHED)

    assert layout.text == TextLayout(
        vocab_size=51200,
        hidden_size=2560,
        intermediate_size=10240,
        num_hidden_layers=32,
        num_attention_heads=32,
        max_position_embeddings=2048,
        partial_rotary_factor=0.4,
    )
    assert layout.vision == VisionLayout(
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=27,
        num_attention_heads=16,
        image_size=384,
        patch_size=14,
    )
    assert layout.image_token == 50297


def test_a_picture_takes_as_many_tokens_as_the_model_card_says(tmp_path: Path) -> None:
    layout = read_layout(write(tmp_path, PUBLISHED_CONFIG), pin=PUBLISHED)

    assert layout.picture_tokens == 728


def test_a_tiny_model_of_the_same_layout_is_read(tmp_path: Path) -> None:
    layout = read_layout(write(tmp_path, CONFIG), pin=ANY)

    assert layout.text.num_hidden_layers == 2
    assert layout.picture_tokens == PICTURE_TOKENS


def test_a_model_of_other_sizes_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=r"'image_token_index' is 259 .*but 50297 in"):
        read_layout(write(tmp_path, CONFIG), pin=PUBLISHED)


@pytest.mark.parametrize("key", sorted(PUBLISHED.numbers))
def test_each_pinned_number_is_looked_at(tmp_path: Path, key: str) -> None:
    config = json.loads(json.dumps(PUBLISHED_CONFIG))
    *sections, name = key.split(".")
    section = config[sections[0]] if sections else config
    section[name] += 1

    with pytest.raises(WeightsNotFoundError, match=repr(key)):
        read_layout(write(tmp_path, config), pin=PUBLISHED)


def test_the_older_weights_of_the_article_are_named_for_what_they_are(tmp_path: Path) -> None:
    older = {"model_type": "llava", "vision_tower_name": "ViT-SO400M-14-SigLIP-384"}

    with pytest.raises(WeightsNotFoundError, match=r"'llava', not 'mc-llava'\. That is the older"):
        read_layout(write(tmp_path, older), pin=PUBLISHED)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=r"of the type 'qwen2_vl', not 'mc-llava'\.$"):
        read_layout(write(tmp_path, {"model_type": "qwen2_vl"}), pin=PUBLISHED)


def without_sections(config: dict[str, Any]) -> object:
    return {"model_type": "mc-llava", "image_token_index": 1}


def without_depth(config: dict[str, Any]) -> object:
    del config["vision_config"]["num_hidden_layers"]
    return config


def with_a_list(config: dict[str, Any]) -> object:
    return config | {"text_config": []}


@pytest.mark.parametrize("damage", [without_sections, without_depth, with_a_list])
def test_a_configuration_without_all_sizes_is_refused(
    tmp_path: Path, damage: Callable[[dict[str, Any]], object]
) -> None:
    config = json.loads(json.dumps(PUBLISHED_CONFIG))

    with pytest.raises(WeightsNotFoundError, match="does not say all of the model's sizes"):
        read_layout(write(tmp_path, damage(config)), pin=ANY)


@pytest.mark.parametrize(("text", "match"), [("{", "cannot be read"), ("[]", "no JSON object")])
def test_a_damaged_configuration_is_refused(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="utf-8")

    with pytest.raises(WeightsNotFoundError, match=match):
        read_layout(tmp_path, pin=ANY)


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=r"config\.json"):
        read_layout(tmp_path, pin=ANY)
