from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from florilegium.chat_models.llama_cpp.chat_model import (
    MOST_PICTURES,
    LlamaCppChatModel,
    open_chat_model,
)
from florilegium.config import ChatConfig
from florilegium.errors import (
    ChatError,
    ContextExceededError,
    UnsupportedInputError,
    WeightsNotFoundError,
)
from florilegium.model_records import (
    RECORD_NAME,
    FileRecord,
    FolderRecord,
    write_folder_record,
)
from florilegium.types import (
    ChatOptions,
    Delta,
    ImagePart,
    Message,
    MessagePart,
    SourcePart,
    TextPart,
)
from tests.smollm2 import find_smollm2
from tests.tiny_gguf import CHATML, MODEL, write_gguf, write_llama, write_mmproj
from tests.unit.worker_samples import wait_until

FEW = ChatOptions(max_tokens=8)
MANY = ChatOptions(max_tokens=80)


def open_model(model: str | Path, **settings: object) -> LlamaCppChatModel:
    config = ChatConfig.model_validate(settings)
    opened = open_chat_model(str(model), config=config, texts=None, cache_folder=Path("unused"))
    assert isinstance(opened, LlamaCppChatModel)
    return opened


def ask(text: str, *pictures: Image.Image, rules: str = "") -> list[Message]:
    parts: list[MessagePart] = [ImagePart(image=picture) for picture in pictures]
    parts.append(TextPart(text=text))
    system = [Message(role="system", parts=(TextPart(text=rules),))] if rules else []
    return [*system, Message(role="user", parts=tuple(parts))]


def joined(deltas: Iterable[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.fixture(scope="module")
def chat_model() -> Iterator[LlamaCppChatModel]:
    opened = open_model(find_smollm2(), context_tokens=256, threads=1)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def seeing_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppChatModel]:
    folder = tmp_path_factory.mktemp("seeing")
    write_llama(folder / "tiny.gguf")
    write_mmproj(folder / "mmproj.gguf")
    opened = open_model(folder, context_tokens=512, threads=1)
    yield opened
    opened.close()


def test_the_info_comes_from_the_head_of_the_file(tmp_path: Path) -> None:
    # Nothing of this file could be loaded.
    chat_model = open_model(write_gguf(tmp_path / "rose-Q4.gguf"))

    assert chat_model.info.id == "llama_cpp:rose-Q4"
    assert chat_model.info.context_tokens == 4096
    assert chat_model.info.max_images == 0
    assert chat_model.info.generative
    assert chat_model.info.in_process


@pytest.mark.parametrize(
    ("made_for", "asked_for", "tokens"),
    [
        (131_072, 0, 8192),
        (4096, 0, 4096),
        (131_072, 32_768, 32_768),
        (4096, 9000, 4096),
        (4096, 300, 512),  # llama.cpp rounds up to a multiple of 256
    ],
)
def test_the_context_is_no_more_than_the_model_was_made_for(
    tmp_path: Path, made_for: int, asked_for: int, tokens: int
) -> None:
    model = write_gguf(tmp_path / "rose.gguf", {**MODEL, "llama.context_length": made_for})

    assert open_model(model, context_tokens=asked_for).info.context_tokens == tokens


def test_it_describes_itself_in_a_line(tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "rose.gguf")
    assert open_model(model, threads=3).describe() == (
        "Tiny Rose (Q4_K_M), 4096 tokens, text only, 3 threads"
    )

    write_mmproj(tmp_path / "mmproj.gguf")
    assert open_model(tmp_path, threads=1).describe() == (
        "Tiny Rose (Q4_K_M), 4096 tokens, sees pictures by mmproj.gguf, 1 thread"
    )


def test_it_says_so_when_the_file_has_no_template(tmp_path: Path) -> None:
    values = {key: value for key, value in MODEL.items() if "template" not in key}
    model = write_gguf(tmp_path / "rose.gguf", {**values, "general.name": ""})

    assert open_model(model, threads=2).describe() == (
        "rose (Q4_K_M), 4096 tokens, text only, 2 threads, no chat template in the file, so ChatML"
    )


def test_one_core_is_left_free_unless_the_threads_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_gguf(tmp_path / "rose.gguf")

    for cores, threads in ((1, "1 thread"), (2, "1 thread"), (8, "7 threads")):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert open_model(model).describe().endswith(threads)
    assert open_model(model, threads=8).describe().endswith("8 threads")


def test_a_pulled_folder_of_the_models_folder_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(tmp_path))
    file = write_gguf(tmp_path / "garden--rose" / "rose.gguf")
    files = (FileRecord(path=file.name, sha256="0" * 64, size=file.stat().st_size),)
    record = FolderRecord(id="garden/rose", kind="llama_cpp", files=files)
    write_folder_record(file.with_name(RECORD_NAME), record)

    assert open_model("garden/rose").info.id == "llama_cpp:rose"


