"""Pulls of chat models, against a hub on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from florilegium.errors import WeightsNotFoundError
from florilegium.model_cards import ModelCard, PinnedFile
from florilegium.model_files import Wish
from florilegium.model_pull import PulledModel, PullProgress, pull_model
from florilegium.model_records import RECORD_NAME, FolderRecord, read_folder_record
from florilegium.models import check_files
from florilegium.weights import locate_weights
from tests.tiny_hub import (
    FIRST,
    GGUF_MODEL,
    GGUF_PROJECTOR,
    SECOND,
    TinyHub,
    serve,
    write_tiny_gguf,
    write_tiny_transformers,
)
from tests.tiny_onnx import write_tiny_clip

NAME, FOLDER = "tiny/chat", "tiny--chat"

Pull = Callable[..., PulledModel]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    """Return a hub that has a repository of GGUF files."""
    write_tiny_gguf(tmp_path / "hub")
    with serve(TinyHub(NAME, tmp_path / "hub"), monkeypatch) as running:
        yield running


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def pull(hub: TinyHub, models: Path) -> Pull:
    def pull(
        name: str = NAME,
        *,
        progress: Callable[[PullProgress], None] | None = None,
        **wish: Any,
    ) -> PulledModel:
        return pull_model(name, folder=models, wish=Wish(**wish), progress=progress)

    return pull


@pytest.fixture
def card(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelCard]:
    """Return what gives the GGUF repository a card of a model and a projector."""

    def make(*paths: str, sha256: str | None = None) -> ModelCard:
        pins = []
        for path in paths or ("Tiny-Q8_0.gguf", "mmproj-Tiny-F16.gguf"):
            data = hub.read(FIRST, path) or b""
            digest = sha256 or hashlib.sha256(data).hexdigest()
            pins.append(PinnedFile(path=path, size=len(data), sha256=digest))
        found = ModelCard(
            name="tiny", title="Tiny", about="", chat_model="llama_cpp", source=NAME,
            revision=FIRST, licence="MIT", languages=("en",), files=tuple(pins),
        )  # fmt: skip
        for module in ("model_pull", "models", "weights"):
            monkeypatch.setattr(
                f"florilegium.{module}.find_card",
                lambda name: found if name in {"tiny", NAME} else None,
            )
        return found

    return make


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _record(pulled: PulledModel) -> FolderRecord:
    assert isinstance(pulled.model.record, FolderRecord)
    return pulled.model.record


def test_a_pulled_gguf_model_is_whole_and_has_a_record(pull: Pull, models: Path) -> None:
    pulled = pull()

    record = _record(pulled)
    assert (record.id, record.kind, pulled.kept) == (FOLDER, "llama_cpp", False)
    assert record.origin == {"source": NAME, "revision": FIRST, "licence": "apache-2.0"}
    assert read_folder_record(models / FOLDER / RECORD_NAME) == record
    assert list(check_files(models / FOLDER, record)) == []
    assert _files(models / FOLDER) == {GGUF_MODEL, GGUF_PROJECTOR, "README.md", RECORD_NAME}


def test_a_pulled_chat_model_is_found_by_its_backend(pull: Pull, models: Path) -> None:
    model = pull().model

    assert model.setting == f'chat.name = "llama_cpp:{FOLDER}"'
    assert locate_weights(FOLDER, kind="llama_cpp") == models / FOLDER


def test_every_file_is_in_the_record_with_its_hash(pull: Pull, hub: TinyHub) -> None:
    record = _record(pull())

    for file in record.files:
        assert file.sha256 == hashlib.sha256(hub.read(FIRST, file.path) or b"").hexdigest()


def test_another_quantization_is_asked_for_by_a_pattern(pull: Pull, models: Path) -> None:
    pull(patterns=["*F16*"])

    assert {"Tiny-F16.gguf", "mmproj-Tiny-F16.gguf"} <= _files(models / FOLDER)
    assert GGUF_MODEL not in _files(models / FOLDER)


def test_a_model_in_parts_keeps_its_folders(pull: Pull, hub: TinyHub, models: Path) -> None:
    parts = [f"Q4_K_M/tiny-0000{number}-of-00002.gguf" for number in (1, 2)]
    write_tiny_gguf(hub.commits[FIRST].parent / "parts", *parts)
    hub.commits[FIRST] = hub.commits[FIRST].parent / "parts"

    pull()

    assert set(parts) <= _files(models / FOLDER)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_transformers_folder_is_pulled_without_code_and_pickles(
    pull: Pull, hub: TinyHub, models: Path, tmp_path: Path, parts: int
) -> None:
    write_tiny_transformers(tmp_path / "llava", parts=parts)
    hub.commits[FIRST] = tmp_path / "llava"

    record = _record(pull())

    left_out = {"modeling_tiny.py", "pytorch_model.bin"}
    assert record.kind == "transformers"
    assert _files(models / FOLDER) == _files(tmp_path / "llava") - left_out | {RECORD_NAME}
    assert {path for path, _ in hub.asked}.isdisjoint(left_out)


def test_mc_llava_is_known_by_its_configuration(pull: Pull, hub: TinyHub, tmp_path: Path) -> None:
    write_tiny_transformers(tmp_path / "mc", model_type="mc-llava")
    hub.commits[FIRST] = tmp_path / "mc"

    assert pull().model.setting == f'chat.name = "mc_llava:{FOLDER}"'


def test_a_network_that_writes_no_texts_is_refused_before_its_weights_are_fetched(
    pull: Pull, hub: TinyHub, models: Path, tmp_path: Path
) -> None:
    write_tiny_transformers(tmp_path / "clip", architectures=["CLIPModel"])
    hub.commits[FIRST] = tmp_path / "clip"

    with pytest.raises(WeightsNotFoundError, match="its network is 'CLIPModel'"):
        pull()

    assert hub.asked == [("config.json", 0)]
    assert [path.name for path in models.iterdir()] == [".locks"]


def test_a_configuration_that_cannot_be_read_is_named(
    pull: Pull, hub: TinyHub, tmp_path: Path
) -> None:
    write_tiny_transformers(tmp_path / "broken")
    (tmp_path / "broken" / "config.json").write_text("{", encoding="utf-8")
    hub.commits[FIRST] = tmp_path / "broken"

    with pytest.raises(WeightsNotFoundError, match=r"The config\.json of 'tiny/chat' cannot"):
        pull()


def test_a_repository_of_two_kinds_is_pulled_as_what_is_asked_for(
    pull: Pull, hub: TinyHub, tmp_path: Path
) -> None:
    both = tmp_path / "both"
    write_tiny_transformers(both)
    write_tiny_gguf(both)
    hub.commits[FIRST] = both
    with pytest.raises(WeightsNotFoundError, match="GGUF files and a transformers folder"):
        pull()

    assert _record(pull(kind="transformers")).kind == "transformers"


def test_a_pair_of_graphs_comes_before_other_weights(
    pull: Pull, hub: TinyHub, tmp_path: Path
) -> None:
    both = tmp_path / "both"
    write_tiny_clip(both)
    (both / "model.safetensors").write_bytes(b"weights")
    hub.commits[FIRST] = both

    assert pull().model.setting == f'encoder.name = "onnx_clip:{FOLDER}"'


def test_an_interrupted_pull_goes_on_where_it_was(pull: Pull, hub: TinyHub, models: Path) -> None:
    def stop(progress: PullProgress) -> None:
        if progress.path == GGUF_PROJECTOR:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(progress=stop)
    assert not (models / FOLDER).exists()
    assert not list(models.rglob(RECORD_NAME))
    hub.asked.clear()
    pull()

    assert GGUF_MODEL not in dict(hub.asked)
    assert locate_weights(FOLDER, kind="llama_cpp").is_dir()


def test_a_model_that_is_there_is_kept_without_asking_the_hub(pull: Pull, hub: TinyHub) -> None:
    first = pull()
    hub.headers.clear()

    for wish in ({}, {"patterns": ["*Q4_K_M*"]}, {"kind": "llama_cpp"}):
        second = pull(**wish)
        assert second.kept
        assert second.model == first.model
    assert hub.headers == []


@pytest.mark.parametrize("wish", [{"patterns": ["*Q6_K*"]}, {"kind": "transformers"}])
def test_other_files_of_a_model_that_is_there_are_refused(pull: Pull, wish: dict[str, Any]) -> None:
    pull()

    with pytest.raises(WeightsNotFoundError, match="with other files than") as caught:
        pull(**wish)

    assert f"florilegium models remove {FOLDER}" in str(caught.value.hint)


def test_another_revision_of_a_model_that_is_there_is_refused(pull: Pull, hub: TinyHub) -> None:
    pull()
    hub.publish(SECOND, hub.commits[FIRST])

    with pytest.raises(WeightsNotFoundError, match=r"is another model\.$"):
        pull(revision="main")


@pytest.mark.parametrize("name", [NAME, FOLDER])
def test_a_damaged_model_is_mended_with_the_files_it_had(
    pull: Pull, hub: TinyHub, models: Path, name: str
) -> None:
    pull(patterns=["*F16*"])
    (models / FOLDER / "Tiny-F16.gguf").write_bytes(b"rust")
    hub.asked.clear()

    pulled = pull(name)

    assert hub.asked == [("Tiny-F16.gguf", 0)]
    assert list(check_files(models / FOLDER, pulled.model.record)) == []


def test_a_model_is_mended_with_the_very_bytes_of_its_record(
    pull: Pull, hub: TinyHub, models: Path
) -> None:
    pull()
    (models / FOLDER / GGUF_MODEL).unlink()
    file = hub.commits[FIRST] / GGUF_MODEL
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    with pytest.raises(WeightsNotFoundError, match="arrived damaged"):
        pull()


def test_a_file_that_the_hub_lost_is_named(pull: Pull, hub: TinyHub, models: Path) -> None:
    pull()
    (models / FOLDER / GGUF_MODEL).unlink()
    (hub.commits[FIRST] / GGUF_MODEL).unlink()

    with pytest.raises(WeightsNotFoundError, match=f"no file '{GGUF_MODEL}' any more"):
        pull()


def test_a_model_that_came_from_no_hub_cannot_be_pulled_by_its_name(
    pull: Pull, models: Path
) -> None:
    (models / "mine").mkdir(parents=True)

    with pytest.raises(WeightsNotFoundError, match="There is no card 'mine'"):
        pull("mine")


def test_a_card_chooses_the_files_the_folder_and_the_licence(
    pull: Pull, card: Callable[..., ModelCard], models: Path
) -> None:
    card()

    record = _record(pull("tiny"))

    assert record.origin["licence"] == "MIT"
    assert record.languages == ("en",)
    assert _files(models / "tiny") == {
        "Tiny-Q8_0.gguf", "mmproj-Tiny-F16.gguf", "README.md", RECORD_NAME,
    }  # fmt: skip


def test_files_that_contradict_the_card_are_not_fetched(
    pull: Pull, card: Callable[..., ModelCard], hub: TinyHub
) -> None:
    card(sha256="0" * 64)

    with pytest.raises(WeightsNotFoundError, match="not the file that the card promises"):
        pull("tiny")

    assert hub.asked == []


def test_other_files_than_those_of_the_card_are_kept_under_another_name(
    pull: Pull, card: Callable[..., ModelCard], models: Path
) -> None:
    card()
    pull("tiny")

    other = pull("tiny", patterns=["*Q4_K_M*"])

    assert other.model.folder == models / FOLDER
    assert _record(other).origin["licence"] == "MIT"
    assert GGUF_MODEL in _files(models / FOLDER)
    assert locate_weights("tiny", kind="llama_cpp") == models / "tiny"
    assert locate_weights(FOLDER, kind="llama_cpp") == models / FOLDER


def test_the_kind_of_a_card_is_not_for_choice(pull: Pull, card: Callable[..., ModelCard]) -> None:
    card()

    with pytest.raises(WeightsNotFoundError, match="is of kind 'llama_cpp', and not 'mc_llava'"):
        pull("tiny", kind="mc_llava")
