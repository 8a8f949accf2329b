from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from florilegium.chat_models.mc_llava.device import Way
from florilegium.chat_models.mc_llava.layout import read_layout
from florilegium.chat_models.mc_llava.words import Words, open_words
from florilegium.types import ChatOptions
from tests.torch.tiny_mc_llava import (
    CONFIG,
    PICTURE_TOKENS,
    make_mc_llava,
    picture,
    pin_of,
)

if TYPE_CHECKING:
    # Needs PyTorch, which the tests that are not marked `torch` do without.
    from florilegium.chat_models.mc_llava.runner import Runner

pytestmark = pytest.mark.torch

IDS = [65, 66, 67]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Let PyTorch take one thread: for a network as small as this one, more are slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_mc_llava(tmp_path_factory.mktemp("mc-llava"))


def load(folder: Path, *, most_crops: int = 12, ends: frozenset[int] | None = None) -> Runner:
    from florilegium.chat_models.mc_llava.checkpoint import load_network
    from florilegium.chat_models.mc_llava.runner import Runner

    pin = pin_of(folder)
    layout = read_layout(folder, pin=pin)
    way = Way(device="cpu", precision="fp32", most_crops=most_crops)
    words = open_words(folder, image_token=layout.image_token)
    if ends is not None:
        words = Words(words._tokenizer, ends=ends)
    network = load_network(folder, layout, pin=pin, way=way)
    return Runner(network, words, layout, most_crops=most_crops)


def reply(
    runner: Runner, *, temperature: float = 0.0, top_p: float | None = None, seed: int | None = 1
) -> list[int]:
    options = ChatOptions(max_tokens=12, temperature=temperature, top_p=top_p, seed=seed)
    return list(runner.reply(runner.read(IDS, []), options))


def test_a_picture_takes_the_same_room_whatever_its_size(folder: Path) -> None:
    runner = load(folder)
    ids = [65, CONFIG["image_token_index"], 66]

    lengths = {len(runner.read(ids, [picture(*size)])) for size in ((20, 20), (900, 300))}

    assert lengths == {2 + PICTURE_TOKENS}


def test_crops_let_the_model_see_more_of_a_large_picture(folder: Path) -> None:
    import torch

    large = picture(640, 480)

    whole, cut = load(folder, most_crops=0).see(large), load(folder, most_crops=12).see(large)

    assert whole.shape == cut.shape
    assert not torch.allclose(whole, cut, atol=0.1)


def test_there_are_fewer_crops_than_tokens(folder: Path) -> None:
    runner = load(folder, most_crops=100_000)

    assert len(runner.see(picture(1800, 1500))) == PICTURE_TOKENS


def test_a_reply_has_as_many_tokens_as_it_may(folder: Path) -> None:
    assert len(reply(load(folder))) == 12


def test_a_reply_ends_before_the_token_that_ends_it(folder: Path) -> None:
    whole = reply(load(folder))
    end = whole[-1]

    short = reply(load(folder, ends=frozenset({end})))

    assert short == whole[: whole.index(end)]


def test_the_likeliest_token_is_taken_at_temperature_zero(folder: Path) -> None:
    runner = load(folder)

    assert reply(runner, seed=1) == reply(runner, seed=2)
    assert reply(runner)[0] == int(runner.next_logits(runner.read(IDS, [])).argmax())


def test_the_same_seed_gives_the_same_reply(folder: Path) -> None:
    runner = load(folder)

    first = reply(runner, temperature=2.0, seed=5)

    assert reply(runner, temperature=2.0, seed=5) == first
    assert reply(runner, temperature=2.0, seed=6) != first


def test_without_a_seed_replies_differ(folder: Path) -> None:
    runner = load(folder)

    assert len({tuple(reply(runner, temperature=2.0, seed=None)) for _ in range(3)}) > 1


def test_only_the_likeliest_tokens_are_left_to_chance(folder: Path) -> None:
    import torch

    runner = load(folder)
    logits = runner.next_logits(runner.read(IDS, []))
    shares, tokens = torch.softmax(logits / 2.0, dim=-1).sort(descending=True)
    likeliest = reply(runner)

    assert reply(runner, temperature=2.0, top_p=0.0, seed=None) == likeliest
    # Half of the first token's share is reached by it, a little more than its own by the second.
    for share, among in ((shares[0] * 0.5, tokens[:1]), (shares[0] * 1.01, tokens[:2])):
        drawn = {
            reply(runner, temperature=2.0, top_p=float(share), seed=seed)[0] for seed in range(60)
        }
        assert drawn == set(among.tolist())
