"""Against a hub on loopback that holds a tiny model with real graphs."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock

from florilegium.encoders.onnx_clip.record import ModelRecord, read_record
from florilegium.errors import WeightsNotFoundError
from florilegium.model_cards import ModelCard, PinnedFile
from florilegium.model_files import Wish
from florilegium.model_pull import PulledModel, PullProgress, pull_model
from florilegium.model_records import RECORD_NAME
from florilegium.models import check_files
from tests.tiny_hub import FIRST, SECOND, TinyHub, serve
from tests.tiny_onnx import write_tiny_clip

NAME = "tiny/clip"
VISION, TEXT = "onnx/vision_model.onnx", "onnx/text_model.onnx"

Pull = Callable[..., PulledModel]


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model in the layout of a hub repository, with what no model needs beside it."""
    folder = tmp_path_factory.mktemp("tiny-clip")
    write_tiny_clip(folder)
    (folder / "README.md").write_text("A tiny model.", encoding="utf-8")
    (folder / "LICENSE").write_text("Do as you like.", encoding="utf-8")
    (folder / "pytorch_model.bin").write_bytes(bytes(1000))
    (folder / "onnx" / "model_quantized.onnx").write_bytes(bytes(1000))
    return folder


@pytest.fixture
def hub(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    with serve(TinyHub(NAME, tiny_clip), monkeypatch) as running:
        yield running


@pytest.fixture
def models(tmp_path: Path) -> Path:
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
def card(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what gives the tiny model a card that pins its text graph."""

    def make(*, revision: str | None = FIRST, sha256: str | None = None, size: int = 0) -> None:
        data = (tiny_clip / TEXT).read_bytes()
        pin = PinnedFile(
            path=TEXT,
            size=size or len(data),
            sha256=sha256 or hashlib.sha256(data).hexdigest(),
        )
        found = ModelCard(
            name="tiny", title="Tiny", about="", encoder="onnx_clip", source=NAME,
            revision=revision, licence="MIT", languages=("en",), files=(pin,),
        )  # fmt: skip
        for module in ("florilegium.model_pull", "florilegium.models"):
            monkeypatch.setattr(
                f"{module}.find_card", lambda name: found if name in {"tiny", NAME} else None
            )

    return make


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_pulled_model_is_whole_and_has_a_record(pull: Pull, models: Path) -> None:
    pulled = pull()

    folder = models / "tiny--clip"
    assert (pulled.model.name, pulled.model.folder, pulled.kept) == ("tiny--clip", folder, False)
    assert read_record(folder / RECORD_NAME) == pulled.model.record
    assert list(check_files(folder, pulled.model.record)) == []
    assert [path.name for path in models.iterdir() if path.name != ".locks"] == ["tiny--clip"]


def test_only_what_a_model_needs_is_fetched_and_its_terms(pull: Pull) -> None:
    files = _files(pull().model.folder)

    assert {VISION, TEXT, "tokenizer.json", "config.json", "LICENSE", "README.md"} <= files
    assert files.isdisjoint({"pytorch_model.bin", "onnx/model_quantized.onnx"})


def test_every_fetched_file_is_in_the_record_with_its_hash(pull: Pull, tiny_clip: Path) -> None:
    record = pull().model.record

    assert record.file("LICENSE").size == len("Do as you like.")
    for path in (VISION, TEXT, "README.md"):
        assert (
            record.file(path).sha256 == hashlib.sha256((tiny_clip / path).read_bytes()).hexdigest()
        )


def test_the_commit_that_the_hub_gave_is_recorded(pull: Pull) -> None:
    origin = pull().model.record.origin

    assert origin["source"] == NAME
    assert origin["revision"] == FIRST
    assert origin["licence"] == "apache-2.0"


def test_progress_counts_the_bytes_of_all_files(pull: Pull) -> None:
    seen: list[PullProgress] = []

    record = pull(progress=seen.append).model.record

    total = sum(file.size for file in record.files)
    assert {progress.total for progress in seen} == {total}
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert seen[-1].done == total


def test_an_interrupted_pull_goes_on_where_it_was(pull: Pull, hub: TinyHub, models: Path) -> None:
    def stop(progress: PullProgress) -> None:
        if progress.path == VISION:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(progress=stop)
    assert not (models / "tiny--clip").exists()
    hub.asked.clear()
    pull()

    # The text graph was whole, and the vision graph is not begun anew.
    asked = dict(hub.asked)
    assert TEXT not in asked
    assert asked.get(VISION, 1) > 0


def test_a_cut_connection_leaves_nothing_that_can_be_used(
    pull: Pull, hub: TinyHub, models: Path
) -> None:
    hub.cuts[TEXT] = [100, 0]

    with pytest.raises(WeightsNotFoundError, match="cannot be reached"):
        pull()

    assert not (models / "tiny--clip").exists()
    assert not list(models.rglob(RECORD_NAME))


def test_a_model_that_is_there_is_kept_without_asking_the_hub(pull: Pull, hub: TinyHub) -> None:
    first = pull()
    hub.headers.clear()

    second = pull()

    assert second.kept
    assert second.model == first.model
    assert hub.headers == []


def test_a_newer_commit_does_not_change_a_model_that_is_there(
    pull: Pull, hub: TinyHub, tmp_path: Path, tiny_clip: Path
) -> None:
    pull()
    shutil.copytree(tiny_clip, tmp_path / "newer")
    hub.publish(SECOND, tmp_path / "newer")

    assert pull().model.record.origin["revision"] == FIRST


def test_another_revision_of_a_model_that_is_there_is_refused(
    pull: Pull, hub: TinyHub, tiny_clip: Path
) -> None:
    pull()
    hub.publish(SECOND, tiny_clip)

    with pytest.raises(WeightsNotFoundError, match="do not mix") as caught:
        pull(revision="main")

    assert "florilegium models remove tiny--clip" in str(caught.value.hint)


def test_a_branch_that_still_names_what_is_there_is_no_other_revision(pull: Pull) -> None:
    pull()

    assert pull(revision="main").model.record.origin["revision"] == FIRST


def test_a_damaged_model_is_mended_at_its_revision(
    pull: Pull, hub: TinyHub, models: Path, tiny_clip: Path
) -> None:
    folder = pull().model.folder
    (folder / TEXT).write_bytes(b"rust")
    hub.asked.clear()
    hub.publish(SECOND, tiny_clip)

    pulled = pull()

    assert not pulled.kept
    assert hub.asked == [(TEXT, 0)]
    assert list(check_files(folder, pulled.model.record)) == []
    assert pulled.model.record.origin["revision"] == FIRST
    assert [path.name for path in models.iterdir() if path.name != ".locks"] == ["tiny--clip"]


def test_a_precision_that_is_missing_is_added(pull: Pull, hub: TinyHub, tmp_path: Path) -> None:
    pull()
    both = shutil.copytree(hub.commits[FIRST], tmp_path / "both")
    write_tiny_clip(both, half=True)
    hub.commits[FIRST] = both
    hub.asked.clear()

    record = pull(precisions=["fp16"]).model.record

    assert isinstance(record, ModelRecord)
    assert set(record.variants) == {"fp32", "fp16"}
    assert {path for path, _ in hub.asked} == {
        "onnx/vision_model_fp16.onnx", "onnx/text_model_fp16.onnx",
    }  # fmt: skip


@pytest.mark.parametrize(
    "options", [{"layout": "immich"}, {"layout": "flat", "family": "siglip2"}, {"external": True}]
)
def test_models_of_every_layout_are_pulled(
    pull: Pull, hub: TinyHub, tmp_path: Path, options: dict[str, Any]
) -> None:
    write_tiny_clip(tmp_path / "other", **options)
    hub.commits[FIRST] = tmp_path / "other"

    pulled = pull()

    assert _files(pulled.model.folder) == {*_files(tmp_path / "other"), RECORD_NAME}
    assert list(check_files(pulled.model.folder, pulled.model.record)) == []


def test_a_precision_that_the_repository_lacks_is_named(pull: Pull) -> None:
    with pytest.raises(WeightsNotFoundError, match="no pair of ONNX graphs in fp16"):
        pull(precisions=["fp16"])


def test_files_of_another_pull_do_not_stay(pull: Pull, models: Path) -> None:
    (models / "tiny--clip.partial" / "onnx").mkdir(parents=True)
    (models / "tiny--clip.partial" / "onnx" / "old.onnx").write_bytes(b"old")
    (models / "tiny--clip.partial" / "old.onnx.incomplete").write_bytes(b"old")

    folder = pull().model.folder

    assert {"onnx/old.onnx", "old.onnx.incomplete"}.isdisjoint(_files(folder))


def test_a_card_names_the_folder_the_licence_and_the_languages(
    pull: Pull, card: Callable[..., None], models: Path
) -> None:
    card()

    pulled = pull("tiny")

    assert pulled.model.folder == models / "tiny"
    assert pulled.model.record.origin["licence"] == "MIT"
    assert pulled.model.record.languages == ("en",)


def test_a_repository_that_has_a_card_is_held_to_it(
    pull: Pull, card: Callable[..., None], models: Path
) -> None:
    card(sha256="0" * 64)

    with pytest.raises(WeightsNotFoundError, match="not the file that the card promises"):
        pull(NAME)


@pytest.mark.parametrize("promise", [{"sha256": "0" * 64}, {"size": 3}])
def test_files_that_contradict_the_card_are_not_fetched(
    pull: Pull, card: Callable[..., None], hub: TinyHub, promise: dict[str, object]
) -> None:
    card(**promise)

    with pytest.raises(WeightsNotFoundError, match="not the file that the card promises"):
        pull("tiny")

    assert hub.asked == []


def test_the_revision_of_the_card_is_taken_though_there_are_newer_ones(
    pull: Pull, card: Callable[..., None], hub: TinyHub, tiny_clip: Path
) -> None:
    card()
    hub.publish(SECOND, tiny_clip)

    assert pull("tiny").model.record.origin["revision"] == FIRST


def test_another_revision_than_that_of_the_card_is_not_held_to_its_hashes(
    pull: Pull, card: Callable[..., None], hub: TinyHub, tiny_clip: Path
) -> None:
    card(sha256="0" * 64)
    hub.publish(SECOND, tiny_clip)

    assert pull("tiny", revision="main").model.record.origin["revision"] == SECOND


def test_a_hash_of_the_card_is_checked_where_the_hub_has_none(
    pull: Pull, card: Callable[..., None], hub: TinyHub
) -> None:
    card(sha256="0" * 64)
    hub.listing = hub.describe(FIRST).replace(b'"lfs"', b'"was"')

    with pytest.raises(WeightsNotFoundError, match="arrived damaged"):
        pull("tiny")


@pytest.mark.parametrize("name", ["rose", "../rose", "a/b/c", "/etc", ""])
def test_a_name_that_is_neither_a_card_nor_a_repository_is_refused(pull: Pull, name: str) -> None:
    with pytest.raises(WeightsNotFoundError, match="There is no card") as caught:
        pull(name)

    assert "florilegium models list" in str(caught.value.hint)


def test_too_little_space_is_said_before_anything_is_fetched(
    pull: Pull, hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))

    with pytest.raises(WeightsNotFoundError, match=r"0\.0 GB free"):
        pull()

    assert hub.asked == []


def test_a_folder_that_was_not_pulled_is_left_alone(pull: Pull, models: Path) -> None:
    (models / "tiny--clip").mkdir(parents=True)
    (models / "tiny--clip" / "mine.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(WeightsNotFoundError, match="was not pulled"):
        pull()

    assert (models / "tiny--clip" / "mine.txt").is_file()


def test_two_pulls_of_one_model_do_not_meet(pull: Pull, models: Path) -> None:
    (models / ".locks").mkdir(parents=True)

    with (
        FileLock(models / ".locks" / "tiny--clip.lock"),
        pytest.raises(WeightsNotFoundError, match="Another process is fetching"),
    ):
        pull()


def test_a_disk_without_links_gets_copies(
    pull: Pull, hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, target: Path) -> None:
        raise OSError("no links here")

    folder = pull().model.folder
    (folder / TEXT).unlink()
    monkeypatch.setattr(Path, "hardlink_to", fail)

    assert list(check_files(folder, pull().model.record)) == []
