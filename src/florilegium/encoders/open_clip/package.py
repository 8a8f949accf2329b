"""The packages of the extra `clip`, or the error that says what to install. Knows no models."""

from __future__ import annotations

from florilegium.errors import MissingExtraError

_PAGE = "docs/how-to/use-clip.md says how to get PyTorch, also the one for processors only."

try:
    import open_clip
    import torch
    from safetensors import SafetensorError
except ImportError as error:
    # Said here, since the extra is not called like the encoder.
    raise MissingExtraError(
        f"The encoder 'open_clip' needs a package that is not installed: {error}.",
        hint=f"Run `pip install 'florilegium[clip]'`; {_PAGE}",
    ) from error
except (RuntimeError, OSError) as error:
    # So does torchvision fail, which OpenCLIP imports, if it was built for another PyTorch.
    raise MissingExtraError(
        f"The packages of the encoder 'open_clip' do not fit together: {error}.",
        hint=f"Install torch and torchvision from the same place; {_PAGE}",
    ) from error

__all__ = ["SafetensorError", "open_clip", "torch"]
