"""Weight files are read whole or refused: nothing missing, nothing left over, nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from florilegium.chat_models.mc_llava.device import Numbers, Way
from florilegium.chat_models.mc_llava.layout import Pin, read_layout
from florilegium.errors import ChatError, WeightsNotFoundError
from florilegium.ids import sha256_file
from tests.torch.tiny_mc_llava import SHARDS, make_mc_llava, pin_of, shapes, weight

if TYPE_CHECKING:
    # Needs PyTorch, which the tests that are not marked `torch` do without.
    from florilegium.chat_models.mc_llava.network import Network

pytestmark = pytest.mark.torch

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_mc_llava(tmp_path / "tiny")


def load(folder: Path, *, precision: Numbers = "fp32", pin: Pin | None = None) -> Network:
    from florilegium.chat_models.mc_llava.checkpoint import load_network

    pin = pin or pin_of(folder)
    way = Way(device="cpu", precision=precision, most_crops=12)
    return load_network(folder, read_layout(folder, pin=pin), pin=pin, way=way)


def save(folder: Path, shard: str, weights: dict[str, Any]) -> None:
    import_module("safetensors.numpy").save_file(weights, folder / shard)


def index_of(folder: Path) -> dict[str, str]:
    index = json.loads((folder / INDEX).read_text("utf-8"))
    return dict(index["weight_map"])


def logits(network: Network) -> Any:
    return network.listen().hear(network.embed([65, 66, 67]))


@pytest.mark.parametrize(("precision", "atol"), [("fp32", 1e-5), ("bf16", 0.3), ("fp16", 0.05)])
def test_the_network_computes_in_the_numbers_that_are_asked_for(
    folder: Path, precision: Numbers, atol: float
) -> None:
    import torch

    names = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

    network = load(folder, precision=precision)

    assert network.embed([65]).dtype is names[precision]
    assert torch.allclose(logits(network), logits(load(folder)), atol=atol)


def test_one_file_without_an_index_is_read_as_well(folder: Path) -> None:
    import torch

    expected = logits(load(folder))
    for name in (*SHARDS, INDEX):
        (folder / name).unlink()
    save(folder, "model.safetensors", {name: weight(name) for name in shapes()})
    sha256 = sha256_file(folder / "model.safetensors")
    pin = Pin(repository="a/b", revision="c", files={"model.safetensors": sha256}, numbers={})

    network = load(folder, pin=pin)

    assert torch.allclose(logits(network), expected, atol=1e-5)


def test_a_file_that_is_not_the_pinned_one_is_refused(folder: Path) -> None:
    pin = pin_of(folder)
    file = folder / SHARDS[1]
    file.write_bytes(file.read_bytes()[:-1] + b"\0")

    with pytest.raises(WeightsNotFoundError, match=r"model-00002.*is not the file of 'somebody/t"):
        load(folder, pin=pin)


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    pin = pin_of(folder)
    (folder / SHARDS[0]).unlink()

    with pytest.raises(WeightsNotFoundError, match=f"'{SHARDS[0]}' is not in"):
        load(folder, pin=pin)


def drop(index: dict[str, str]) -> None:
    del index["vision_model.coord_embed.2.bias"]


def add(index: dict[str, str]) -> None:
    index["vision_model.vision_tower.trunk.norm.weight"] = SHARDS[0]


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (drop, r"lacks 1 weights, among them 'vision_model\.coord_embed\.2\.bias'"),
        (add, r"also has 1 weights, among them 'vision_model\.vision_tower\.trunk\.norm\.weight'"),
    ],
)
def test_a_checkpoint_with_other_weights_is_refused(
    folder: Path, damage: Callable[[dict[str, str]], None], match: str
) -> None:
    index = index_of(folder)
    damage(index)
    (folder / INDEX).write_text(json.dumps({"weight_map": index}), "utf-8")

    with pytest.raises(WeightsNotFoundError, match=match):
        load(folder)


def test_a_weight_of_another_shape_is_refused(folder: Path) -> None:
    name = "vision_model.coord_embed.0.weight"
    shard = index_of(folder)[name]
    weights = {each: weight(each) for each, at in index_of(folder).items() if at == shard}
    weights[name] = weights[name].repeat(2, axis=1)
    save(folder, shard, weights)

    with pytest.raises(WeightsNotFoundError, match=r"coord_embed\.0.*\(24, 4\), expected \(24, 2"):
        load(folder)


@pytest.mark.parametrize("text", ["{", "{}", '{"weight_map": []}', "[]"])
def test_a_damaged_index_is_refused(folder: Path, text: str) -> None:
    (folder / INDEX).write_text(text, encoding="utf-8")

    with pytest.raises(WeightsNotFoundError, match=r"cannot be read|lacks"):
        load(folder)


def test_a_damaged_file_of_weights_is_refused(folder: Path) -> None:
    (folder / SHARDS[0]).write_bytes(b"no weights at all")

    with pytest.raises(WeightsNotFoundError, match="cannot be read"):
        load(folder)


@pytest.mark.parametrize("name", ["../tiny/model.safetensors", "other.safetensors"])
def test_an_index_cannot_point_at_files_that_are_not_pinned(folder: Path, name: str) -> None:
    index = index_of(folder) | {"language_model.lm_head.bias": name}
    (folder / INDEX).write_text(json.dumps({"weight_map": index}), "utf-8")

    with pytest.raises(WeightsNotFoundError, match=rf"names {name}, which is not pinned"):
        load(folder)


def test_no_code_of_the_folder_is_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["auto_map"] = {"AutoModel": "modeling_llava.LlavaForCausalLM"}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "modeling_llava.py").write_text("raise SystemExit('run')", "utf-8")

    load(folder)


def test_weights_that_do_not_fit_into_memory_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def fail(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore.")

    monkeypatch.setattr("florilegium.chat_models.mc_llava.checkpoint.fill", fail)

    with pytest.raises(ChatError, match=r"do not fit into memory: CUDA out .* GiB\.$") as caught:
        load(folder)

    assert "chat.device" in (caught.value.hint or "")
