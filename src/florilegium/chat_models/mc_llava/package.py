"""The packages of the extra `vlm`, or the error that says what to install. Knows no models."""

from __future__ import annotations

from florilegium.errors import MissingExtraError

try:
    import torch
    from safetensors import SafetensorError, safe_open
    from torch import Tensor, nn
    from transformers import (
        DynamicCache,
        PhiConfig,
        PhiForCausalLM,
        SiglipVisionConfig,
        SiglipVisionModel,
    )
except (ImportError, OSError, RuntimeError) as error:
    # A torchvision that was built for another PyTorch fails inside; the cause says so.
    raise MissingExtraError(
        "The chat model 'mc_llava' needs a package that is not installed or does not fit the "
        f"others: {error.__cause__ or error}.",
        hint="Run `pip install 'florilegium[vlm]'`; if torchvision is installed, take torch and "
        "torchvision from the same place.",
    ) from error

__all__ = [
    "DynamicCache",
    "PhiConfig",
    "PhiForCausalLM",
    "SafetensorError",
    "SiglipVisionConfig",
    "SiglipVisionModel",
    "Tensor",
    "nn",
    "safe_open",
    "torch",
]
