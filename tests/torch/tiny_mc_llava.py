"""Makes a tiny MC-LLaVA with the file layout of the published one; its numbers are a formula.

So the same one can be made anywhere: the golden file holds what the original makes of it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from florilegium.chat_models.mc_llava.layout import Pin
from florilegium.ids import sha256_file

SIDE, PATCH = 112, 8
PICTURE_TOKENS = (SIDE // PATCH) ** 2 - 1
CONTEXT = 2048
SPECIAL = ("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<image>", "<pad>")
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
_WORDS = 256 + len(SPECIAL)
_WIDE, _NARROW = 32, 24  # of the language model, of the vision tower
_INNER = 48
_LAYERS = 2

CONFIG: Mapping[str, Any] = {
    "model_type": "mc-llava",
    "ignore_index": -100,
    "image_token_index": 256 + SPECIAL.index("<image>"),
    "projector_hidden_act": "gelu",
    "projector_tokens_num": 1,
    "text_config": {
        "model_type": "phi",
        "vocab_size": _WORDS,
        "hidden_size": _WIDE,
        "intermediate_size": _INNER,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": 2,
        "max_position_embeddings": CONTEXT,
        "partial_rotary_factor": 0.5,
        "hidden_act": "gelu_new",
        "eos_token_id": None,
    },
    "vision_config": {
        "model_type": "siglip_vision_model",
        "hidden_size": _NARROW,
        "intermediate_size": _INNER,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": PATCH,
    },
}


def make_mc_llava(folder: Path) -> Path:
    """Return `folder` with configuration, tokenizer and two files of weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    write_tokenizer(folder / "tokenizer.json")
    save_file = import_module("safetensors.numpy").save_file
    names = list(shapes())
    half = len(names) // 2
    index: dict[str, str] = {}
    for shard, some in zip(SHARDS, (names[:half], names[half:]), strict=True):
        save_file({name: weight(name) for name in some}, folder / shard)
        index |= dict.fromkeys(some, shard)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": index}), encoding="utf-8"
    )
    return folder


def pin_of(folder: Path) -> Pin:
    """Return what pins the tiny model, as the published one is pinned."""
    return Pin(
        repository="somebody/tiny",
        revision="0123456789abcdef",
        files={name: sha256_file(folder / name) for name in SHARDS},
        numbers={"image_token_index": 259, "text_config.hidden_size": _WIDE},
    )


def weight(name: str) -> npt.NDArray[np.float32]:
    """Return the numbers of a weight: what is left of large sines, as good as drawn by chance."""
    shape = shapes()[name]
    steps = np.arange(int(np.prod(shape)), dtype=np.float64)
    wave = np.sin(steps * 12.9898 + zlib.crc32(name.encode()) % 1000) * 43758.5453
    chance = 2.0 * (wave - np.floor(wave)) - 1.0
    is_norm = "norm" in name and name.endswith("weight")
    size = 1.0 if "embed_tokens" in name or len(shape) == 1 else 3.0 / np.sqrt(shape[-1])
    numbers = 1.0 + 0.1 * chance if is_norm else size * chance
    return numbers.reshape(shape).astype(np.float32)


def picture(width: int, height: int) -> Image.Image:
    """Return a picture of waves that look different everywhere."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [np.sin(across / 9 + shift) * np.cos(down / 13 - shift) for shift in (0.0, 1.0, 2.0)]
    slope = (across / width + 2 * down / height) / 3
    colours = np.stack([127.5 + 80 * wave + 45 * (slope - 0.5) for wave in waves], axis=-1)
    return Image.fromarray(colours.astype(np.uint8))


def shapes() -> dict[str, tuple[int, ...]]:
    """Return the name and the shape of each weight, as the published code saves them."""
    found: dict[str, tuple[int, ...]] = {}

    def linear(name: str, wide: int, narrow: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (wide, narrow), (wide,)

    def norm(name: str, width: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (width,), (width,)

    tower = "vision_model.vision_tower.vision_model"
    patches = f"{tower}.embeddings.patch_embedding"
    found[f"{patches}.weight"] = (_NARROW, 3, PATCH, PATCH)
    found[f"{patches}.bias"] = (_NARROW,)
    found[f"{tower}.embeddings.position_embedding.weight"] = (PICTURE_TOKENS + 1, _NARROW)
    for layer in range(_LAYERS):
        at = f"{tower}.encoder.layers.{layer}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            linear(f"{at}.self_attn.{part}", _NARROW, _NARROW)
        norm(f"{at}.layer_norm1", _NARROW)
        linear(f"{at}.mlp.fc1", _INNER, _NARROW)
        linear(f"{at}.mlp.fc2", _NARROW, _INNER)
        norm(f"{at}.layer_norm2", _NARROW)
    norm(f"{tower}.post_layernorm", _NARROW)
    found[f"{tower}.head.probe"] = (1, 1, _NARROW)
    found[f"{tower}.head.attention.in_proj_weight"] = (3 * _NARROW, _NARROW)
    found[f"{tower}.head.attention.in_proj_bias"] = (3 * _NARROW,)
    linear(f"{tower}.head.attention.out_proj", _NARROW, _NARROW)
    norm(f"{tower}.head.layernorm", _NARROW)
    linear(f"{tower}.head.mlp.fc1", _INNER, _NARROW)
    linear(f"{tower}.head.mlp.fc2", _NARROW, _INNER)
    linear("vision_model.coord_embed.0", _NARROW, 2)
    linear("vision_model.coord_embed.2", _NARROW, _NARROW)
    linear("multi_modal_projector.linear_1", _WIDE, _NARROW)
    linear("multi_modal_projector.linear_2", _WIDE, _WIDE)
    found["language_model.model.embed_tokens.weight"] = (_WORDS, _WIDE)
    for layer in range(_LAYERS):
        at = f"language_model.model.layers.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "dense"):
            linear(f"{at}.self_attn.{part}", _WIDE, _WIDE)
        linear(f"{at}.mlp.fc1", _INNER, _WIDE)
        linear(f"{at}.mlp.fc2", _WIDE, _INNER)
        norm(f"{at}.input_layernorm", _WIDE)
    norm("language_model.model.final_layernorm", _WIDE)
    linear("language_model.lm_head", _WORDS, _WIDE)
    return found


def write_tokenizer(file: Path) -> None:
    """Write a tokenizer of bytes; its control tokens follow, as they do in the published one."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(file))
