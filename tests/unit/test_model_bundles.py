from __future__ import annotations

import errno
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from florilegium.errors import WeightsNotFoundError
from florilegium.model_bundles import read_bundle, write_bundle
from florilegium.model_cards import ModelCard, PinnedFile
from florilegium.model_records import RECORD_NAME
from florilegium.models import check_files, find_model
from tests.tiny_hub import GGUF_MODEL
from tests.unit.installed import install, install_chat_model

NAME = "tiny--clip"
TEXT = "onnx/text_model.onnx"

Entry = tuple[str, bytes]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return a folder with one model in it."""
    install(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def bundle(models: Path, tmp_path: Path) -> Path:
    """Return a bundle of that model."""
    write_bundle(NAME, tmp_path / "tiny.tar", folder=models)
    return tmp_path / "tiny.tar"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Return the folder of models of another machine."""
    return tmp_path / "there"


def _entries(bundle: Path) -> list[Entry]:
    with tarfile.open(bundle) as tar:
        return [
            (member.name, (tar.extractfile(member) or io.BytesIO()).read())
            for member in tar.getmembers()
        ]


def _rewrite(bundle: Path, entries: list[Entry]) -> None:
    with tarfile.open(bundle, "w") as tar:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _refused(bundle: Path, there: Path, message: str) -> None:
    with pytest.raises(WeightsNotFoundError, match=message):
        read_bundle(bundle, folder=there)
    assert not there.exists() or not list(there.iterdir())


def test_a_model_comes_out_of_its_bundle_as_it_was(bundle: Path, models: Path, there: Path) -> None:
    model = read_bundle(bundle, folder=there)

    assert model.folder == there / NAME
    assert model.record == find_model(NAME, folder=models).record
    assert list(check_files(model.folder, model.record)) == []
    assert [path.name for path in there.iterdir()] == [NAME]


def test_a_bundle_is_a_plain_tar_with_the_record_in_front(bundle: Path) -> None:
    names = [name for name, _ in _entries(bundle)]

    assert names[0] == f"{NAME}/{RECORD_NAME}"
    assert f"{NAME}/{TEXT}" in names


def test_what_is_not_in_the_record_does_not_travel(models: Path, tmp_path: Path) -> None:
    (models / NAME / "diary.txt").write_text("secret", encoding="utf-8")

    write_bundle(NAME, tmp_path / "tiny.tar", folder=models)

    assert b"secret" not in (tmp_path / "tiny.tar").read_bytes()


def test_a_damaged_model_is_not_bundled(models: Path, tmp_path: Path) -> None:
    (models / NAME / TEXT).write_bytes(b"rust")

    with pytest.raises(WeightsNotFoundError, match=f"damaged: '{TEXT}' has 4 bytes"):
        write_bundle(NAME, tmp_path / "tiny.tar", folder=models)


def test_a_file_that_exists_is_not_overwritten(bundle: Path, models: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="exists"):
        write_bundle(NAME, bundle, folder=models)


def test_a_bundle_that_cannot_be_written_leaves_nothing(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", fail)

    with pytest.raises(WeightsNotFoundError, match="No space left") as caught:
        write_bundle(NAME, tmp_path / "tiny.tar", folder=models)

    assert "more space" in str(caught.value.hint)
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_a_model_that_is_there_is_not_replaced(bundle: Path, there: Path) -> None:
    read_bundle(bundle, folder=there)

    with pytest.raises(WeightsNotFoundError, match="There is a model 'tiny--clip'") as caught:
        read_bundle(bundle, folder=there)

    assert f"florilegium models remove {NAME}" in str(caught.value.hint)


def test_an_interrupted_pull_of_the_same_model_is_left_alone(bundle: Path, there: Path) -> None:
    (there / f"{NAME}.partial").mkdir(parents=True)
    (there / f"{NAME}.partial" / "half").write_bytes(b"half")

    read_bundle(bundle, folder=there)

    assert (there / f"{NAME}.partial" / "half").is_file()


def test_a_file_that_is_not_there_is_named(there: Path, tmp_path: Path) -> None:
    _refused(tmp_path / "none.tar", there, "There is no file")


@pytest.mark.parametrize("content", [b"", b"rose" * 1000])
def test_what_is_no_tar_is_refused(there: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rose.tar").write_bytes(content)

    _refused(tmp_path / "rose.tar", there, "no bundle that can be used")


def test_a_compressed_tar_is_refused(bundle: Path, there: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "small.tar", "w:gz") as tar:
        tar.add(bundle, arcname=f"{NAME}/{RECORD_NAME}")

    _refused(tmp_path / "small.tar", there, "cannot be read as a tar file")


@pytest.mark.parametrize("part", [0.1, 0.5])
def test_a_bundle_that_was_cut_off_is_refused(bundle: Path, there: Path, part: float) -> None:
    data = bundle.read_bytes()
    bundle.write_bytes(data[: int(len(data) * part)])

    _refused(bundle, there, "no bundle that can be used")


Change = Callable[[list[Entry]], list[Entry]]


def _with_record(entries: list[Entry], change: Callable[[Any], None]) -> list[Entry]:
    tree = json.loads(entries[0][1])
    change(tree)
    return [(entries[0][0], json.dumps(tree).encode()), *entries[1:]]


def _escape(tree: Any) -> None:
    tree["files"][0]["path"] = "../outside"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: entries[1:], "does not begin with a florilegium.json"),
        (lambda entries: entries[:-1], "it lacks"),
        (lambda entries: [*entries, (f"{NAME}/more", b"")], "is not what its record says"),
        (lambda entries: [*entries, entries[-1]], "is not what its record says"),
        (lambda entries: [*entries, ("other/more", b"")], "holds 'other' besides 'tiny--clip'"),
        (lambda entries: [*entries, (f"{NAME}/../../x", b"")], "is not a plain file of a model"),
        (lambda entries: [("/etc/florilegium.json", entries[0][1])], "is not a plain file"),
        (lambda entries: [("a..b/florilegium.json", entries[0][1])], "neither a model nor"),
        (lambda entries: [("florilegium.json", entries[0][1])], "is not a plain file of a model"),
        (lambda entries: [(entries[0][0], b"{}"), *entries[1:]], "cannot be used"),
        (lambda entries: _with_record(entries, _escape), "would lie outside of the model"),
        (
            lambda entries: [*entries[:-1], (entries[-1][0], entries[-1][1][:-1] + b"?")],
            "has another SHA-256 than its record",
        ),
    ],
)
def test_a_bundle_that_was_tampered_with_is_refused(
    bundle: Path, there: Path, change: Change, message: str
) -> None:
    _rewrite(bundle, change(_entries(bundle)))

    _refused(bundle, there, message)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_links_and_folders_in_a_bundle_are_refused(bundle: Path, there: Path, kind: bytes) -> None:
    with tarfile.open(bundle, "a") as tar:
        link = tarfile.TarInfo(f"{NAME}/link")
        link.type, link.linkname = kind, "/etc/passwd"
        tar.addfile(link)

    _refused(bundle, there, "is not a plain file of a model")


