"""The contestants of others, each as its own documentation uses it, with weights from a file.

Usage: python -m benchmarks.clip_rivals NAME FOLDER, where NAME is weights, chroma, langchain or
rclip. `weights` writes random ones into the folder first. Runs in an environment of its own and
knows nothing of ours.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.turns import Clock, Rows, Task, serve

MODEL = "ViT-B-32"
CHECKPOINT = "vit-b-32.pt"
SEED = 0
# All pictures of a call are in memory at once; 500 of 12 megapixels would take 18 GB.
BATCH = 16

_RCLIP = "rclip"
_RCLIP_MODEL = "ViT-B-32-256-datacomp_s34b_b86k"  # where it looks for its own model
_RCLIP_BATCH = 8  # its default
_SIDE = 224
_CONTEXT = 77

_T = TypeVar("_T")
Made = tuple[Mapping[str, object], Mapping[str, Task]]


def make_weights(folder: Path) -> None:
    """Write a checkpoint of random weights, and the same weights as the graphs that rclip reads."""
    torch, open_clip = import_module("torch"), import_open_clip()
    torch.manual_seed(SEED)
    model = open_clip.create_model(MODEL).eval()
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    graphs = partial / _RCLIP / _RCLIP_MODEL
    graphs.mkdir(parents=True)
    torch.save(model.state_dict(), partial / CHECKPOINT)
    examples = {
        "visual": torch.zeros(2, 3, _SIDE, _SIDE),
        "textual": torch.zeros(2, _CONTEXT, dtype=torch.int64),
    }
    for name, example in examples.items():
        model.forward = model.encode_image if name == "visual" else model.encode_text
        torch.onnx.export(
            model,
            (example,),
            str(graphs / f"{name}.onnx"),
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
            opset_version=17,
            # The older exporter, whose graph is a little faster in ONNX Runtime.
            dynamo=False,
        )
    words = partial / _RCLIP / "tokenizer"
    words.mkdir()
    shutil.copy(Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz", words)
    partial.rename(folder)


def import_open_clip() -> Any:
    """Return open_clip, also where torchvision's compiled operators do not load."""
    torch = import_module("torch")
    if "+cpu" in torch.__version__:
        # torchvision describes these two at import; its wheel is built for another torch.
        operators = torch.library.Library("torchvision", "DEF")
        operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(operators)
    return import_module("open_clip")


_kept: list[object] = []  # an operator lives as long as its library object


def open_chroma(clock: Clock, folder: Path) -> Made:
    """Chroma's function and loader, which is the article's way."""
    import_open_clip()
    from chromadb.utils.data_loaders import ImageLoader
    from chromadb.utils.embedding_functions import OpenCLIPEmbeddingFunction

    encode: Any = OpenCLIPEmbeddingFunction(
        model_name=MODEL, checkpoint=str(folder / CHECKPOINT), device="cpu"
    )
    load: Any = clock.timed("decode", ImageLoader())
    encode._preprocess = clock.timed("prepare", encode._preprocess)
    encode._model.encode_image = clock.timed("forward", encode._model.encode_image)

    def pictures(files: Sequence[str]) -> list[Rows]:
        return [row for some in _batches(files) for row in encode(load(some))]

    tasks = _tasks(
        pictures=pictures,
        forward=pictures,
        queries=lambda texts: [encode([text])[0] for text in texts],
        documents=encode,
    )
    about = _about("chromadb", "open_clip_torch", "torch", "torchvision")
    return {**about, "stages overlap": False}, tasks


def open_langchain(clock: Clock, folder: Path) -> Made:
    """LangChain's wrapper of OpenCLIP, which opens the files itself."""
    import_open_clip()
    wrapper = import_module("langchain_experimental.open_clip").OpenCLIPEmbeddings(
        model_name=MODEL, checkpoint=str(folder / CHECKPOINT)
    )
    wrapper.preprocess = clock.timed("decode and prepare", wrapper.preprocess)
    wrapper.model.encode_image = clock.timed("forward", wrapper.model.encode_image)

    def pictures(files: Sequence[str]) -> list[Any]:
        return [row for some in _batches(files) for row in wrapper.embed_image(some)]

    tasks = _tasks(
        pictures=pictures,
        forward=pictures,
        queries=lambda texts: [wrapper.embed_query(text) for text in texts],
        documents=wrapper.embed_documents,
    )
    about = _about("langchain-experimental", "open_clip_torch", "torch", "torchvision")
    return {**about, "stages overlap": False}, tasks


def open_rclip(clock: Clock, folder: Path) -> Made:
    """rclip as it indexes a folder, its SQLite database included."""
    helpers: Any = import_module("rclip.utils.helpers")
    helpers.get_app_datadir = lambda: folder / _RCLIP
    # Its preprocessing is written for its own model, of 256 pixels.
    preprocess: Any = import_module("rclip.utils.preprocess")
    preprocess.IMAGE_SIZE = _SIDE
    main: Any = import_module("rclip.main")
    model = import_module("rclip.model").Model()
    database = import_module("rclip.db").DB
    read = clock.timed("decode and prepare", main._read_and_preprocess)
    main._read_and_preprocess = read
    model._run_visual = clock.timed("forward", model._run_visual)

    def pictures(files: Sequence[str]) -> list[Rows]:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            place = Path(name) / "pictures"
            place.mkdir()
            links = [place / f"{number:05d}.jpg" for number in range(len(files))]
            for file, link in zip(files, links, strict=True):
                link.hardlink_to(file)
            rclip = main.RClip(model, database(Path(name) / "db.sqlite3"), _RCLIP_BATCH, None)
            rclip.ensure_index(str(place))
            paths, rows = rclip._get_features(str(place))
            rclip.close()
        by_path = dict(zip(paths, rows, strict=True))
        return [by_path[str(link)] for link in links]

    def forward(files: Sequence[str]) -> list[Rows]:
        prepared = [read(file)[2] for file in files]
        encode = model.compute_preprocessed_image_features
        return [row for some in _batches(prepared, _RCLIP_BATCH) for row in encode(some)]

    tasks = _tasks(
        pictures=pictures,
        forward=forward,
        queries=lambda texts: [model.compute_text_features([text])[0] for text in texts],
        documents=lambda texts: [
            row for some in _batches(texts) for row in model.compute_text_features(some)
        ],
    )
    about = _about("rclip", "onnxruntime")
    return {**about, "stages overlap": True}, tasks


def _tasks(**functions: Callable[[Sequence[str]], Sequence[Any]]) -> dict[str, Task]:
    def stacked(function: Callable[[Sequence[str]], Sequence[Any]]) -> Task:
        return lambda inputs: np.asarray(function(inputs), dtype=np.float32)

    return {name: stacked(function) for name, function in functions.items()}


def _batches(things: Sequence[_T], size: int = BATCH) -> list[list[_T]]:
    return [list(things[start : start + size]) for start in range(0, len(things), size)]


def _about(*packages: str) -> dict[str, object]:
    names = (*packages, "numpy", "pillow")
    return {"versions": {"python": platform.python_version()} | {n: version(n) for n in names}}


RIVALS = {"chroma": open_chroma, "langchain": open_langchain, _RCLIP: open_rclip}


def main() -> None:
    warnings.simplefilter("ignore")
    name, folder = sys.argv[1], Path(sys.argv[2])
    if name == "weights":
        make_weights(folder)
    else:
        serve(lambda clock: RIVALS[name](clock, folder))


if __name__ == "__main__":
    main()
