"""Writes tiny cross-encoders in the layout of real ones, whose scores mean something: how many
words of the query the text has, as an attention of the two finds it. Needs no PyTorch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

Family = Literal["bert", "roberta"]
Output = Literal["one", "flat", "two", "three", "nan"]

MAX_TOKENS = 64
_SENTENCES = """when are dahlias planted ? after the last frost . roses pruned in early spring
coffee dahlia what is red rose query a b c d e f g h"""
WORDS = tuple(_SENTENCES.split())
_SPECIAL = {
    "bert": ("[PAD]", "[CLS]", "[SEP]", "[UNK]"),
    "roberta": ("<s>", "<pad>", "</s>", "<unk>"),
}
_PAD = {"bert": 0, "roberta": 1}
_SEPARATOR = 2  # in both vocabularies
_DIM = 48
_NOISE = 0.05  # the mean of all tokens moves a score a little
_MATCH = 5.0
_FAR = 10.0


def write_tiny_reranker(
    folder: Path,
    *,
    family: Family = "bert",
    graph: str = "onnx/model.onnx",
    output: Output = "one",
    types: bool = True,
    int32: bool = False,
    dynamic: bool = False,
    masked: bool = True,
    seed: int = 0,
) -> Path:
    """Write a model folder, and return it.

    Args:
        folder: Where to.
        family: Whose tokenizer and configuration.
        graph: The path of the graph in the folder.
        output: `one` score in a row of its own, `flat`, `two` logits for "no" and "yes", or what
            no reranker should give.
        types: Whether the graph takes token_type_ids.
        int32: Whether it takes 32-bit integers.
        dynamic: Quantize what it computes with one scale per batch, as transformers.js does.
        masked: Whether it heeds the mask; a real one does.
        seed: Of its random weights.
    """
    (folder / graph).parent.mkdir(parents=True, exist_ok=True)
    vocabulary = [*_SPECIAL[family], *WORDS]
    _write_tokenizer(folder / "tokenizer.json", family, vocabulary)
    config = {
        "model_type": "bert" if family == "bert" else "xlm-roberta",
        "architectures": ["BertForSequenceClassification"],
        "pad_token_id": _PAD[family],
        "max_position_embeddings": MAX_TOKENS + (2 if family == "roberta" else 0),
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    limits = {"model_max_length": 10**30 if family == "bert" else 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(limits), encoding="utf-8")
    model = _make_graph(
        len(vocabulary),
        pad_id=_PAD[family],
        output=output,
        types=types,
        kind=TensorProto.INT32 if int32 else TensorProto.INT64,
        dynamic=dynamic,
        masked=masked,
        seed=seed,
    )
    onnx.save(model, folder / graph)
    return folder


def _write_tokenizer(file: Path, family: Family, vocabulary: Sequence[str]) -> None:
    special = _SPECIAL[family]
    ids = {word: place for place, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=special[3]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in special])
    start, end = ("[CLS]", "[SEP]") if family == "bert" else ("<s>", "</s>")
    pair = (
        f"{start} $A {end} $B:1 {end}:1" if family == "bert" else f"{start} $A {end} {end} $B {end}"
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=pair,
        special_tokens=[(start, ids[start]), (end, ids[end])],
    )
    # What the files of real ones hold, and what must not cut or pad here.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(file))


class _Steps:
    """The nodes and weights of a graph that is being made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator}_{len(self.nodes)}"
        outputs = (
            [name, f"{name}_s", f"{name}_z"] if operator == "DynamicQuantizeLinear" else [name]
        )
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, **attributes))
        return name

    def weight(self, values: object, kind: type = np.float32) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype=kind), name))
        return name


def _make_graph(
    words: int,
    *,
    pad_id: int,
    output: Output,
    types: bool,
    kind: int,
    dynamic: bool,
    masked: bool,
    seed: int,
) -> onnx.ModelProto:
    random = np.random.default_rng(seed)
    steps = _Steps()
    rows = _look_up(steps, words, pad_id=pad_id, types=types, dynamic=dynamic, random=random)
    mask = steps.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    if not masked:
        ones = steps.add("Mul", mask, steps.weight(0.0))
        mask = steps.add("Add", ones, steps.weight(1.0))
    score = _compare(steps, rows, mask, random=random)
    steps.add("Identity", _shape(steps, score, output))
    steps.nodes[-1].output[0] = "logits"
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if types else [])]
    inputs = [helper.make_tensor_value_info(name, kind, ["n", "length"]) for name in names]
    shape = ["n"] if output == "flat" else ["n", "classes"]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(steps.nodes, "tiny", inputs, outputs, steps.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def _look_up(
    steps: _Steps,
    words: int,
    *,
    pad_id: int,
    types: bool,
    dynamic: bool,
    random: np.random.Generator,
) -> str:
    """Return the rows of the tokens, shape (n, length, dim)."""
    table = random.standard_normal((words, _DIM))
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    table[pad_id] *= 30  # whoever reads padding is found out
    rows = steps.add("Gather", steps.weight(table), "input_ids")
    if types:
        small = steps.weight(random.normal(0, 0.01, (2, _DIM)))
        rows = steps.add("Add", rows, steps.add("Gather", small, "token_type_ids"))
    if dynamic:
        rows = steps.add("DynamicQuantizeLinear", rows)
        rows = steps.add("DequantizeLinear", rows, f"{rows}_s", f"{rows}_z")
    return rows


def _compare(steps: _Steps, rows: str, mask: str, *, random: np.random.Generator) -> str:
    """Return shape (n,): how well each token of the query is met by the best one of the text."""
    add, weight = steps.add, steps.weight
    axis = weight([1], np.int64)
    wide = add("Cast", "input_ids", to=TensorProto.INT64)
    ends = add("Cast", add("Equal", wide, weight(_SEPARATOR, np.int64)), to=TensorProto.FLOAT)
    before = add("Less", add("CumSum", ends, weight(1, np.int64)), weight(0.5))
    asked = add("Mul", add("Cast", before, to=TensorProto.FLOAT), mask)  # (n, length)
    words = add("Mul", mask, add("Sub", weight(1.0), ends))
    read = add("Mul", words, add("Sub", weight(1.0), asked))
    alike = add("MatMul", rows, add("Transpose", rows, perm=[0, 2, 1]))
    keys = add("Unsqueeze", read, axis)
    hidden = add("Mul", add("Sub", keys, weight(1.0)), weight(_FAR))
    best = add("ReduceMax", add("Add", add("Mul", alike, keys), hidden), axes=[2], keepdims=0)
    best = add("Clip", best, weight(-1.0), weight(1.0))
    found = add("ReduceSum", add("Mul", best, asked), axis, keepdims=0)
    share = add("Div", found, add("ReduceSum", asked, axis, keepdims=0))
    held = add("Mul", rows, add("Unsqueeze", mask, weight([2], np.int64)))
    mean = add("Div", add("ReduceSum", held, axis, keepdims=0), add("ReduceSum", mask, axis))
    noise = add("MatMul", mean, weight(random.normal(0, _NOISE, (_DIM,))))
    return add("Add", add("Mul", share, weight(_MATCH)), noise)


def _shape(steps: _Steps, score: str, output: Output) -> str:
    if output == "flat":
        return score
    column = steps.add("Unsqueeze", score, steps.weight([1], np.int64))
    if output == "nan":
        nothing = steps.add("Sub", column, column)
        return steps.add("Div", nothing, nothing)
    factors = {"one": [1.0], "two": [-0.5, 0.5], "three": [1.0, 2.0, 3.0]}[output]
    return steps.add("Mul", column, steps.weight([factors]))
