"""Writes tiny models of the CLIP family in the layouts of real ones, with graphs whose rows mean
something: pictures and words of one colour are near each other. Needs no PyTorch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

Family = Literal["clip", "siglip", "siglip2"]
Layout = Literal["hub", "flat", "immich"]

IMAGE_SIDE = 16
MAX_TOKENS: Mapping[Family, int] = {"clip": 77, "siglip": 64, "siglip2": 64}

COLOURS = {
    "black": (-1, -1, -1),
    "blue": (-1, -1, 1),
    "green": (-1, 0, -1),
    "red": (1, -1, -1),
    "white": (1, 1, 1),
    "yellow": (1, 1, -1),
}
_PADS: Mapping[Family, str] = {"clip": "<|endoftext|>", "siglip": "</s>", "siglip2": "<pad>"}
_SPECIAL: Mapping[Family, tuple[str, ...]] = {
    "clip": ("<|startoftext|>", "<|endoftext|>"),
    "siglip": ("<pad>", "</s>", "<unk>"),
    "siglip2": ("<pad>", "<eos>", "<bos>", "<unk>"),
}
_LETTER_SCALE = 0.05  # what is no colour moves a row a little
_LAYOUT_SCALE = 0.2
_POSITION_SCALE = 0.1

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Where the files are, and what goes in and out of the graphs."""

    vision: str
    text: str
    pixels: str
    ids: str
    image_row: str
    text_row: str
    ids_type: int
    batch: int | str


def write_tiny_clip(
    folder: Path,
    *,
    family: Family = "clip",
    dim: int = 16,
    layout: Layout = "hub",
    half: bool = False,
    causal: bool | None = None,
    mask: bool = False,
    external: bool = False,
    seed: int = 0,
) -> None:
    """Write a model folder without a record; the folder may be there.

    Args:
        folder: Where to.
        family: Whose text rules and names of outputs.
        dim: How long its rows are, at least 12.
        layout: `hub` as optimum and transformers.js write it, `flat` the same without a folder
            for the graphs, `immich` with graphs that take one row at a time, all of its tokens.
        half: Write the graphs in fp16, too.
        causal: Whether the text tower stops reading at the first end-of-text token; by default as
            in its family. MobileCLIP's are of the family `clip` and not causal.
        mask: Let the text graph ask for an attention mask; what it masks does not count.
        external: Keep the weights of the text graph in a file beside it.
        seed: Another one gives other weights.
    """
    names = _names(family, layout)
    stops = family == "clip" if causal is None else causal
    tokenizer = _make_tokenizer(family)
    rng = np.random.default_rng(seed)
    colours = np.linalg.qr(rng.standard_normal((dim, 12)))[0].T.astype(np.float32)  # orthonormal
    bias = (0.3 * rng.standard_normal(dim) / np.sqrt(dim)).astype(np.float32)
    table = _token_table(tokenizer, colours[:3], rng)
    # A tower of fixed length reads dozens of these, which must not drown the text.
    table[tokenizer.token_to_id(_PADS[family])] /= MAX_TOKENS[family]
    for suffix, kind in (("", TensorProto.FLOAT), ("_fp16", TensorProto.FLOAT16)):
        if suffix and not half:
            continue
        vision = _vision_graph(names, family, colours, bias, kind=kind)
        _save(vision, folder / f"{names.vision}{suffix}.onnx", external=False)
        end = tokenizer.token_to_id("<|endoftext|>") if stops else None
        length = MAX_TOKENS[family]
        text = _text_graph(names, table, bias, length=length, end=end, mask=mask, kind=kind)
        _save(text, folder / f"{names.text}{suffix}.onnx", external=external)
    _write_configuration(folder, family, layout, tokenizer)


def _names(family: Family, layout: Layout) -> _Names:
    if layout == "immich":
        return _Names(
            vision="visual/model", text="textual/model", pixels="image", ids="text",
            image_row="embedding", text_row="embedding", ids_type=TensorProto.INT32, batch=1,
        )  # fmt: skip
    place = "onnx/" if layout == "hub" else ""
    rows = ("image_embeds", "text_embeds") if family == "clip" else ("pooler_output",) * 2
    return _Names(
        vision=f"{place}vision_model", text=f"{place}text_model", pixels="pixel_values",
        ids="input_ids", image_row=rows[0], text_row=rows[1], ids_type=TensorProto.INT64,
        batch="batch_size",
    )  # fmt: skip


