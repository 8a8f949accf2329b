"""What `florilegium doctor` looks at, one part at a time. Mends nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from florilegium.errors import FlorilegiumError
from florilegium.protocols import Encoder, Tuned
from florilegium.types import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that `Library.check` looked at."""

    name: str
    ok: bool
    message: str
    hint: str | None = None


def attempt(name: str, look: Callable[[], str]) -> Check:
    """Return what `look` said, or the error of ours that it raised."""
    try:
        return Check(name=name, ok=True, message=look())
    except FlorilegiumError as error:
        return Check(name=name, ok=False, message=error.message, hint=error.hint)


def try_encoder(encoder: Encoder) -> str:
    """Encode something of each modality and say what did it. Raises FlorilegiumError."""
    info = encoder.info
    if Modality.IMAGE in info.modalities:
        encoder.encode_images([Image.new("RGB", (32, 32), "white")])
    if Modality.TEXT in info.modalities:
        encoder.encode_texts(["a test"], purpose="query")
    found = f"{info.id}, {info.dim} dimensions"
    return f"{found}; {encoder.describe_engines()}" if isinstance(encoder, Tuned) else found
