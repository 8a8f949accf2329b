"""What is known of a model folder without its weights, and which folders are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from florilegium.config import ChatConfig
from florilegium.errors import ChatError, FlorilegiumError, WeightsNotFoundError
from tests.torch.tiny_vlm import CONTEXT, change_json, write_idefics3, write_llava

pytestmark = pytest.mark.torch

AUTO = ChatConfig()


@pytest.fixture
def llava(tmp_path: Path) -> Path:
    return write_llava(tmp_path / "owner--llava")


def refusal(folder: Path, kind: type[FlorilegiumError]) -> FlorilegiumError:
    from florilegium.chat_models.transformers.facts import read_facts

    with pytest.raises(kind) as caught:
        read_facts(folder, AUTO)
    assert caught.value.hint
    return caught.value


def test_name_context_and_pictures_are_read_from_the_configuration(llava: Path) -> None:
    from florilegium.chat_models.transformers.facts import read_facts

    facts = read_facts(llava, AUTO)

    assert facts.name == "owner/llava"
    assert facts.architecture == "LlavaForConditionalGeneration"
    assert facts.context_tokens == CONTEXT
    assert facts.max_images == 1


def test_settings_win_over_the_configuration(llava: Path) -> None:
    from florilegium.chat_models.transformers.facts import read_facts

    facts = read_facts(llava, ChatConfig(context_tokens=300, vision="no"))

    assert facts.context_tokens == 300
    assert facts.max_images == 0


def test_a_family_that_was_trained_with_many_pictures_takes_many(tmp_path: Path) -> None:
    from florilegium.chat_models.transformers.facts import read_facts

    assert read_facts(write_idefics3(tmp_path / "idefics3"), AUTO).max_images == 8


def test_a_llava_with_another_eye_than_clip_takes_many_pictures(llava: Path) -> None:
    from florilegium.chat_models.transformers.facts import read_facts

    eye = {"model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 64}
    change_json(llava / "config.json", vision_config=eye)

    assert read_facts(llava, AUTO).max_images == 8


def test_code_of_a_model_folder_is_named_and_never_run(llava: Path) -> None:
    code = {"AutoModel": "modeling_own.OwnModel", "AutoConfig": "configuration_own.OwnConfig"}
    change_json(llava / "config.json", model_type="own-llava", auto_map=code)
    trap = llava / "ran"
    for name in ("modeling_own.py", "configuration_own.py"):
        (llava / name).write_text(f"open({str(trap)!r}, 'w').close()\n", encoding="utf-8")

    error = refusal(llava, ChatError)

    assert "'owner/llava' (type 'own-llava')" in error.message
    assert "modeling_own.OwnModel" in error.message
    assert "never run" in error.message
    assert "`openai`" in (error.hint or "")
    assert not trap.exists()


def test_the_code_beside_a_known_type_is_not_run_either(llava: Path) -> None:
    from florilegium.chat_models.transformers.facts import read_facts

    change_json(llava / "config.json", auto_map={"AutoConfig": "configuration_own.OwnConfig"})
    trap = llava / "ran"
    (llava / "configuration_own.py").write_text(
        f"open({str(trap)!r}, 'w').close()\n", encoding="utf-8"
    )

    assert read_facts(llava, AUTO).architecture == "LlavaForConditionalGeneration"
    assert not trap.exists()


def test_a_type_that_is_not_known_is_named(llava: Path) -> None:
    change_json(llava / "config.json", model_type="llava_of_tomorrow")

    error = refusal(llava, ChatError)

    assert "'llava_of_tomorrow'" in error.message
    assert "newer transformers" in (error.hint or "")


def test_a_model_that_does_not_answer_about_pictures_is_refused(tmp_path: Path) -> None:
    import transformers

    transformers.LlamaConfig(architectures=["LlamaForCausalLM"]).save_pretrained(str(tmp_path))

    assert "'llama', which is none" in refusal(tmp_path, ChatError).message


def test_a_file_and_a_folder_without_configuration_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")

    assert "is a file" in refusal(file, WeightsNotFoundError).message
    error = refusal(tmp_path, WeightsNotFoundError)
    assert "has no config.json" in error.message
    assert "`llama_cpp`" in (error.hint or "")


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_damaged_configuration_is_refused(llava: Path, text: str) -> None:
    (llava / "config.json").write_text(text, encoding="utf-8")

    refusal(llava, FlorilegiumError)


def test_a_configuration_with_a_wrong_value_is_refused(llava: Path) -> None:
    change_json(llava / "config.json", text_config={"model_type": "llama", "hidden_size": "wide"})

    assert "cannot be read by transformers" in refusal(llava, WeightsNotFoundError).message


def test_missing_weights_are_named(llava: Path) -> None:
    (llava / "model.safetensors").unlink()

    assert "has no weights" in refusal(llava, WeightsNotFoundError).message


def test_pickled_weights_are_refused_with_the_reason(llava: Path) -> None:
    (llava / "model.safetensors").rename(llava / "pytorch_model.bin")

    error = refusal(llava, WeightsNotFoundError)

    assert "'pytorch_model.bin'" in error.message
    assert "can run code" in error.message


def test_a_missing_part_of_the_weights_is_named_before_they_are_loaded(llava: Path) -> None:
    from florilegium.chat_models.transformers.facts import read_facts

    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = {"metadata": {}, "weight_map": parts}
    (llava / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    (llava / "model.safetensors").rename(llava / parts["a"])

    error = refusal(llava, WeightsNotFoundError)

    assert "lacks 1 of its 2 files of weights: model-00002-of-00002" in error.message

    (llava / parts["b"]).touch()
    assert read_facts(llava, AUTO).name == "owner/llava"


def test_a_damaged_list_of_weights_is_named(llava: Path) -> None:
    (llava / "model.safetensors").unlink()
    (llava / "model.safetensors.index.json").write_text("{}", encoding="utf-8")

    assert "model.safetensors.index.json" in refusal(llava, WeightsNotFoundError).message


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("\nIt is broken.\nAnd more.", "It is broken"),
        ("It needs torchvision. Look at\nthe page.", "It needs torchvision"),
        ("No file 'a.b. c' e.g. here", "No file 'a.b. c' e.g. here"),
        ("", "ValueError"),
    ],
)
def test_a_reason_is_the_first_sentence_of_an_error(message: str, reason: str) -> None:
    from florilegium.chat_models.transformers.facts import short_reason

    assert short_reason(ValueError(message)) == reason
