"""The network against a plain computation by transformers' own classes, and its real size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from florilegium.chat_models.mc_llava.layout import PUBLISHED, Layout, TextLayout, VisionLayout
from tests.torch.tiny_mc_llava import (
    CONFIG,
    PATCH,
    PICTURE_TOKENS,
    SIDE,
    make_mc_llava,
    pin_of,
    weight,
)

if TYPE_CHECKING:
    # Needs PyTorch, which the tests that are not marked `torch` do without.
    from florilegium.chat_models.mc_llava.network import Network

pytestmark = pytest.mark.torch

IMAGE = CONFIG["image_token_index"]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    from florilegium.chat_models.mc_llava.checkpoint import load_network
    from florilegium.chat_models.mc_llava.device import Way
    from florilegium.chat_models.mc_llava.layout import read_layout

    folder = make_mc_llava(tmp_path_factory.mktemp("mc-llava"))
    pin = pin_of(folder)
    way = Way(device="cpu", precision="fp32", most_crops=12)
    return load_network(folder, read_layout(folder, pin=pin), pin=pin, way=way)


def noise(crops: int) -> Any:
    return np.random.default_rng(0).normal(size=(crops, 3, SIDE, SIDE)).astype(np.float32)


def gelu(rows: Any) -> Any:
    from math import erf

    return rows * 0.5 * (1.0 + np.vectorize(erf)(rows / np.sqrt(2.0)))


def linear(name: str, rows: Any) -> Any:
    return rows @ weight(f"{name}.weight").astype(np.float64).T + weight(f"{name}.bias")


def last_layer(pixels: Any) -> Any:
    """Return what comes out of the tower's last layer, by a SigLIP that transformers fills."""
    import torch
    from transformers import SiglipVisionConfig, SiglipVisionModel

    settings = {k: v for k, v in CONFIG["vision_config"].items() if k != "model_type"}
    tower = SiglipVisionModel(SiglipVisionConfig(**settings)).eval()
    wraps = hasattr(tower, "vision_model")
    names = {
        name: f"vision_model.vision_tower.{'' if wraps else 'vision_model.'}{name}"
        for name in tower.state_dict()
    }
    tower.load_state_dict({name: torch.from_numpy(weight(full)) for name, full in names.items()})
    caught: list[Any] = []
    layers = (tower.vision_model if wraps else tower).encoder.layers
    layers[-1].register_forward_hook(lambda _module, _given, given_back: caught.append(given_back))
    with torch.inference_mode():
        tower(torch.from_numpy(pixels))
    found = caught[0][0] if isinstance(caught[0], tuple) else caught[0]
    return found.double().numpy()


@pytest.mark.parametrize("crops", [1, 3, 20])
def test_a_picture_becomes_patches_with_places_in_the_width_of_the_words(
    network: Network, crops: int
) -> None:
    from florilegium.chat_models.mc_llava.crops import share_tokens

    pixels, tokens = noise(crops), share_tokens(PICTURE_TOKENS, boxes=crops)
    centres = [(0.5 + 0.01 * crop, 0.5 - 0.02 * crop) for crop in range(crops)]

    rows = network.see(pixels, centres, tokens=tokens).double().numpy()

    hidden = gelu(linear("vision_model.coord_embed.0", np.asarray(centres)))
    places = linear("vision_model.coord_embed.2", hidden)
    seen = last_layer(pixels)
    kept = [seen[crop][-count:] + places[crop] for crop, count in enumerate(tokens)]
    wide = gelu(linear("multi_modal_projector.linear_1", np.concatenate(kept)))
    expected = linear("multi_modal_projector.linear_2", wide)
    assert rows.shape == (PICTURE_TOKENS, CONFIG["text_config"]["hidden_size"])
    np.testing.assert_allclose(rows, expected, atol=2e-4)


def test_the_first_patch_of_a_picture_is_not_read(network: Network) -> None:
    pixels = noise(1)
    one = network.see(pixels, [(0.5, 0.5)], tokens=[PICTURE_TOKENS])

    assert one.shape[0] == (SIDE // PATCH) ** 2 - 1


def test_a_picture_stands_where_its_token_was(network: Network) -> None:
    import torch

    picture = torch.arange(64.0).reshape(2, 32)

    rows = network.join([65, IMAGE, 66], [picture])

    assert rows.shape == (4, 32)
    assert torch.equal(rows[1:3], picture)
    assert torch.equal(rows[[0, 3]], network.embed([65, 66]))


def test_a_prompt_without_a_picture_is_its_words(network: Network) -> None:
    import torch

    assert torch.equal(network.join([65, 66], []), network.embed([65, 66]))


def test_a_picture_without_a_token_is_an_error(network: Network) -> None:
    import torch

    with pytest.raises(ValueError, match="longer"):
        network.join([65], [torch.zeros(2, 32)])


def test_reading_token_by_token_gives_what_reading_at_once_gives(network: Network) -> None:
    import torch

    ids = [65, 66, 67, 68, 69]
    at_once = network.listen().hear(network.embed(ids))
    voice = network.listen()
    voice.hear(network.embed(ids[:2]))

    step_by_step = [voice.hear(network.embed([token])) for token in ids[2:]]

    assert torch.allclose(at_once, step_by_step[-1], atol=1e-5)


def test_the_words_are_read_as_transformers_phi_reads_them(network: Network) -> None:
    import torch
    from transformers import PhiConfig, PhiForCausalLM

    settings = {k: v for k, v in CONFIG["text_config"].items() if k != "model_type"}
    phi = PhiForCausalLM(PhiConfig(**settings)).eval()
    phi.load_state_dict(
        {name: torch.from_numpy(weight(f"language_model.{name}")) for name in phi.state_dict()}
    )
    ids = list(range(40, 90))
    with torch.inference_mode():
        expected = phi(torch.tensor([ids])).logits[0, -1]

    logits = network.listen().hear(network.embed(ids))

    assert torch.allclose(logits, expected, atol=1e-5)


def test_the_published_sizes_give_as_many_weights_as_the_published_checkpoint_lists() -> None:
    from florilegium.chat_models.mc_llava.network import make_empty

    layout = Layout(
        text=TextLayout(
            vocab_size=51200,
            hidden_size=2560,
            intermediate_size=10240,
            num_hidden_layers=32,
            num_attention_heads=32,
            max_position_embeddings=2048,
            partial_rotary_factor=0.4,
        ),
        vision=VisionLayout(
            hidden_size=1152,
            intermediate_size=4304,
            num_hidden_layers=27,
            num_attention_heads=16,
            image_size=384,
            patch_size=14,
        ),
        image_token=50297,
    )

    weights = make_empty(layout).state_dict()

    # Its index has 916 lines, seven of which name no weight; its files have 4.97 and 1.47 GB.
    assert len(weights) == 916 - 7
    gigabytes = sum(each.numel() for each in weights.values()) * 2 / 1e9
    assert gigabytes == pytest.approx(4.97 + 1.47, abs=0.01)
    assert len(PUBLISHED.files) == 2


def test_the_tiny_model_has_the_weights_that_the_published_code_saves(tmp_path: Path) -> None:
    folder = make_mc_llava(tmp_path)

    index = json.loads((folder / "model.safetensors.index.json").read_text("utf-8"))

    # As many as the original, filled with this checkpoint, had when the golden file was made.
    assert len(index["weight_map"]) == 89