def test_a_model_that_is_nowhere_is_an_error_before_anything_is_asked() -> None:
    with pytest.raises(WeightsNotFoundError, match="neither a file nor a pulled model"):
        open_model("no/such-model")


def test_the_reply_streams_and_ends_with_its_reason(chat_model: LlamaCppChatModel) -> None:
    started = time.process_time()
    stream = chat_model.stream(ask("Tell a long story about a rose."), options=MANY)
    next(stream)
    early = time.process_time() - started

    rest = list(stream)

    assert len(rest) > 40
    assert early < 0.9 * (time.process_time() - started)  # which is all of it where nothing streams
    assert [delta.finish_reason for delta in rest[:-1]] == [None] * (len(rest) - 1)
    assert rest[-1].finish_reason in {"stop", "length"}


def test_the_same_question_has_the_same_reply_whatever_was_asked_before(
    chat_model: LlamaCppChatModel,
) -> None:
    """A prompt of which the beginning is already computed gives other last digits, and so words."""
    garden = SourcePart(
        number=1, title="Dahlia", path="d.txt", text="Dahlias are planted after the last frost."
    )
    question = TextPart(text="When are dahlias planted?")
    messages = [Message(role="user", parts=(garden, question))]
    longer = [*messages, Message(role="assistant", parts=(TextPart(text="After the frost."),))]
    options = ChatOptions(max_tokens=24)

    first = joined(chat_model.stream(messages, options=options))
    again = joined(chat_model.stream(messages, options=options))
    list(chat_model.stream([*longer, *ask("Why?")], options=FEW))

    assert again == first
    assert joined(chat_model.stream(messages, options=options)) == first


def test_the_seed_decides_when_the_temperature_does_not(chat_model: LlamaCppChatModel) -> None:
    # At a temperature above 0 the beginning of a prompt is kept; then all replies but the first
    # have the same start.
    warm = [ChatOptions(max_tokens=16, temperature=1.5, seed=seed) for seed in (1, 1, 2)]
    question = ask("Tell a story about a rose.")
    list(chat_model.stream(question, options=warm[0]))

    one, same, other = (joined(chat_model.stream(question, options=each)) for each in warm)

    assert one == same
    assert one != other


def test_messages_that_are_too_long_name_the_context_of_the_info(
    chat_model: LlamaCppChatModel,
) -> None:
    assert chat_model.info.context_tokens == 256
    with pytest.raises(ContextExceededError, match="the context of the model has 256"):
        list(chat_model.stream(ask("rose " * 600), options=FEW))


def test_pictures_are_refused_by_a_model_without_eyes(chat_model: LlamaCppChatModel) -> None:
    picture = Image.new("RGB", (8, 8), "red")

    with pytest.raises(UnsupportedInputError, match="takes at most 0 pictures") as caught:
        chat_model.stream(ask("What is it?", picture), options=FEW)

    assert caught.value.hint
    assert "chat.mmproj" in caught.value.hint


