"""The network of MC-LLaVA in PyTorch: SigLIP, a place for each crop, a projector, and Phi.

Its towers are transformers' own classes. Knows neither words nor files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from florilegium.chat_models.mc_llava.layout import Layout
from florilegium.chat_models.mc_llava.package import (
    DynamicCache,
    PhiConfig,
    PhiForCausalLM,
    SiglipVisionConfig,
    SiglipVisionModel,
    Tensor,
    nn,
    torch,
)

_BATCH = 8  # crops in one forward pass
_PLACE = 2  # numbers that say where a crop is: across and down


class Network:
    """The parts, under the names that the checkpoint gives them. Several threads may use it."""

    def __init__(self, layout: Layout, parts: Any) -> None:
        self._image_token = layout.image_token
        self._parts = parts
        self._language = parts["language_model"]

    def see(
        self,
        pixels: npt.NDArray[np.float32],
        centres: Sequence[tuple[float, float]],
        *,
        tokens: Sequence[int],
    ) -> Tensor:
        """Return the rows that stand for a picture in the prompt, shape (sum(tokens), hidden).

        Args:
            pixels: Of the whole picture and its crops, shape (n, 3, side, side).
            centres: Where the middle of each is, as shares of the picture.
            tokens: How many rows each gives.
        """
        projector = self._parts["multi_modal_projector"]
        with torch.inference_mode():
            patches = self._patches(pixels, centres, tokens)
            wide: Tensor = projector["linear_1"](patches)
            rows: Tensor = projector["linear_2"](nn.functional.gelu(wide))
            return rows

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Return the rows of words, shape (n, hidden)."""
        words = self._language.get_input_embeddings()
        with torch.inference_mode():
            rows: Tensor = words(torch.tensor(ids, device=words.weight.device))
            return rows

    def join(self, ids: Sequence[int], pictures: Sequence[Tensor]) -> Tensor:
        """Return the rows of a prompt, shape (n, hidden), with each picture at its token."""
        rows = self.embed(ids)
        places = [place for place, token in enumerate(ids) if token == self._image_token]
        pieces: list[Tensor] = []
        start = 0
        for place, picture in zip(places, pictures, strict=True):
            pieces += [rows[start:place], picture]
            start = place + 1
        return torch.cat([*pieces, rows[start:]])

    def listen(self) -> Voice:
        """Return what says the next token of a text that begins."""
        return Voice(self._language)

    def _patches(
        self,
        pixels: npt.NDArray[np.float32],
        centres: Sequence[tuple[float, float]],
        tokens: Sequence[int],
    ) -> Tensor:
        eyes = self._parts["vision_model"]
        tower, coordinates = eyes["vision_tower"], eyes["coord_embed"]
        weight = coordinates[0].weight
        places = coordinates(torch.tensor(centres, device=weight.device, dtype=weight.dtype))
        rows: list[Tensor] = []
        for start in range(0, len(pixels), _BATCH):
            some = slice(start, start + _BATCH)
            given = tower.embeddings(torch.from_numpy(pixels[some]).to(weight))
            # The last layer as it is: neither the tower's own norm nor its head follows.
            seen = tower.encoder(inputs_embeds=given).last_hidden_state
            # The model was trained without the first patch of a crop, and with the last ones of
            # the rest.
            rows += [
                patches[1:][-count:] + place
                for patches, place, count in zip(seen, places[some], tokens[some], strict=True)
            ]
        return torch.cat(rows)


class Voice:
    """Says what may come next in a text that grows. For one thread."""

    def __init__(self, language: Any) -> None:
        self._language = language
        self._cache = DynamicCache(config=language.config)

    def hear(self, rows: Tensor) -> Tensor:
        """Return the logits of what follows rows more, shape (n, hidden), as (vocabulary,)."""
        with torch.inference_mode():
            # By its place, since versions of transformers differ in the name of the cache.
            read = self._language.model(None, None, None, self._cache, rows[None], use_cache=True)
            logits: Tensor = self._language.lm_head(read.last_hidden_state[0, -1])
            return logits.float()


def make_empty(layout: Layout) -> Any:
    """Return the parts without numbers: they take no memory, but have names and shapes."""
    wide, narrow = layout.text.hidden_size, layout.vision.hidden_size
    with torch.device("meta"):
        tower = SiglipVisionModel(_siglip_config(layout))
        return nn.ModuleDict(
            {
                "vision_model": nn.ModuleDict(
                    {
                        # Some versions of transformers wrap the tower in one more module.
                        "vision_tower": getattr(tower, "vision_model", tower),
                        "coord_embed": nn.Sequential(
                            nn.Linear(_PLACE, narrow), nn.GELU(), nn.Linear(narrow, narrow)
                        ),
                    }
                ),
                "multi_modal_projector": nn.ModuleDict(
                    {"linear_1": nn.Linear(narrow, wide), "linear_2": nn.Linear(wide, wide)}
                ),
                "language_model": PhiForCausalLM(_phi_config(layout)),
            }
        )


def fill(parts: Any, weights: Mapping[str, Tensor], layout: Layout) -> Network:
    """Return the network of empty parts and their weights. Raises RuntimeError if one is wrong."""
    parts.load_state_dict(weights, strict=True, assign=True)
    # These are no weights: modules compute them when they are made, which was without numbers.
    phi = parts["language_model"].model
    phi.rotary_emb = type(phi.rotary_emb)(config=phi.config)
    patches = parts["vision_model"]["vision_tower"].embeddings
    patches.position_ids = torch.arange(patches.num_positions)[None]
    empty = [name for name, buffer in parts.named_buffers() if buffer.is_meta]
    if empty:
        raise RuntimeError(f"nothing fills {', '.join(empty)}")
    parts.to(next(parts.parameters()).device).eval().requires_grad_(False)
    return Network(layout, parts)


def _phi_config(layout: Layout) -> Any:
    text = layout.text
    return PhiConfig(
        vocab_size=text.vocab_size,
        hidden_size=text.hidden_size,
        intermediate_size=text.intermediate_size,
        num_hidden_layers=text.num_hidden_layers,
        num_attention_heads=text.num_attention_heads,
        max_position_embeddings=text.max_position_embeddings,
        layer_norm_eps=text.layer_norm_eps,
        hidden_act=text.hidden_act,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": text.rope_theta,
            "partial_rotary_factor": text.partial_rotary_factor,
        },
    )


def _siglip_config(layout: Layout) -> Any:
    vision = layout.vision
    return SiglipVisionConfig(
        hidden_size=vision.hidden_size,
        intermediate_size=vision.intermediate_size,
        num_hidden_layers=vision.num_hidden_layers,
        num_attention_heads=vision.num_attention_heads,
        image_size=vision.image_size,
        patch_size=vision.patch_size,
        layer_norm_eps=vision.layer_norm_eps,
        hidden_act=vision.hidden_act,
    )
