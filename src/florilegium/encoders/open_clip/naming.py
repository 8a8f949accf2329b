"""What stands after `open_clip:` in a setting: an architecture, and whose weights. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from florilegium.errors import UnknownBackendError

DEFAULT_MODEL: Final = "ViT-B-32/laion2b_s34b_b79k"

# In the names of the architectures that were trained on texts of many languages.
_MANY_LANGUAGES = ("xlm", "mt5", "nllb", "siglip2", "i18n", "worldwide", "multilingual")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """An architecture of OpenCLIP, and a tag, a checkpoint or both.

    With both, the weights are those of the checkpoint, and the tag tells how they were trained.
    """

    architecture: str
    tag: str | None = None
    checkpoint: Path | None = None

    @property
    def id(self) -> str:
        """How the encoder of this model is called."""
        name = f"open_clip:{self.architecture}" + (f"/{self.tag}" if self.tag else "")
        return f"{name}:{self.checkpoint.name}" if self.checkpoint else name

    @property
    def languages(self) -> frozenset[str] | None:
        """The languages that its texts may be written in; None means any."""
        name = self.architecture.lower()
        return None if any(mark in name for mark in _MANY_LANGUAGES) else frozenset({"en"})


def parse_model(model: str) -> ModelName:
    """Return what `NAME/TAG`, `NAME:CHECKPOINT` or `NAME/TAG:CHECKPOINT` means.

    Nothing means the default model. Raises UnknownBackendError if there is no NAME.
    """
    words, colon, path = (model.strip() or DEFAULT_MODEL).partition(":")
    architecture, slash, tag = words.rpartition("/")
    if not slash:
        architecture, tag = words, ""
    if not architecture or (slash and not tag) or (colon and not path.strip()):
        raise UnknownBackendError(
            f"The encoder 'open_clip' cannot tell which model {model!r} means.",
            hint=f"Write `open_clip:NAME/TAG`, such as `open_clip:{DEFAULT_MODEL}`, or "
            "`open_clip:NAME:CHECKPOINT` with the path of a file.",
        )
    return ModelName(
        # OpenCLIP takes these spellings too, but looks them up under one.
        architecture=architecture.replace("/", "-"),
        tag=tag.lower().replace("-", "_") or None,
        checkpoint=_path(path.strip()) if colon else None,
    )


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # a home folder of nobody, such as "~rose"
        return Path(text)