def test_pictures_reach_a_model_that_sees(seeing_model: LlamaCppChatModel) -> None:
    """Its weights are left to chance, so it cannot say what it sees, only that."""
    red, blue = (Image.new("RGB", (90, 60), colour) for colour in ("red", "blue"))

    replies = [
        joined(seeing_model.stream(ask("What is it?", *seen), options=FEW))
        for seen in ((red,), (blue,), (red, blue), (blue, red), (red,))
    ]

    assert len(set(replies[:4])) == 4
    assert replies[4] == replies[0]


def test_pictures_take_room_in_the_context(seeing_model: LlamaCppChatModel) -> None:
    assert seeing_model.info.max_images == MOST_PICTURES
    pictures = [Image.new("RGB", (32, 32), "red")] * MOST_PICTURES
    question = "x" * 400

    list(seeing_model.stream(ask(question), options=FEW))
    with pytest.raises(ContextExceededError):
        list(seeing_model.stream(ask(question, *pictures), options=FEW))


def test_a_vision_part_of_another_model_is_an_error_with_both_names(tmp_path: Path) -> None:
    eyes = write_mmproj(tmp_path / "eyes.gguf")
    chat_model = open_model(find_smollm2(), context_tokens=256, threads=1, mmproj=str(eyes))

    with pytest.raises(WeightsNotFoundError, match=r"cannot load .*SmolLM2.* with .*eyes\.gguf"):
        list(chat_model.stream(ask("Hello?"), options=FEW))


@pytest.mark.parametrize(
    "template",
    [
        "",  # llama.cpp then takes ChatML
        "{{ raise_exception('No system role') if messages[0].role == 'system' }}" + CHATML,
        CHATML.replace("in messages", "in messages if m.role != 'system'"),
    ],
    ids=["no template", "refuses system messages", "drops system messages"],
)
def test_rules_reach_a_model_whatever_its_template(tmp_path: Path, template: str) -> None:
    """llama.cpp puts what a template has no place for before the user's own words."""
    model = write_llama(tmp_path / "tiny.gguf", template=template)
    chat_model = open_model(model, context_tokens=256, threads=1)

    bare, ruled = (
        joined(chat_model.stream(ask("Say a word.", rules=rules), options=FEW))
        for rules in ("", "Answer in French.")
    )
    with pytest.raises(ContextExceededError):
        list(chat_model.stream(ask("Say a word.", rules="x" * 300), options=FEW))
    chat_model.close()

    assert bare
    assert ruled != bare


def test_closing_during_a_reply_cancels_it_and_the_model_can_be_used_again() -> None:
    chat_model = open_model(find_smollm2(), context_tokens=256, threads=1)
    before = threading.active_count()
    stream = chat_model.stream(ask("Tell a long story about a rose."), options=MANY)
    next(stream)

    chat_model.close()
    rest = list(stream)

    assert rest[-1].finish_reason == "cancelled"
    assert len(rest) < MANY.max_tokens
    wait_until(lambda: threading.active_count() == before)
    assert list(chat_model.stream(ask("Hello?"), options=FEW))[-1].finish_reason
    chat_model.close()


def test_a_character_of_several_tokens_is_sent_whole(chat_model: LlamaCppChatModel) -> None:
    question = ask("Repeat 🌸🌸🌸🌸🌸🌸🌸🌸🌸🌸🌸🌸")  # three tokens each

    deltas = list(chat_model.stream(question, options=ChatOptions(max_tokens=7)))

    assert [delta.text for delta in deltas] == ["🌸", "🌸", ""]
    with pytest.raises(ChatError, match="limit of 2 tokens") as caught:
        list(chat_model.stream(question, options=ChatOptions(max_tokens=2)))
    assert caught.value.hint
    assert "chat.max_tokens" in caught.value.hint


def test_the_tokens_that_were_read_and_written_are_counted(chat_model: LlamaCppChatModel) -> None:
    short, long = (
        list(chat_model.stream(ask(text), options=FEW))[-1].usage
        for text in ("Hello?", "Hello? " * 20)
    )

    assert short is not None
    assert long is not None
    assert short.completion_tokens == FEW.max_tokens
    assert long.prompt_tokens > short.prompt_tokens + 20
