"""A reply of a tiny model token by token: whole characters, chance, and how it is stopped."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from florilegium.cancelling import Cancellation, CancelledEarly
from florilegium.config import ChatConfig
from florilegium.types import ChatOptions, Delta, Message, TextPart
from tests.torch.tiny_vlm import write_llava

if TYPE_CHECKING:
    from collections.abc import Generator

    from florilegium.chat_models.transformers.loading import LoadedModel

pytestmark = pytest.mark.torch

HOT = ChatOptions(temperature=1.0, seed=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, importable_torchvision: None) -> Path:
    return write_llava(tmp_path_factory.mktemp("generation") / "llava")


@pytest.fixture
def loaded(folder: Path) -> LoadedModel:
    from florilegium.chat_models.transformers.device import Way
    from florilegium.chat_models.transformers.facts import read_facts
    from florilegium.chat_models.transformers.loading import load_model, open_dialogue

    facts = read_facts(folder, ChatConfig())
    return load_model(facts, Way(device="cpu", precision="fp32"), open_dialogue(facts))


def start(
    loaded: LoadedModel, *, limit: int = 24, options: ChatOptions | None = None
) -> Generator[Delta, None, None]:
    from florilegium.chat_models.transformers.generation import generate

    dialogue = loaded.dialogue
    prompt = dialogue.render([Message(role="user", parts=(TextPart(text="Hello?"),))])
    stream: Any = generate(
        loaded, dialogue.to_tensors(prompt), limit=limit, options=options or ChatOptions()
    )
    return stream  # type: ignore[no-any-return]  # generate promises an iterator only


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def workers() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("florilegium-")]


def test_characters_of_several_tokens_are_never_broken(loaded: LoadedModel) -> None:
    from florilegium.chat_models.transformers.generation import TokenReader

    said = "Füße, 茶 & 🌷 — два"
    ids = loaded.dialogue.tokenizer.encode(said, add_special_tokens=False)
    reader = TokenReader(loaded.dialogue.tokenizer)

    pieces = [reader.add(token) for token in ids]

    assert len(ids) == len(said.encode())
    assert [piece for piece in pieces if piece] == list(said)
    assert reader.rest() == ""


def test_special_tokens_are_not_read_out(loaded: LoadedModel) -> None:
    from florilegium.chat_models.transformers.generation import TokenReader

    tokenizer = loaded.dialogue.tokenizer
    ids = tokenizer.encode("a<image>b</s>", add_special_tokens=False)
    reader = TokenReader(tokenizer)

    assert [reader.add(token) for token in ids] == ["a", "", "b", ""]


def test_half_a_character_at_the_end_is_the_rest(loaded: LoadedModel) -> None:
    from florilegium.chat_models.transformers.generation import TokenReader

    *most, _ = loaded.dialogue.tokenizer.encode("é", add_special_tokens=False)
    reader = TokenReader(loaded.dialogue.tokenizer)

    assert [reader.add(token) for token in most] == [""]
    assert reader.rest() == "\ufffd"


def test_spaces_between_words_are_kept() -> None:
    import transformers
    from tokenizers import Tokenizer, decoders, models

    from florilegium.chat_models.transformers.generation import TokenReader

    # As in tokenizers of Llama: the space belongs to the word, and falls away before the first.
    words = Tokenizer(models.WordLevel({"▁a": 0, "▁red": 1, "▁rose": 2}, unk_token="▁a"))
    words.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    reader = TokenReader(transformers.PreTrainedTokenizerFast(tokenizer_object=words))

    assert [reader.add(token) for token in (0, 1, 2)] == ["a", " red", " rose"]


def test_a_reply_ends_with_its_reason_and_the_thread_with_it(loaded: LoadedModel) -> None:
    deltas = list(start(loaded))

    assert deltas[-1].finish_reason == "length"
    assert workers() == []


def test_the_same_seed_gives_the_same_reply_and_another_gives_another(
    loaded: LoadedModel,
) -> None:
    first, second = (text_of(list(start(loaded, options=HOT))) for _ in range(2))
    other = text_of(list(start(loaded, options=ChatOptions(temperature=1.0, seed=8))))
    calm = text_of(list(start(loaded)))

    assert first == second
    assert len({first, other, calm}) == 3


def test_without_a_seed_replies_differ(loaded: LoadedModel) -> None:
    options = ChatOptions(temperature=1.0)

    assert len({text_of(list(start(loaded, options=options))) for _ in range(4)}) > 1


def test_the_random_numbers_of_the_process_stay_as_they_are(loaded: LoadedModel) -> None:
    import torch

    before = torch.random.get_rng_state()

    list(start(loaded, options=HOT))

    assert torch.equal(torch.random.get_rng_state(), before)


def test_tokens_are_drawn_as_often_as_their_scores_say() -> None:
    import torch

    from florilegium.chat_models.transformers.generation import sampling_steps

    scores = torch.tensor([[2.0, 1.0, 0.0, -1.0]]).expand(20_000, 4)
    options = ChatOptions(temperature=2.0, seed=1)

    for step in sampling_steps({}, options, "cpu"):
        scores = step(None, scores)

    drawn = Counter(scores.argmax(dim=-1).tolist())
    expected = torch.softmax(torch.tensor([1.0, 0.5, 0.0, -0.5]), dim=0).tolist()
    # Five standard deviations of a share of 20,000 draws.
    assert [drawn[token] / 20_000 for token in range(4)] == pytest.approx(expected, abs=0.018)


def test_what_the_authors_advise_narrows_the_draw() -> None:
    import torch

    from florilegium.chat_models.transformers.generation import sampling_steps

    scores = torch.tensor([[3.0, 2.0, 1.0, 0.0]]).expand(500, 4)

    for advised, left in (
        ({"top_k": 2}, {0, 1}),
        ({"top_p": 0.5}, {0}),
        ({"min_p": 0.3}, {0, 1}),
        ({"top_p": 1.0}, {0, 1, 2, 3}),
    ):
        narrowed = scores
        for step in sampling_steps(advised, HOT, "cpu"):
            narrowed = step(None, narrowed)
        assert set(narrowed.argmax(dim=-1).tolist()) == left


def test_a_question_narrows_or_widens_what_the_authors_advise() -> None:
    import torch

    from florilegium.chat_models.transformers.generation import sampling_steps

    scores = torch.tensor([[3.0, 2.0, 1.0, 0.0]]).expand(500, 4)

    for top_p, left in ((0.0, {0}), (0.7, {0, 1}), (1.0, {0, 1, 2, 3}), (None, {0})):
        narrowed = scores
        for step in sampling_steps({"top_p": 0.5}, replace(HOT, top_p=top_p), "cpu"):
            narrowed = step(None, narrowed)
        assert set(narrowed.argmax(dim=-1).tolist()) == left


def test_closing_early_ends_the_thread_and_leaves_no_hook(loaded: LoadedModel) -> None:
    stream = start(loaded, limit=900)
    next(stream)

    stream.close()

    assert workers() == []
    assert not any(module._forward_pre_hooks for module in loaded.model.modules())
    assert not loaded.lock.locked()


def test_a_forward_pass_is_left_between_two_layers(loaded: LoadedModel) -> None:
    first, second = loaded.model.model.language_model.layers
    ran: list[str] = []
    hooks = [
        first.register_forward_hook(lambda *_: loaded.closed.set()),
        second.register_forward_hook(lambda *_: ran.append("second")),
    ]

    deltas = list(start(loaded))

    assert [(delta.text, delta.finish_reason) for delta in deltas] == [("", "cancelled")]
    assert ran == []
    for hook in hooks:
        hook.remove()


def test_a_model_without_layers_to_leave_stops_at_the_next_token() -> None:
    import torch

    from florilegium.chat_models.transformers.generation import Listener

    tokens: SimpleQueue[int | None] = SimpleQueue()
    over = threading.Event()
    listener = Listener(tokens, over.is_set)

    goes_on = listener(torch.tensor([[5, 6]]), None).tolist()
    over.set()
    stops = listener(torch.tensor([[5, 6, 7]]), None).tolist()

    assert (goes_on, stops) == ([False], [True])
    assert [tokens.get(), tokens.get()] == [6, 7]


def test_one_reply_is_generated_at_a_time(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: SimpleQueue[str] = SimpleQueue()
    overlaps: list[bool] = []
    generate = loaded.model.generate

    def watch(**inputs: Any) -> None:
        began.put("one")
        generate(**inputs)
        time.sleep(0.2)  # long enough for the other to begin, if nothing keeps it
        overlaps.append(began.qsize() > len(overlaps) + 1)

    monkeypatch.setattr(loaded.model, "generate", watch)
    threads = [threading.Thread(target=list, args=(start(loaded, limit=2),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert overlaps == [False, False]


def test_a_reply_whose_turn_never_comes_can_be_closed(loaded: LoadedModel) -> None:
    with loaded.lock:
        stream = start(loaded)
        asked = threading.Thread(target=list, args=(stream,))
        asked.start()
        loaded.closed.set()
        asked.join(timeout=30)

    assert not asked.is_alive()
    assert workers() == []


def test_errors_of_the_model_come_through(loaded: LoadedModel) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a layer is broken")

    hook = loaded.model.model.language_model.layers[1].register_forward_hook(fail)

    with pytest.raises(RuntimeError, match="a layer is broken"):
        list(start(loaded))

    hook.remove()
    assert workers() == []
    assert list(start(loaded))[-1].finish_reason == "length"


def test_a_reply_that_is_cancelled_from_another_thread_ends(loaded: LoadedModel) -> None:
    loaded.lock.acquire()  # another reply is being written, so that no token of this one comes
    cancellation = Cancellation()
    threading.Timer(0.1, cancellation.cancel).start()
    try:
        with cancellation.working(), pytest.raises(CancelledEarly):
            list(start(loaded, limit=10_000))
    finally:
        loaded.lock.release()
    assert workers() == []
