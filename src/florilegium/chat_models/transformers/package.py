"""The packages of the extra `vlm`, or the error that says what to install. Knows no models."""

from __future__ import annotations

from florilegium.errors import MissingExtraError

try:
    import torch
    import transformers
    from huggingface_hub.errors import StrictDataclassError
    from jinja2 import TemplateError
    from safetensors import SafetensorError

    # transformers imports its parts only when they are named: better now than in mid-reply.
    from transformers import AutoModelForImageTextToText, AutoProcessor
except (ImportError, OSError, RuntimeError) as error:
    # A torchvision that was built for another PyTorch fails inside; the cause says so.
    raise MissingExtraError(
        "The chat model 'transformers' needs a package that is not installed or does not fit the "
        f"others: {error.__cause__ or error}.",
        hint="Run `pip install 'florilegium[vlm]'`; if torchvision is installed, take torch and "
        "torchvision from the same place.",
    ) from error

__all__ = [
    "AutoModelForImageTextToText",
    "AutoProcessor",
    "SafetensorError",
    "StrictDataclassError",
    "TemplateError",
    "torch",
    "transformers",
]
