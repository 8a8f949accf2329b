"""Weights and processors of tiny model folders, whole, damaged, or made to need more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import pytest

from florilegium.config import ChatConfig
from florilegium.errors import ChatError, MissingExtraError, WeightsNotFoundError
from tests.torch.tiny_vlm import (
    change_json,
    write_idefics3,
    write_llava,
    write_qwen,
)

if TYPE_CHECKING:
    from florilegium.chat_models.transformers.loading import LoadedModel

pytestmark = pytest.mark.torch

# Run with the folders of models in a process that has no torchvision and may reach the network.
ALONE = """
import importlib.util, json, socket, sys
from pathlib import Path

find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torchvision" else find_spec(name)
sys.modules["torchvision"] = None

reached = []
def refuse(*address, **options):
    reached.append(str(address))
    raise OSError("no network")
socket.getaddrinfo = socket.socket.connect = socket.socket.connect_ex = refuse

from florilegium.chat_models.transformers.device import Way
from florilegium.chat_models.transformers.facts import read_facts
from florilegium.chat_models.transformers.loading import load_model, open_dialogue
from florilegium.config import ChatConfig
from florilegium.errors import MissingExtraError

answers = []
for folder in sys.argv[1:]:
    facts = read_facts(Path(folder), ChatConfig())
    try:
        dialogue = open_dialogue(facts)
        load_model(facts, Way(device="cpu", precision="fp32"), dialogue)
        answers.append(type(dialogue.processor.image_processor).__name__)
    except MissingExtraError as error:
        answers.append(f"{error.message} {error.hint}")
