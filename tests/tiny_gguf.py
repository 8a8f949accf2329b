"""GGUF files made here: any head, and a language model and its eyes with weights by chance."""

from __future__ import annotations

import string
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

Value = bool | int | float | str | list[int] | list[float] | list[str] | list[list[str]]
Weights = npt.NDArray[np.float32]

ALIGNMENT = 32
MODEL: Mapping[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Tiny Rose",
    "general.file_type": 15,
    "llama.context_length": 4096,
    "tokenizer.ggml.tokens": ["a", "é", "玫瑰"],
    "tokenizer.ggml.scores": [0.0, 0.5, 1.0],
    "tokenizer.chat_template": "{{ messages }}",
}
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
SIDE = 32
PATCH = 16
WIDTH = 64


def write_gguf(
    file: Path,
    values: Mapping[str, Value] = MODEL,
    tensors: Mapping[str, Weights] | None = None,
    *,
    version: int = 3,
) -> Path:
    """Write a GGUF file and return it; without tensors it has one of a single number."""
    tensors = {"output.weight": np.zeros(1, dtype=np.float32)} if tensors is None else tensors
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    for key, value in values.items():
        kind, data = _value(value)
        head += _text(key) + struct.pack("<I", kind) + data
    body = b""
    for name, weights in tensors.items():
        shape = [struct.pack("<Q", size) for size in reversed(weights.shape)]
        head += _text(name) + struct.pack("<I", weights.ndim) + b"".join(shape)
        head += struct.pack("<IQ", 0, len(body))
        body += _padded(weights.astype("<f4").tobytes())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_padded(head) + body)
    return file


def write_llama(file: Path, *, template: str = CHATML) -> Path:
    """Write a language model of one layer, which says thousands of letters a second.

    It reads letters and bytes, so that a prompt has about as many tokens as characters, and it
    depends on every one of them what it says.
    """
    chance = np.random.default_rng(0)
    said = [*string.ascii_letters, "▁", ".", "▁the", "▁rose"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *said]

    def some(*shape: int) -> Weights:
        return (0.5 * chance.standard_normal(shape)).astype(np.float32)

    values: dict[str, Value] = {
        "general.architecture": "llama",
        "general.name": "Tiny Rose",
        "general.file_type": 0,
        "llama.context_length": 8192,
        "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": WIDTH,
        "llama.block_count": 1,
        "llama.attention.head_count": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": WIDTH // 2,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [-float(number) for number in range(len(tokens))],
        "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256, *[1] * len(said)],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    if template:
        values["tokenizer.chat_template"] = template
    # Only what begins with a letter, a blank or a full stop has a chance of being said.
    silent = np.zeros((len(tokens) - len(said), WIDTH), dtype=np.float32)
    tensors = {
        "token_embd.weight": some(len(tokens), WIDTH),
        "output_norm.weight": np.ones(WIDTH, dtype=np.float32),
        "output.weight": np.concatenate([silent, some(len(said), WIDTH)]),
        "blk.0.attn_norm.weight": np.ones(WIDTH, dtype=np.float32),
        "blk.0.ffn_norm.weight": np.ones(WIDTH, dtype=np.float32),
    }
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        tensors[f"blk.0.{name}.weight"] = some(WIDTH, WIDTH)
    return write_gguf(file, values, tensors)


def write_mmproj(file: Path, *, dim: int = WIDTH) -> Path:
    """Write the vision part of a LLaVA, two layers deep, for a model of this width.

    A picture of any size becomes four tokens. What they say is left to chance, but it is not the
    same for any two pictures.
    """
    chance = np.random.default_rng(0)
    width, mlp = 32, 64

    def some(*shape: int) -> Weights:
        return (0.3 * chance.standard_normal(shape)).astype(np.float32)

    def ones() -> Weights:
        return np.ones(width, dtype=np.float32)

    def zeros(size: int = width) -> Weights:
        return np.zeros(size, dtype=np.float32)

    values: dict[str, Value] = {
        "general.architecture": "clip",
        "general.name": "Tiny Eyes",
        "clip.has_vision_encoder": True,
        "clip.projector_type": "mlp",
        "clip.use_gelu": True,
        "clip.vision.image_size": SIDE,
        "clip.vision.patch_size": PATCH,
        "clip.vision.embedding_length": width,
        "clip.vision.feed_forward_length": mlp,
        "clip.vision.block_count": 2,
        "clip.vision.projection_dim": dim,
        "clip.vision.attention.head_count": 2,
        "clip.vision.attention.layer_norm_epsilon": 1e-5,
        "clip.vision.image_mean": [0.5, 0.5, 0.5],
        "clip.vision.image_std": [0.5, 0.5, 0.5],
    }
    tensors = {
        "v.class_embd": some(width),
        "v.patch_embd.weight": some(width, 3, PATCH, PATCH),
        "v.position_embd.weight": some((SIDE // PATCH) ** 2 + 1, width),
        "v.pre_ln.weight": ones(),
        "v.pre_ln.bias": zeros(),
        "v.post_ln.weight": ones(),
        "v.post_ln.bias": zeros(),
        "mm.0.weight": some(width, width),
        "mm.0.bias": zeros(),
        "mm.2.weight": some(dim, width),
        "mm.2.bias": zeros(dim),
    }
    for block in ("v.blk.0", "v.blk.1"):
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            tensors[f"{block}.{name}.weight"] = some(width, width)
            tensors[f"{block}.{name}.bias"] = zeros()
        for name in ("ln1", "ln2"):
            tensors[f"{block}.{name}.weight"] = ones()
            tensors[f"{block}.{name}.bias"] = zeros()
        tensors[f"{block}.ffn_up.weight"] = some(mlp, width)
        tensors[f"{block}.ffn_up.bias"] = zeros(mlp)
        tensors[f"{block}.ffn_down.weight"] = some(width, mlp)
        tensors[f"{block}.ffn_down.bias"] = zeros()
    return write_gguf(file, values, tensors)


def _value(value: Value) -> tuple[int, bytes]:
    """Return the type of a value and its bytes."""
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, str):
        return 8, _text(value)
    if isinstance(value[0], int):  # in arrays they are signed
        return 9, struct.pack(f"<IQ{len(value)}i", 5, len(value), *value)
    kinds, data = zip(*map(_value, value), strict=True)
    return 9, struct.pack("<IQ", kinds[0], len(data)) + b"".join(data)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNMENT)
