"""From a prompt and its picture to the tokens of a reply. Knows no messages and no settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PIL import Image

from florilegium.chat_models.mc_llava.crops import choose_boxes, find_centres, share_tokens
from florilegium.chat_models.mc_llava.layout import Layout
from florilegium.chat_models.mc_llava.network import Network
from florilegium.chat_models.mc_llava.package import Tensor, torch
from florilegium.chat_models.mc_llava.words import Words
from florilegium.preprocessing import Colour, Preprocessing
from florilegium.types import ChatOptions

_GREY: Colour = (0.5, 0.5, 0.5)


class Runner:
    """A loaded model. Several threads may use it at once."""

    def __init__(self, network: Network, words: Words, layout: Layout, *, most_crops: int) -> None:
        self.words = words
        self._network = network
        self._side = layout.vision.image_size
        self._tokens = layout.picture_tokens
        # With more boxes than tokens, the original would give every box all of them.
        self._most_crops = min(most_crops, self._tokens - 1)

    def read(self, ids: Sequence[int], images: Sequence[Image.Image]) -> Tensor:
        """Return the rows of a prompt, with each picture at its token, shape (n, hidden)."""
        return self._network.join(ids, [self.see(image) for image in images])

    def see(self, image: Image.Image) -> Tensor:
        """Return the rows of a picture, shape (tokens, hidden)."""
        boxes = choose_boxes(*image.size, side=self._side, most=self._most_crops)
        pixels = prepare_crops(self._side).to_pixels([image.crop(box) for box in boxes])
        shares = share_tokens(self._tokens, boxes=len(boxes))
        return self._network.see(pixels, find_centres(boxes), tokens=shares)

    def next_logits(self, rows: Tensor) -> Tensor:
        """Return the logits of what follows a prompt, shape (vocabulary,)."""
        return self._network.listen().hear(rows)

    def reply(self, rows: Tensor, options: ChatOptions) -> Iterator[int]:
        """Yield the tokens that follow the rows of a prompt, until one ends the reply.

        Without a seed the chance is another each time.
        """
        chance = torch.Generator()
        if options.seed is None:
            chance.seed()
        else:
            chance.manual_seed(options.seed)
        voice = self._network.listen()
        for _ in range(options.max_tokens):
            token = _choose(voice.hear(rows), options, chance)
            if token in self.words.ends:
                return
            yield token
            rows = self._network.embed([token])


def prepare_crops(side: int) -> Preprocessing:
    """Return how SigLIP wants its pictures."""
    return Preprocessing(
        width=side,
        height=side,
        side=side,
        fit="squash",
        resampling="bicubic",
        mean=_GREY,
        std=_GREY,
    )


def _choose(logits: Tensor, options: ChatOptions, chance: torch.Generator) -> int:
    if options.temperature == 0.0:
        return int(logits.argmax())
    shares, tokens = torch.softmax(logits.cpu() / options.temperature, dim=-1).sort(descending=True)
    if options.top_p is not None:
        # The token that reaches the share belongs to it, and the first one always.
        shares[1:][(shares.cumsum(0) - shares)[1:] >= options.top_p] = 0.0
    return int(tokens[torch.multinomial(shares, 1, generator=chance)])