print(json.dumps([answers, reached]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What models gave in a process without torchvision, and what it tried to reach."""

    answers: list[str]
    reached: list[str]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, importable_torchvision: None) -> Alone:
    folder = tmp_path_factory.mktemp("alone")
    folders = [
        write_llava(folder / "llava"),
        write_idefics3(folder / "idefics3"),
        write_qwen(folder / "qwen"),
    ]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE, *map(str, folders)],
        env={**os.environ, "HF_HUB_OFFLINE": "0"},
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    answers, reached = json.loads(run.stdout)
    return Alone(answers=answers, reached=reached)


@pytest.fixture
def llava(tmp_path: Path) -> Path:
    return write_llava(tmp_path / "llava")


def load(folder: Path, *, precision: Literal["fp32", "bf16", "fp16"] = "fp32") -> LoadedModel:
    from florilegium.chat_models.transformers.device import Way
    from florilegium.chat_models.transformers.facts import read_facts
    from florilegium.chat_models.transformers.loading import load_model, open_dialogue

    facts = read_facts(folder, ChatConfig())
    return load_model(facts, Way(device="cpu", precision=precision), open_dialogue(facts))


def change_weights(
    folder: Path, *, without: Sequence[str] = (), other: Mapping[str, Any] | None = None
) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = load_file(file) | dict(other or {})
    save_file(
        {name: value for name, value in weights.items() if name not in without},
        file,
        metadata={"format": "pt"},
    )


def names_of_weights(folder: Path) -> list[str]:
    from safetensors.torch import load_file

    return sorted(load_file(folder / "model.safetensors"))


def test_a_model_is_ready_to_reply_and_in_the_numbers_asked_for(llava: Path) -> None:
    import torch

    model = load(llava, precision="bf16").model

    assert not model.training
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}
    assert model.device.type == "cpu"


def test_the_weights_are_those_of_the_file(llava: Path) -> None:
    from safetensors.torch import load_file

    written = load_file(llava / "model.safetensors")

    model = load(llava).model

    loaded = {value.data_ptr(): value for value in model.state_dict().values()}.values()
    sums = sorted(float(value.double().abs().sum()) for value in loaded)
    assert sums == sorted(float(value.double().abs().sum()) for value in written.values())


@pytest.mark.parametrize("count", [1, 5])
def test_weights_that_a_file_lacks_are_an_error_and_not_made_up(llava: Path, count: int) -> None:
    gone = [name for name in names_of_weights(llava) if "mlp" in name][:count]
    change_weights(llava, without=gone)

    with pytest.raises(WeightsNotFoundError, match=r"'llava' lack .*mlp") as caught:
        load(llava)

    assert ("and 2 others" in caught.value.message) == (count == 5)


def test_weights_of_another_shape_are_an_error(llava: Path) -> None:
    import torch

    name = next(name for name in names_of_weights(llava) if "mlp" in name)
    change_weights(llava, other={name: torch.zeros(3, 3)})

    with pytest.raises(WeightsNotFoundError, match=f"have another shape of .*{name[-12:]}"):
        load(llava)


def test_weights_that_are_tied_need_not_be_in_the_file(llava: Path) -> None:
    change_json(llava / "config.json", tie_word_embeddings=True)
    head = [name for name in names_of_weights(llava) if "lm_head" in name]
    assert head
    change_weights(llava, without=head)

    model = load(llava).model

    assert model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def test_damaged_weights_are_an_error(llava: Path) -> None:
    file = llava / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])

    with pytest.raises(WeightsNotFoundError, match="weights of the model 'llava' cannot be loaded"):
        load(llava)


def test_a_damaged_tokenizer_is_an_error(llava: Path) -> None:
    (llava / "tokenizer.json").write_text("{}", encoding="utf-8")

    with pytest.raises(WeightsNotFoundError, match="processor of the model 'llava'"):
        load(llava)


def test_a_folder_without_files_about_pictures_is_an_error(llava: Path) -> None:
    (llava / "processor_config.json").unlink()

    with pytest.raises(WeightsNotFoundError, match="'llava'"):
        load(llava)


def test_the_code_of_a_processor_is_not_run(llava: Path) -> None:
    trap = llava / "ran"
    own = {"AutoProcessor": "own.OwnProcessor"}
    change_json(llava / "processor_config.json", auto_map=own, processor_class="OwnProcessor")
    change_json(llava / "tokenizer_config.json", processor_class="OwnProcessor")
    (llava / "own.py").write_text(f"open({str(trap)!r}, 'w').close()\n", encoding="utf-8")

    with pytest.raises(ChatError, match=r"processor of the model 'llava' needs code.*never run"):
        load(llava)

    assert not trap.exists()


def test_no_memory_for_the_weights_is_said(llava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from florilegium.chat_models.transformers import loading

    class Starved:
        @staticmethod
        def from_pretrained(*_: Any, **__: Any) -> Any:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")

    monkeypatch.setattr(loading, "AutoModelForImageTextToText", Starved)

    with pytest.raises(ChatError, match="does not fit into memory") as caught:
        load(llava)

    assert "smaller model" in (caught.value.hint or "")


def test_both_ends_that_the_files_name_end_a_reply(llava: Path) -> None:
    change_json(llava / "generation_config.json", eos_token_id=[7, 9])

    loaded = load(llava)

    assert loaded.ends == {7, 9, loaded.dialogue.tokenizer.eos_token_id}
    assert loaded.model.generation_config.eos_token_id == sorted(loaded.ends)


def test_advice_for_sampling_is_kept_apart_from_what_always_holds(llava: Path) -> None:
    change_json(
        llava / "generation_config.json",
        do_sample=True,
        temperature=0.3,
        top_p=0.8,
        top_k=20,
        repetition_penalty=1.5,
        max_length=3,
        num_beams=4,
    )

    loaded = load(llava)

    assert loaded.sampling == {"top_p": 0.8, "top_k": 20}
    kept = loaded.model.generation_config
    assert kept.repetition_penalty == 1.5
    assert not kept.do_sample
    assert kept.max_length is None
    assert kept.num_beams in {None, 1}


def test_no_progress_is_drawn_and_the_setting_is_as_it_was(
    llava: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    assert logging.is_progress_bar_enabled()
    capfd.readouterr()

    load(llava)

    assert "Loading weights" not in capfd.readouterr().err
    assert logging.is_progress_bar_enabled()


def test_models_of_pictures_alone_need_no_torchvision(alone: Alone) -> None:
    assert alone.answers[:2] == ["CLIPImageProcessorPil", "Idefics3ImageProcessorPil"]


def test_a_model_of_films_says_that_it_needs_torchvision(alone: Alone) -> None:
    assert "model 'qwen' cannot be loaded without another package" in alone.answers[2]
    assert "pip install torchvision" in alone.answers[2]


def test_nothing_is_looked_for_on_the_network(alone: Alone) -> None:
    assert alone.reached == []


def test_another_package_that_a_processor_needs_is_named(
    llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from florilegium.chat_models.transformers import loading

    class Needy:
        @staticmethod
        def from_pretrained(*_: Any, **__: Any) -> ModuleType:
            raise ImportError("Package `num2words` is required to run it. Install it.")

    monkeypatch.setattr(loading, "AutoProcessor", Needy)

    with pytest.raises(MissingExtraError, match="`num2words` is required"):
        load(llava)
