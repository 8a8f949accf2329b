"""What every encoder must do, as a test class to inherit from. Knows no encoder.

Inherit, override the three fixtures, and pytest runs the suite on your encoder. Beyond the
protocol it settles one point: `close` frees the weights, and a later call loads them again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from florilegium.errors import EncoderError
from florilegium.protocols import Encoder
from florilegium.types import Embeddings, Modality, Purpose

TEXTS = (
    "A red rose in a garden.",
    "The rocket left the launch pad at night, and its engines could be heard for miles.",
    "coffee",
    "一只黑色的猫",
)
_COLOURS = ((220, 30, 30), (30, 160, 40), (20, 40, 200), (240, 220, 40))
_ATOL = 1e-4
_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionCase:
    """A text query, what it must be nearest to, and what it must be farther from."""

    query: str
    right: str | Image.Image
    wrong: str | Image.Image


class EncoderContract:
    """Tests of an encoder; a subclass overrides the fixtures."""

    @pytest.fixture
    def encoder(self) -> Encoder:
        """Return the encoder, able to encode."""
        raise NotImplementedError("Override the fixture `encoder`.")

    @pytest.fixture
    def cold_encoder(self) -> Encoder:
        """Return the same encoder with its weights out of reach, if it has any."""
        raise NotImplementedError("Override the fixture `cold_encoder`.")

    @pytest.fixture
    def caption_cases(self) -> Sequence[CaptionCase]:
        """Return cases that the encoder must get right."""
        raise NotImplementedError("Override the fixture `caption_cases`.")

    def test_info_and_token_counts_need_no_weights(self, cold_encoder: Encoder) -> None:
        """`info` and `count_tokens` work without weights.

        If this fails: `info` or `count_tokens` loads the model; use constants and only
        the tokenizer.
        """
        info = cold_encoder.info

        assert info.id
        assert info.fingerprint
        assert info.dim > 0
        assert info.max_text_tokens > 0
        assert cold_encoder.count_tokens("a red rose in a garden") > cold_encoder.count_tokens("")

    def test_info_is_the_same_with_and_without_weights(
        self, encoder: Encoder, cold_encoder: Encoder
    ) -> None:
        """`info` is known before anything is loaded.

        If this fails: `info` depends on what is loaded, so an index would change its
        identity between two runs.
        """
        _encode_samples(encoder)

        assert encoder.info == cold_encoder.info

    def test_some_modality_is_offered(self, encoder: Encoder) -> None:
        """An encoder takes texts, images or both.

        If this fails: `info.modalities` is empty; name what the encoder takes.
        """
        assert encoder.info.modalities

    def test_tokens_are_counted_without_cutting(self, encoder: Encoder) -> None:
        """`count_tokens` tells how long a text really is.

        If this fails: the tokenizer truncates or pads, so long texts look short enough.
        """
        short, long = encoder.count_tokens("rose"), encoder.count_tokens("rose " * 9000)

        assert short < 20
        assert long > encoder.info.max_text_tokens

    def test_no_input_gives_no_rows(self, encoder: Encoder) -> None:
        """No input gives shape (0, dim).

        If this fails: return `numpy.empty((0, dim), numpy.float32)` for an empty
        sequence.
        """
        for modality in encoder.info.modalities:
            rows = _encode(encoder, modality, [])

            assert rows.shape == (0, encoder.info.dim)
            assert rows.dtype == np.float32

    def test_rows_are_finite_float32_and_of_unit_length(self, encoder: Encoder) -> None:
        """Rows are finite, float32 and of unit length.

        If this fails: normalise the rows, in float32, after the forward pass.
        """
        for modality in encoder.info.modalities:
            _assert_rows(encoder, _encode(encoder, modality, _samples(modality)), 4)

    def test_row_i_belongs_to_input_i(self, encoder: Encoder) -> None:
        """Row i belongs to input i, also when an input comes twice.

        If this fails: rows are lost, merged or reordered, e.g. after sorting by length.
        """
        for modality in encoder.info.modalities:
            one, two, three, four = _samples(modality)
            order = [three, one, four, two, one]

            rows = _encode(encoder, modality, order)

            alone = np.concatenate([_encode(encoder, modality, [sample]) for sample in order[:4]])
            nearest = (rows @ alone.T).argmax(axis=1)
            assert nearest.tolist() == [0, 1, 2, 3, 1]
            assert rows.shape == (5, encoder.info.dim)

    def test_rows_do_not_depend_on_the_batch(self, encoder: Encoder) -> None:
        """A row depends on its own input only.

        If this fails: padding or batch-wide quantisation leaks between rows; mask it, or
        encode one input at a time.
        """
        for modality in encoder.info.modalities:
            samples = _samples(modality)
            together = _encode(encoder, modality, samples)
            for position, sample in enumerate(samples):
                encoder.close()  # forgets what it may remember of this input

                alone = _encode(encoder, modality, [sample])

                np.testing.assert_allclose(alone[0], together[position], atol=_ATOL)

    def test_a_long_text_is_accepted_and_not_cut(self, encoder: Encoder) -> None:
        """The end of a text counts, however long the text is.

        If this fails: the text beyond the limit is lost silently; encode it in windows
        and join their rows.
        """
        long = "The garden is full of green grass. " * (encoder.info.max_text_tokens // 2)
        if Modality.TEXT not in encoder.info.modalities:
            with pytest.raises(EncoderError):
                encoder.encode_texts([long], purpose="document")
            return

        rows = encoder.encode_texts(
            [long, f"{long}A red car. {'Red cars burn. ' * 50}"], purpose="document"
        )

        assert encoder.count_tokens(long) > encoder.info.max_text_tokens
        _assert_rows(encoder, rows, 2)
        assert not np.allclose(rows[0], rows[1], atol=_ATOL)

    @pytest.mark.parametrize("purpose", ["query", "document"])
    @pytest.mark.parametrize("text", ["", " \n\t", "。", "🌹", "\0", "a" * 3000, "e\u0301\u202e"])
    def test_odd_texts_are_accepted(self, encoder: Encoder, text: str, purpose: Purpose) -> None:
        """Every string has a row.

        If this fails: a text without words divides by zero, or an odd character breaks
        the tokenizer.
        """
        if Modality.TEXT not in encoder.info.modalities:
            with pytest.raises(EncoderError):
                encoder.encode_texts([text], purpose=purpose)
            return

        _assert_rows(encoder, encoder.encode_texts([text], purpose=purpose), 1)

    @pytest.mark.parametrize("size", [(1, 1), (1, 400), (2000, 3), (37, 41), (3000, 2000)])
    def test_images_of_any_size_are_accepted(self, encoder: Encoder, size: tuple[int, int]) -> None:
        """Every upright RGB picture has a row.

        If this fails: resizing rounds a side to zero, or the picture is not scaled down.
        """
        image = Image.new("RGB", size, (200, 40, 40))
        if Modality.IMAGE not in encoder.info.modalities:
            with pytest.raises(EncoderError):
                encoder.encode_images([image])
            return

        _assert_rows(encoder, encoder.encode_images([image]), 1)

    def test_images_are_left_as_they_were(self, encoder: Encoder) -> None:
        """The pictures belong to the caller.

        If this fails: the encoder draws on or resizes the picture of its caller; copy it.
        """
        if Modality.IMAGE not in encoder.info.modalities:
            with pytest.raises(EncoderError):
                encoder.encode_images([_picture(_COLOURS[0], _COLOURS[1])])
            return
        image = _picture(_COLOURS[0], _COLOURS[1])
        before = (image.size, image.mode, image.tobytes())

        encoder.encode_images([image])

        assert (image.size, image.mode, image.tobytes()) == before

    def test_a_picture_and_its_prepared_picture_have_the_same_row(self, encoder: Encoder) -> None:
        """What `prepare_image` returns may be encoded instead of the picture.

        If this fails: `prepare_image` and `encode_images` resize in two ways, or the second
        resizes again what has its size already.
        """
        pictures = [*_pictures(), _gradient(900, 700), _gradient(40, 31), _gradient(1500, 3)]
        if Modality.IMAGE not in encoder.info.modalities:
            with pytest.raises(EncoderError):
                encoder.prepare_image(pictures[0])
            return

        prepared = [encoder.prepare_image(picture) for picture in pictures]

        rows = encoder.encode_images(pictures)
        np.testing.assert_allclose(encoder.encode_images(prepared), rows, atol=_ATOL)

    def test_preparing_makes_no_picture_larger_than_the_encoder_needs_it(
        self, encoder: Encoder
    ) -> None:
        """A prepared picture is RGB, and a side is enlarged up to `info.image_side` only.

        If this fails: `info.image_side` is not the side that pictures are scaled to, or
        `prepare_image` returns something else than a small picture.
        """
        side = encoder.info.image_side
        if Modality.IMAGE not in encoder.info.modalities:
            assert side is None
            return
        assert side is None or side > 0
        for width, height in ((900, 700), (40, 31), (1500, 3), (1, 1)):
            picture = _gradient(width, height)
            before = picture.tobytes()

            prepared = encoder.prepare_image(picture)

            assert prepared.mode == "RGB"
            assert 0 < prepared.width <= max(width, side or 0)
            assert 0 < prepared.height <= max(height, side or 0)
            assert picture.tobytes() == before

    def test_several_threads_may_use_one_encoder(self, encoder: Encoder) -> None:
        """Threads may encode, prepare pictures and count tokens, also while weights load.

        If this fails: weights are loaded twice or half, or calls share a work space; put a
        lock where state changes.
        """

        def work(_: int) -> Embeddings:
            encoder.count_tokens(TEXTS[0])
            if Modality.IMAGE in encoder.info.modalities:
                encoder.prepare_image(_pictures()[0])
            return _encode_samples(encoder)

        alone = work(0)
        encoder.close()
        with ThreadPoolExecutor(_THREADS) as pool:
            together = list(pool.map(work, range(2 * _THREADS)))

        for rows in together:
            np.testing.assert_allclose(rows, alone, atol=_ATOL)

    def test_a_modality_that_is_not_offered_raises(self, encoder: Encoder) -> None:
        """A modality that is not in `info.modalities` raises EncoderError.

        If this fails: raise EncoderError for the modality that `info.modalities` lacks,
        and offer every modality that works.
        """
        for modality in Modality:
            if modality in encoder.info.modalities:
                assert len(_encode(encoder, modality, _samples(modality))) == 4
            else:
                with pytest.raises(EncoderError):
                    _encode(encoder, modality, _samples(modality))

    def test_the_matching_caption_beats_the_wrong_one(
        self, encoder: Encoder, caption_cases: Sequence[CaptionCase]
    ) -> None:
        """What belongs together is nearer than what does not.

        If this fails: the towers, the pooling, the normalisation or the preprocessing are
        not those that the model was trained with.
        """
        assert caption_cases
        for case in caption_cases:
            query = encoder.encode_texts([case.query], purpose="query")[0]

            right, wrong = (_one(encoder, answer) @ query for answer in (case.right, case.wrong))

            assert right > wrong, f"{case.query!r}: right {right:.3f}, wrong {wrong:.3f}"

    def test_a_closed_encoder_loads_again_and_gives_the_same_rows(self, encoder: Encoder) -> None:
        """`close` frees the weights; a later call loads them again.

        If this fails: `close` leaves the encoder half usable, cannot be called twice, or
        its rows change from one load to the next.
        """
        before = _encode_samples(encoder)

        encoder.close()
        encoder.close()

        np.testing.assert_allclose(_encode_samples(encoder), before, atol=1e-6)


def _samples(modality: Modality) -> list[str | Image.Image]:
    if modality is Modality.TEXT:
        return list(TEXTS)
    return [*_pictures()]


def _pictures() -> list[Image.Image]:
    return [_picture(*pair) for pair in zip(_COLOURS, reversed(_COLOURS), strict=True)]


def _picture(ground: tuple[int, int, int], figure: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (96, 64), ground)
    image.paste(figure, (10, 10, 40, 50))
    return image


def _gradient(width: int, height: int) -> Image.Image:
    """Return a picture of many colours, in which each pixel tells where it is."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    bands = np.stack([across, down, 255 - across], axis=2)
    return Image.fromarray(bands.astype(np.uint8))


def _encode(
    encoder: Encoder, modality: Modality, samples: Sequence[str | Image.Image]
) -> Embeddings:
    if modality is Modality.TEXT:
        texts = [sample for sample in samples if isinstance(sample, str)]
        return encoder.encode_texts(texts, purpose="document")
    return encoder.encode_images([image for image in samples if isinstance(image, Image.Image)])


def _encode_samples(encoder: Encoder) -> Embeddings:
    modalities = sorted(encoder.info.modalities)
    return np.concatenate([_encode(encoder, each, _samples(each)) for each in modalities])


def _one(encoder: Encoder, sample: str | Image.Image) -> Embeddings:
    modality = Modality.TEXT if isinstance(sample, str) else Modality.IMAGE
    row: Embeddings = _encode(encoder, modality, [sample])[0]
    return row


def _assert_rows(encoder: Encoder, rows: Embeddings, count: int) -> None:
    assert rows.shape == (count, encoder.info.dim)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    for row in rows:
        assert math.isclose(float(np.linalg.norm(row)), 1.0, abs_tol=1e-3)
