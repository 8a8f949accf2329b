"""What every kind of model gives to be exported: two modules, its files, and its own answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

Rows = npt.NDArray[np.float32]


class Source(Protocol):
    """A loaded model of PyTorch, ready to be traced."""

    @property
    def vision(self) -> Any:
        """Return the module from pixels, shape (n, 3, height, width), to rows."""

    @property
    def text(self) -> Any:
        """Return the module from tokens, shape (n, length), to rows."""

    @property
    def any_length(self) -> bool:
        """Return whether the text tower takes fewer tokens than its limit."""

    @property
    def languages(self) -> Sequence[str] | None:
        """Return what its texts may be written in; None means any, or not known."""

    @property
    def origin(self) -> Mapping[str, str]:
        """Return where it came from, and the versions of what read it."""

    def examples(self) -> tuple[Any, Any]:
        """Return two pictures as pixels and two texts as tokens, to trace the modules with."""

    def write_configuration(self, folder: Path) -> None:
        """Write the configuration and the tokenizer as the hub has them."""

    def reference(self, image: Image.Image, text: str) -> tuple[Rows, Rows]:
        """Return the rows that the model's own library gives, its preprocessing included."""