def test_a_record_of_monstrous_size_is_refused(bundle: Path, there: Path) -> None:
    _rewrite(bundle, [(f"{NAME}/{RECORD_NAME}", b" " * (17 << 20))])

    _refused(bundle, there, "is too large")


@pytest.mark.parametrize(
    "pin",
    [
        PinnedFile(path=TEXT, size=3),
        PinnedFile(path="onnx/lost.onnx", size=3),
    ],
)
def test_a_bundle_that_contradicts_the_card_of_its_name_is_refused(
    bundle: Path, there: Path, monkeypatch: pytest.MonkeyPatch, pin: PinnedFile
) -> None:
    card = ModelCard(
        name=NAME, title="", about="", encoder="onnx_clip", source="tiny/clip",
        revision="1" * 40, files=(pin,),
    )  # fmt: skip
    monkeypatch.setattr("florilegium.model_bundles.find_card", lambda name: card)

    _refused(bundle, there, "is not the one of the card 'tiny--clip'")


def test_a_bundle_of_another_revision_than_the_card_names_is_not_held_to_it(
    bundle: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = ModelCard(
        name=NAME, title="", about="", encoder="onnx_clip", source="tiny/clip",
        revision="2" * 40, files=(PinnedFile(path=TEXT, size=3),),
    )  # fmt: skip
    monkeypatch.setattr("florilegium.model_bundles.find_card", lambda name: card)

    assert read_bundle(bundle, folder=there).name == NAME


def test_a_chat_model_comes_out_of_its_bundle_as_it_was(tmp_path: Path, there: Path) -> None:
    record = install_chat_model(tmp_path / "chat")
    write_bundle("tiny/chat", tmp_path / "chat.tar", folder=tmp_path / "chat")

    model = read_bundle(tmp_path / "chat.tar", folder=there)

    assert model.record == record
    assert model.setting == 'chat.name = "llama_cpp:tiny--chat"'
    assert list(check_files(model.folder, model.record)) == []


def test_a_chat_model_of_a_bundle_is_held_to_the_card_of_its_name(
    tmp_path: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_chat_model(tmp_path / "chat")
    write_bundle("tiny/chat", tmp_path / "chat.tar", folder=tmp_path / "chat")
    card = ModelCard(
        name="tiny--chat", title="", about="", chat_model="llama_cpp", source="tiny/chat",
        files=(PinnedFile(path=GGUF_MODEL, sha256="0" * 64),),
    )  # fmt: skip
    monkeypatch.setattr("florilegium.model_bundles.find_card", lambda name: card)

    _refused(tmp_path / "chat.tar", there, f"'{GGUF_MODEL}' is not the one of the card")


def test_a_bundle_of_another_kind_than_the_card_of_its_name_is_refused(
    bundle: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = ModelCard(name=NAME, title="", about="", chat_model="transformers", source="tiny/clip")
    monkeypatch.setattr("florilegium.model_bundles.find_card", lambda name: card)

    _refused(bundle, there, "it is of kind 'onnx_clip', and its card 'tiny--clip' is not")


def test_too_little_space_is_said_before_anything_is_unpacked(
    bundle: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))

    _refused(bundle, there, "0.0 GB free")


def test_a_disk_that_fills_up_is_said_to_be_full(
    bundle: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)

    _refused(bundle, there, "cannot be unpacked: No space left")