def _make_tokenizer(family: Family) -> Tokenizer:
    """Return a tokenizer of bytes in which colours are words; special tokens come first or last."""
    special = _SPECIAL[family]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    # CLIP reads at the highest token, so its special ones come last.
    symbols = [*letters, *COLOURS, *special] if family == "clip" else [*special, *letters, *COLOURS]
    vocabulary = {symbol: place for place, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    if family == "clip":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_tokens([AddedToken(word, single_word=True, normalized=True) for word in COLOURS])
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    start, end = (f"{special[0]} ", special[1]) if family == "clip" else ("", special[1])
    used = [token for token in special if token in {start.strip(), end}]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start}$A {end}",
        special_tokens=[(token, vocabulary[token]) for token in used],
    )
    return tokenizer


def _token_table(tokenizer: Tokenizer, colours: Array, rng: np.random.Generator) -> Array:
    vocabulary = tokenizer.get_vocab()
    table = rng.standard_normal((len(vocabulary), colours.shape[1])).astype(np.float32)
    table *= _LETTER_SCALE
    for word, colour in COLOURS.items():
        table[vocabulary[word]] = np.asarray(colour, dtype=np.float32) @ colours
    return table


def _vision_graph(
    names: _Names, family: Family, colours: Array, bias: Array, *, kind: int
) -> onnx.ModelProto:
    # Columns: each channel in each of four quarters. Their mean has the rows of the colours, and
    # what is left of each quarter some direction of its own.
    quarters = np.repeat(colours[:3] / 4, 4, axis=0) + _LAYOUT_SCALE / 4 * colours
    side = IMAGE_SIDE // 2
    nodes = [
        helper.make_node("Cast", [names.pixels], ["pixels"], to=kind),
        helper.make_node(
            "AveragePool", ["pixels"], ["pooled"], kernel_shape=[side, side], strides=[side, side]
        ),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "quarters"], ["seen"]),
        helper.make_node("Add", ["seen", "bias"], ["row"]),
        helper.make_node("Cast", ["row"], [names.image_row], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["pooled"], ["last_hidden_state"], to=TensorProto.FLOAT),
    ]
    return _model(
        nodes,
        inputs={names.pixels: (TensorProto.FLOAT, [names.batch, 3, IMAGE_SIDE, IMAGE_SIDE])},
        outputs={
            names.image_row: [names.batch, len(bias)],
            "last_hidden_state": [names.batch, 3, 2, 2],
        },
        weights={"quarters": quarters, "bias": bias},
        kind=kind,
    )


def _text_graph(
    names: _Names,
    table: Array,
    bias: Array,
    *,
    length: int,
    end: int | None,
    mask: bool,
    kind: int,
) -> onnx.ModelProto:
    waves = np.cos(np.arange(length, dtype=np.float32))[:, None]
    places = (1 + _POSITION_SCALE * waves).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", names.ids], ["vectors"]),
        helper.make_node("Shape", [names.ids], ["length"], start=1, end=2),
        helper.make_node("Slice", ["places", "zero", "length"], ["here"]),
        helper.make_node("Mul", ["vectors", "here"], ["placed"]),
    ]
    inputs: dict[str, tuple[int, list[int | str]]] = {}
    positions: int | str = length if names.batch == 1 else "sequence_length"
    inputs[names.ids] = (names.ids_type, [names.batch, positions])
    read = "placed"
    if end is not None:
        nodes += _keep_up_to_end(names.ids, read, "read", kind=kind)
        read = "read"
    if mask:
        inputs["attention_mask"] = inputs[names.ids]
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["counts"], to=kind),
            helper.make_node("Unsqueeze", ["counts", "two"], ["counting"]),
            helper.make_node("Mul", [read, "counting"], ["masked"]),
        ]
        read = "masked"
    nodes += [
        helper.make_node("ReduceSum", [read, "one"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "bias"], ["row"]),
        helper.make_node("Cast", ["row"], [names.text_row], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["placed"], ["last_hidden_state"], to=TensorProto.FLOAT),
    ]
    ids_type = np.int32 if names.ids_type == TensorProto.INT32 else np.int64
    numbers = {"zero": [0], "one": [1], "two": [2]}
    return _model(
        nodes,
        inputs=inputs,
        outputs={
            names.text_row: [names.batch, len(bias)],
            "last_hidden_state": [names.batch, positions, len(bias)],
        },
        weights={"table": table, "bias": bias, "places": places},
        kind=kind,
        constants={
            **{name: np.asarray(number, dtype=np.int64) for name, number in numbers.items()},
            "end": np.asarray(-1 if end is None else end, dtype=ids_type),
        },
    )


