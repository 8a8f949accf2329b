"""Lets torchvision be imported beside a PyTorch that it was not built for. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import pytest

from tests.torch.tiny_open_clip import TinyModel, make_clip, make_siglip


@pytest.fixture(scope="session", autouse=True)
def importable_torchvision() -> Iterator[None]:
    """Describe two operators that torchvision looks for, where its compiled ones do not load.

    Its wheel on PyPI is for graphics cards, whose libraries the PyTorch for processors lacks.
    """
    torch = pytest.importorskip("torch", reason="these tests need PyTorch: run `make test-torch`")
    try:
        mixed = "+cpu" in torch.__version__ and "+cpu" not in version("torchvision")
    except PackageNotFoundError:
        mixed = False
    # An operator lives as long as its library object.
    operators = torch.library.Library("torchvision", "FRAGMENT") if mixed else None
    if operators is not None:
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    yield
    del operators


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, importable_torchvision: None) -> TinyModel:
    """Return a tiny CLIP that knows colours."""
    return make_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def siglip(tmp_path_factory: pytest.TempPathFactory, importable_torchvision: None) -> TinyModel:
    """Return a tiny SigLIP that knows colours."""
    return make_siglip(tmp_path_factory.mktemp("siglip"))
