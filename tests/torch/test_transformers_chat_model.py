"""Tiny chat models of transformers against the contract, and what is refused, stopped and freed.
That they say what transformers says is in test_transformers_parity.py."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from florilegium.config import ChatConfig
from florilegium.errors import (
    ChatError,
    ConfigError,
    ContextExceededError,
    MissingExtraError,
    UnsupportedInputError,
    WeightsNotFoundError,
)
from florilegium.ids import sha256_file
from florilegium.model_records import RECORD_NAME, FileRecord, FolderRecord, write_folder_record
from florilegium.protocols import ChatModel
from florilegium.registry import open_chat_model
from florilegium.testing.chat_contract import ChatModelContract, a_question
from florilegium.types import ChatOptions, TokenUsage
from tests.torch.tiny_vlm import (
    CONTEXT,
    SHORT,
    WRITERS,
    ask,
    change_json,
    open_model,
    photos,
    spy_on_tokens,
    text_of,
    write_llava,
)

if TYPE_CHECKING:
    from florilegium.chat_models.transformers.chat_model import TransformersChatModel

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folders(
    tmp_path_factory: pytest.TempPathFactory, importable_torchvision: None
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("transformers")
    return {name: write(folder / name) for name, write in WRITERS.items()}


@pytest.fixture
def llava(folders: dict[str, Path]) -> Iterator[TransformersChatModel]:
    model = open_model(folders["llava"])
    yield model
    model.close()


class TestTransformersChatModel(ChatModelContract):
    @pytest.fixture(params=list(WRITERS))
    def chat_model(
        self, request: pytest.FixtureRequest, folders: dict[str, Path]
    ) -> Iterator[ChatModel]:
        model = open_model(folders[request.param])
        yield model
        model.close()


class TestTransformersChatModelWithoutEyes(ChatModelContract):
    @pytest.fixture
    def chat_model(self, folders: dict[str, Path]) -> Iterator[ChatModel]:
        model = open_model(folders["idefics3"], vision="no")
        yield model
        model.close()


def test_a_reply_ends_with_length_at_the_limit(
    llava: TransformersChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = spy_on_tokens(monkeypatch)

    deltas = list(llava.stream(ask("Which?"), options=ChatOptions(max_tokens=5)))

    dialogue = llava._open()
    prompt = dialogue.to_tensors(dialogue.render(ask("Which?")))["input_ids"].shape[1]
    assert len(tokens) == 5
    assert deltas[-1].finish_reason == "length"
    assert deltas[-1].usage == TokenUsage(prompt_tokens=prompt, completion_tokens=5)


def test_a_reply_that_fills_the_context_ends_with_length(
    llava: TransformersChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = spy_on_tokens(monkeypatch)
    dialogue = llava._open()
    frame = dialogue.to_tensors(dialogue.render(ask("")))["input_ids"].shape[1]

    deltas = list(llava.stream(ask("x" * (CONTEXT - 6 - frame)), options=SHORT))

    assert len(tokens) == 6
    assert deltas[-1].finish_reason == "length"


def test_messages_over_the_context_are_refused_with_both_numbers(
    llava: TransformersChatModel,
) -> None:
    with pytest.raises(ContextExceededError, match=rf"take 2\d\d\d tokens.*of {CONTEXT}"):
        list(llava.stream(ask("x" * 2000), options=SHORT))


def test_a_smaller_context_can_be_set(folders: dict[str, Path]) -> None:
    model = open_model(folders["llava"], context_tokens=64)

    with pytest.raises(ContextExceededError, match="context of 64"):
        list(model.stream(ask("x" * 64), options=SHORT))

    model.close()


def test_too_many_pictures_are_refused_when_the_stream_is_asked_for(
    llava: TransformersChatModel,
) -> None:
    with pytest.raises(UnsupportedInputError, match="at most 1 pictures, and was given 2"):
        llava.stream(ask("Which?", photos(2)), options=SHORT)


def test_advice_for_sampling_in_the_folder_leaves_temperature_zero_alone(
    folders: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_llava(tmp_path / "model")
    advice = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 5, "num_beams": 2}
    change_json(folder / "generation_config.json", **advice)
    plain, advised = open_model(folders["llava"]), open_model(folder)
    capfd.readouterr()

    replies = [
        text_of(list(model.stream(ask("Which?"), options=SHORT))) for model in (plain, advised)
    ]

    assert replies[0] == replies[1]
    assert "generation flags" not in capfd.readouterr().err
    plain.close()
    advised.close()


def test_a_temperature_gives_the_reply_of_its_seed(llava: TransformersChatModel) -> None:
    replies = [
        text_of(
            list(
                llava.stream(
                    ask("Which?"), options=ChatOptions(max_tokens=20, temperature=1.0, seed=seed)
                )
            )
        )
        for seed in (1, 1, 2)
    ]

    assert replies[0] == replies[1] != replies[2]


def test_two_replies_at_once_do_not_mix(folders: dict[str, Path]) -> None:
    # Qwen keeps the positions of the reply at hand in the model itself.
    model = open_model(folders["qwen"])
    questions = [ask("Which?", photos(2)), ask("And this?", photos(1))]
    alone = [text_of(list(model.stream(question, options=SHORT))) for question in questions]
    together = ["", ""]

    def reply(at: int) -> None:
        together[at] = text_of(list(model.stream(questions[at], options=SHORT)))

    threads = [threading.Thread(target=reply, args=(at,)) for at in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    model.close()

    assert together == alone


def test_a_stream_that_is_held_open_does_not_block_the_next(
    llava: TransformersChatModel,
) -> None:
    held = llava.stream(ask("Which?"), options=SHORT)
    next(held)

    deltas = list(llava.stream(ask("And this?"), options=SHORT))

    assert deltas[-1].finish_reason is not None
    assert list(held)[-1].finish_reason is not None


def test_closing_the_model_ends_a_reply_that_is_being_written(
    llava: TransformersChatModel,
) -> None:
    stream = llava.stream(ask("Which?"), options=ChatOptions(max_tokens=900))
    first = next(stream)

    llava.close()

    deltas = [first, *stream]
    assert deltas[-1].finish_reason == "cancelled"


def test_close_frees_the_weights_and_the_model_can_be_used_again(
    llava: TransformersChatModel,
) -> None:
    before = text_of(list(llava.stream(ask("Which?"), options=SHORT)))
    assert llava._loaded is not None
    weights = weakref.ref(llava._loaded.model)

    llava.close()
    llava.close()
    gc.collect()

    assert weights() is None
    assert text_of(list(llava.stream(ask("Which?"), options=SHORT))) == before


def test_a_model_says_in_a_line_what_it_is_and_how_it_runs(folders: dict[str, Path]) -> None:
    llava = open_model(folders["llava"])
    small = open_model(folders["qwen"], precision="bf16", context_tokens=99, vision="no")

    assert llava.describe() == "LlavaForConditionalGeneration, 1024 tokens, 1 picture, cpu fp32"
    assert small.describe() == (
        "Qwen2_5_VLForConditionalGeneration, 99 tokens, 0 pictures, cpu bf16"
    )
    assert llava._loaded is None


def test_the_info_needs_no_weights(tmp_path: Path) -> None:
    folder = write_llava(tmp_path / "owner--llava")
    (folder / "model.safetensors").write_bytes(b"")

    info = open_model(folder).info

    assert info.id == "transformers:owner/llava"
    assert (info.max_images, info.context_tokens, info.image_tokens) == (1, CONTEXT, 17)
    assert info.generative


def test_a_pulled_model_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_llava(tmp_path / "models" / "owner--llava")
    files = tuple(
        FileRecord(path=file.name, sha256=sha256_file(file), size=file.stat().st_size)
        for file in sorted(folder.iterdir())
    )
    record = FolderRecord(id="owner--llava", kind="transformers", files=files)
    write_folder_record(folder / RECORD_NAME, record)
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(tmp_path / "models"))

    model = open_chat_model(
        "transformers:owner/llava", config=ChatConfig(), texts=None, cache_folder=tmp_path
    )

    assert model.info.id == "transformers:owner/llava"


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="nowhere"):
        open_model(tmp_path / "nowhere")


def test_a_device_that_is_not_there_is_refused_at_once(folders: dict[str, Path]) -> None:
    import torch

    device = "mps" if torch.cuda.is_available() else "cuda"

    with pytest.raises((ConfigError, MissingExtraError), match=device):
        open_model(folders["llava"], device=device)


def test_half_precision_replies_too(folders: dict[str, Path]) -> None:
    model = open_model(folders["idefics3"], precision="bf16", threads=1)

    deltas = list(model.stream(ask("Which?", photos(1)), options=SHORT))
    model.close()

    assert deltas[-1].finish_reason == "length"


@pytest.mark.parametrize(
    ("fault", "says", "hint"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB."), "out of memory", "Lower"),
        (MemoryError(), "out of memory", "Lower"),
        (ValueError("Image features and image tokens do not match"), "do not match", "pictures"),
    ],
)
def test_what_fails_inside_is_an_error_of_ours(
    llava: TransformersChatModel, fault: Exception, says: str, hint: str
) -> None:
    def fail(*_: Any) -> None:
        raise fault

    list(llava.stream(ask("Which?"), options=SHORT))
    assert llava._loaded is not None
    hook = llava._loaded.model.register_forward_hook(fail)

    with pytest.raises(ChatError, match=f"'transformers:llava' .*{says}") as caught:
        list(llava.stream(ask("Which?"), options=SHORT))

    hook.remove()
    assert hint in (caught.value.hint or "")
    assert caught.value.__cause__ is fault
    assert list(llava.stream(ask("Which?"), options=SHORT))[-1].finish_reason == "stop"


def test_a_picture_of_one_pixel_and_a_line_are_taken(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        model = open_model(folder)
        for size in ((1, 1), (1, 300)):
            asked = ask("Which?", [Image.new("RGB", size, "red")])
            assert list(model.stream(asked, options=ChatOptions(max_tokens=2)))
        model.close()


def test_the_question_of_the_contract_leaves_no_thread(llava: TransformersChatModel) -> None:
    list(llava.stream(a_question(pictures=1), options=SHORT))

    assert [each for each in threading.enumerate() if each.name.startswith("florilegium")] == []