def _keep_up_to_end(ids: str, given: str, kept: str, *, kind: int) -> list[onnx.NodeProto]:
    """Return nodes that set to zero what stands after the first end-of-text token."""
    return [
        helper.make_node("Equal", [ids, "end"], ["ends"]),
        helper.make_node("Cast", ["ends"], ["end_counts"], to=TensorProto.FLOAT),
        helper.make_node("CumSum", ["end_counts", "one"], ["ends_before"], exclusive=1),
        helper.make_node("Cast", ["ends_before"], ["after"], to=TensorProto.BOOL),
        helper.make_node("Not", ["after"], ["not_after"]),
        helper.make_node("Cast", ["not_after"], ["keeps"], to=kind),
        helper.make_node("Unsqueeze", ["keeps", "two"], ["keeping"]),
        helper.make_node("Mul", [given, "keeping"], [kept]),
    ]


def _model(
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Mapping[str, tuple[int, Sequence[int | str]]],
    outputs: Mapping[str, Sequence[int | str]],
    weights: Mapping[str, Array],
    kind: int,
    constants: Mapping[str, npt.NDArray[np.generic]] | None = None,
) -> onnx.ModelProto:
    precision = np.float16 if kind == TensorProto.FLOAT16 else np.float32
    arrays = {name: array.astype(precision) for name, array in weights.items()} | dict(
        constants or {}
    )
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, *given) for name, given in inputs.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _save(model: onnx.ModelProto, file: Path, *, external: bool) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if external:
        beside = f"{file.name}_data"
        (file.parent / beside).unlink(missing_ok=True)  # it would be appended to
        onnx.save(model, file, save_as_external_data=True, location=beside, size_threshold=64)
    else:
        onnx.save(model, file)


def _write_configuration(
    folder: Path, family: Family, layout: Layout, tokenizer: Tokenizer
) -> None:
    immich = layout == "immich"
    texts = folder / "textual" if immich else folder
    tokenizer.save(str(texts / "tokenizer.json"))
    length = MAX_TOKENS[family]
    _write_json(
        texts / "tokenizer_config.json",
        {
            "pad_token": _PADS[family],
            # SigLIP 2 has Gemma's tokenizer, which has no limit.
            "model_max_length": int(1e30) if family == "siglip2" else length,
            "tokenizer_class": {"clip": "CLIPTokenizer", "siglip": "SiglipTokenizer"}.get(
                family, "GemmaTokenizer"
            ),
        },
    )
    _write_json(texts / "special_tokens_map.json", {"pad_token": {"content": _PADS[family]}})
    if immich:
        text: dict[str, object] = {"context_length": length}
        if family != "clip":
            version = "2" if family == "siglip2" else ""
            text["hf_tokenizer_name"] = f"timm/ViT-B-16-SigLIP{version}"
            text["tokenizer_kwargs"] = {"clean": "canonicalize"}
        vision = {"image_size": IMAGE_SIDE}
        _write_json(
            folder / "config.json", {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
        )
        _write_json(folder / "visual" / "preprocess_cfg.json", _open_clip_preprocessing(family))
        return
    kind = "clip" if family == "clip" else "siglip"
    _write_json(
        folder / "config.json",
        {
            "model_type": kind,
            "text_config": {"model_type": f"{kind}_text_model"},
            "vision_config": {"model_type": f"{kind}_vision_model"},
        },
    )
    _write_json(folder / "preprocessor_config.json", _transformers_preprocessing(family))


def _transformers_preprocessing(family: Family) -> dict[str, object]:
    square = {"height": IMAGE_SIDE, "width": IMAGE_SIDE}
    common: dict[str, object] = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 3,
        "rescale_factor": 1 / 255,
    }
    if family == "clip":
        return {
            **common,
            "image_processor_type": "CLIPImageProcessor",
            "size": {"shortest_edge": IMAGE_SIDE},
            "do_center_crop": True,
            "crop_size": square,
        }
    return {**common, "image_processor_type": "SiglipImageProcessor", "size": square}


def _open_clip_preprocessing(family: Family) -> dict[str, object]:
    return {
        "size": [IMAGE_SIDE, IMAGE_SIDE],
        "mode": "RGB",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "shortest" if family == "clip" else "squash",
        "fill_color": 0,
    }


def _write_json(file: Path, tree: object) -> None:
    file.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
