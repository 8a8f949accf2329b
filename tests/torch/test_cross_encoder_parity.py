"""The scores of tiny random classifiers, those of transformers called directly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from florilegium.rerankers.cross_encoder.reranker import CrossEncoder
from florilegium.types import Scores
from tests.tiny_reranker import MAX_TOKENS, WORDS, Family, write_tiny_reranker

pytestmark = pytest.mark.torch

QUERY = "when are dahlias planted ?"
TEXTS = ["dahlias are planted after the last frost .", "coffee", "", "roses pruned " * 20]


def make_model(family: Family, labels: int) -> Any:
    """Return a random classifier whose scores are far apart."""
    import torch
    import transformers

    torch.manual_seed(labels)
    sizes: dict[str, Any] = {
        "vocab_size": len(WORDS) + 4, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 48, "num_labels": labels,
        "initializer_range": 0.5,
    }  # fmt: skip
    if family == "bert":
        config = transformers.BertConfig(
            **sizes, pad_token_id=0, max_position_embeddings=MAX_TOKENS
        )
        return transformers.BertForSequenceClassification(config).eval()
    config = transformers.XLMRobertaConfig(
        **sizes, pad_token_id=1, max_position_embeddings=MAX_TOKENS + 2, type_vocab_size=1
    )
    return transformers.XLMRobertaForSequenceClassification(config).eval()


def export(folder: Path, family: Family, model: Any) -> None:
    """Write the graph of a model in place of the one that is there."""
    import torch

    names = ["input_ids", "attention_mask", *(["token_type_ids"] if family == "bert" else [])]

    class Logits(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *arrays: Any) -> Any:
            return self.model(**dict(zip(names, arrays, strict=True))).logits

    example = torch.ones((2, 9), dtype=torch.int64)
    axes = {name: {0: "batch", 1: "length"} for name in names}
    model.config._attn_implementation = "eager"
    torch.onnx.export(
        Logits().eval(), tuple([example] * len(names)), str(folder / "onnx/model.onnx"),
        input_names=names, output_names=["logits"], opset_version=17, dynamo=False,
        dynamic_axes={**axes, "logits": {0: "batch"}},
    )  # fmt: skip


def reference(folder: Path, family: Family, model: Any, text: str) -> float:
    """Return what transformers says of one pair, tokenized by its own class."""
    import torch
    import transformers

    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        pad_token="[PAD]" if family == "bert" else "<pad>",
        model_max_length=MAX_TOKENS,
    )
    inputs = tokenizer(
        [QUERY], [text], truncation="only_second", max_length=MAX_TOKENS, padding=False,
        return_tensors="pt", return_token_type_ids=family == "bert",
    )  # fmt: skip
    with torch.inference_mode():
        logits = model(**inputs).logits[0]
    return float(logits[0] if len(logits) == 1 else logits[1] - logits[0])


@pytest.mark.parametrize("labels", [1, 2])
@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_transformers(tmp_path: Path, family: Family, labels: int) -> None:
    folder = write_tiny_reranker(tmp_path, family=family)
    model = make_model(family, labels)
    export(folder, family, model)
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()), encoding="utf-8")

    scores: Scores = CrossEncoder(folder, name="tiny", threads=1).score(QUERY, TEXTS)

    expected = [reference(folder, family, model, text) for text in TEXTS]
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert np.ptp(scores) > 0.01
