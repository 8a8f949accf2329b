"""The object that users hold: making, opening, closing and describing libraries.

Searching and asking are in test_library_asking.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.checks import Check
from florilegium.config import CONFIG_NAME, INDEX_FOLDER
from florilegium.errors import (
    ConfigError,
    EncoderError,
    FlorilegiumError,
    IndexNotFoundError,
    ItemNotFoundError,
    SourceError,
    SourceGoneError,
    UnknownBackendError,
    UnsupportedFileError,
)
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Space
from tests.conftest import FAKES, draw
from tests.unit.index_state import paths

ROSES = "Do the roses want water in June?"
NOTHING = "Nothing in this library answers that."


def hint_of(error: pytest.ExceptionInfo[FlorilegiumError]) -> str:
    """Return what an error says to do."""
    return error.value.hint or ""


# -- create --


def test_create_makes_the_folder_the_index_and_the_settings(tmp_path: Path) -> None:
    with Library.create(tmp_path / "new" / "flowers", overrides=FAKES) as library:
        assert library.root == tmp_path / "new" / "flowers"

    assert (library.root / INDEX_FOLDER).is_dir()
    assert sorted(file.name for file in library.root.iterdir()) == [INDEX_FOLDER, CONFIG_NAME]


def test_overrides_are_written_and_hold_when_it_is_opened_again(tmp_path: Path) -> None:
    Library.create(tmp_path, overrides={**FAKES, "ingest.chunk_tokens": 77}).close()

    with Library.open(tmp_path) as library:
        assert library.settings.config.encoder.name == "fake:32"
        assert library.settings.config.ingest.chunk_tokens == 77
        assert library.settings.config.profile == "offline"


def test_settings_that_exist_are_kept(tmp_path: Path) -> None:
    text = "# mine\n[retrieval]\ntop_k = 3\n"
    (tmp_path / CONFIG_NAME).write_text(text, encoding="utf-8")

    with Library.create(tmp_path) as library:
        assert library.settings.config.retrieval.top_k == 3
    assert (tmp_path / CONFIG_NAME).read_text(encoding="utf-8") == text


def test_settings_that_could_not_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / CONFIG_NAME).write_text("# mine\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="has a settings file, which is never overwritten"):
        Library.create(tmp_path, overrides=FAKES)

    assert not (tmp_path / ".florilegium").exists()


def test_files_that_lie_in_the_folder_are_untouched(tiny_folder: Path) -> None:
    before = {file: file.read_bytes() for file in tiny_folder.rglob("*.*")}
    with Library.create(tiny_folder, overrides=FAKES) as library:
        library.ingest()
        library.ask(ROSES)

    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.parametrize(
    "wrong",
    [{"profile": "nonsense"}, {"overrides": {"ingest.chunk_tokens": 1}},
     {"overrides": {"no.such": 1}}],
)  # fmt: skip
@pytest.mark.parametrize("exists", [True, False])
def test_a_wrong_setting_leaves_no_trace(
    tmp_path: Path, wrong: dict[str, object], exists: bool
) -> None:
    folder = tmp_path / "flowers"
    if exists:
        folder.mkdir()

    create: Callable[..., Library] = Library.create
    with pytest.raises(ConfigError):
        create(folder, **wrong)

    assert list(tmp_path.rglob("*")) == ([folder] if exists else [])


def test_a_library_is_not_made_twice(tiny_library: Library) -> None:
    with pytest.raises(ConfigError, match="is a library already") as twice:
        Library.create(tiny_library.root)

    assert ".florilegium" in hint_of(twice)


def test_a_file_cannot_be_made_a_library(tmp_path: Path) -> None:
    file = tmp_path / "rose.jpg"
    file.write_bytes(b"x")

    with pytest.raises(ConfigError, match=r"rose\.jpg"):
        Library.create(file)
    assert file.read_bytes() == b"x"


# -- open and locate --


def test_a_folder_that_is_no_library_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="is no library") as missing:
        Library.open(tmp_path)

    assert "florilegium init" in hint_of(missing)
    assert list(tmp_path.iterdir()) == []


def test_wrong_settings_are_told_when_it_is_opened(tiny_library: Library) -> None:
    (tiny_library.root / CONFIG_NAME).write_text("[chat]\nmodel = 'x'\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"'chat\.model'"):
        Library.open(tiny_library.root)


def test_overrides_win_when_it_is_opened(tiny_library: Library) -> None:
    with Library.open(tiny_library.root, overrides={"retrieval.top_k": 2}) as library:
        assert len(library.search("red")) == 2
    with Library.open(tiny_library.root) as library:
        assert len(library.search("red")) > 2


def test_a_relative_path_goes_on_when_the_process_moves(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_library.root.parent)
    with Library.open("tiny") as library:
        monkeypatch.chdir("/")

        assert library.search("red")


def test_a_library_is_located_from_inside(tiny_library: Library) -> None:
    root = tiny_library.root

    assert Library.locate(root / "notes") == root
    assert Library.locate(root) == root
    assert Library.locate(root / "notes" / "garden.md") == root


def test_the_nearest_library_is_located(tiny_library: Library) -> None:
    inner = tiny_library.root / "notes"
    Library.create(inner, overrides=FAKES).close()

    assert Library.locate(inner) == inner


def test_outside_a_library_none_is_located(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="nor a folder above it") as missing:
        Library.locate(tmp_path)

    assert "--library" in hint_of(missing)


# -- closing --


def test_a_library_can_be_used_again_after_closing(tiny_library: Library) -> None:
    with tiny_library as library:
        before = paths(library.search("red"))
    library.close()

    assert paths(library.search("red")) == before
    with library:
        assert library.ingest().unchanged == 7


def test_an_error_inside_closes_the_library_and_goes_on(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(FakeEncoder, "close", lambda self: closed.append(True))

    tiny_library.search("red")
    with pytest.raises(ZeroDivisionError, match="mine"), tiny_library:
        raise ZeroDivisionError("mine")

    assert closed


# -- what is in it --


def test_statistics_count_what_is_in_the_index(tiny_library: Library) -> None:
    (tiny_library.root / "broken.png").write_bytes(b"x")
    tiny_library.ingest()

    found = tiny_library.statistics()

    assert (found.sources, found.images, found.texts) == (7, 3, 4)
    assert [failure.path for failure in found.failed] == ["broken.png"]
    assert found.spaces == (Space(name="fake:32", fingerprint="fake-32-1", dim=32),)


def test_an_item_is_given_by_its_id(tiny_library: Library) -> None:
    item = tiny_library.search("red")[0].item

    assert tiny_library.item(item.id) == item
    with pytest.raises(ItemNotFoundError, match="'nonsense'"):
        tiny_library.item("nonsense")


def test_the_picture_of_an_item_is_read_from_its_file(tiny_library: Library) -> None:
    item = tiny_library.search("red", modality="image")[0].item

    image = tiny_library.read_image(item)

    assert image.mode == "RGB"
    assert image.tobytes() == draw("red", "square").tobytes()


def test_a_text_has_no_picture_to_read(tiny_library: Library) -> None:
    item = tiny_library.search("red", modality="text")[0].item

    with pytest.raises(UnsupportedFileError, match="holds no picture"):
        tiny_library.read_image(item)


def test_a_picture_that_was_removed_cannot_be_read(tiny_library: Library) -> None:
    item = tiny_library.search("red", modality="image")[0].item
    item.source.file.unlink()

    with pytest.raises(SourceGoneError, match="not there any more"):
        tiny_library.read_image(item)


def test_another_picture_in_its_place_is_not_shown_as_the_item(tiny_library: Library) -> None:
    item = tiny_library.search("red", modality="image")[0].item
    draw("blue", "circle").save(item.source.file)

    with pytest.raises(SourceGoneError, match="has become another file"):
        tiny_library.read_image(item)


# -- check --


def by_name(checks: list[Check]) -> dict[str, Check]:
    """Return checks by what they looked at."""
    return {check.name: check for check in checks}


def test_every_part_of_a_good_library_is_well(tiny_library: Library) -> None:
    checks = by_name(tiny_library.check())

    assert all(check.ok for check in checks.values())
    assert checks["index"].message == "3 pictures and 4 chunks of text"
    assert checks["text encoder"].message == "fake:32, 32 dimensions"
    assert list(checks) == [
        "settings",
        "text encoder",
        "image-text encoder",
        "index",
        "files",
        "chat model",
    ]


def test_a_reranker_is_checked_where_one_is_configured(tiny_folder: Path) -> None:
    with Library.create(tiny_folder, overrides={**FAKES, "rerank.name": "fake"}) as library:
        checks = by_name(library.check())

    assert checks["reranker"].message.startswith("fake, 512 tokens")


def test_an_index_that_is_missing_is_the_only_thing_amiss(tiny_folder: Path) -> None:
    with Library.create(tiny_folder, overrides=FAKES) as library:
        checks = library.check()

    (amiss,) = [check for check in checks if not check.ok]
    assert amiss.name == "index"
    assert "florilegium ingest" in (amiss.hint or "")


def test_a_part_that_fails_is_named_with_what_to_do(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FakeEncoder, *_: object, **__: object) -> None:
        raise EncoderError("The weights are spoiled.", hint="Fetch them again.")

    monkeypatch.setattr(FakeEncoder, "encode_texts", fail)
    checks = by_name(tiny_library.check())

    assert checks["text encoder"] == Check(
        name="text encoder", ok=False, message="The weights are spoiled.", hint="Fetch them again."
    )
    assert checks["index"].ok


@pytest.mark.parametrize(("key", "name"), [("chat.name", "chat model"), ("store.name", "index")])
def test_an_unknown_backend_is_found_by_check(tiny_library: Library, key: str, name: str) -> None:
    with Library.open(tiny_library.root, overrides={key: "nonsense"}) as library:
        checks = by_name(library.check())

        assert [one.name for one in checks.values() if not one.ok] == [name]
        assert "'nonsense'" in checks[name].message
        assert checks[name].hint


def test_an_unknown_backend_is_an_error_when_it_is_needed(tiny_library: Library) -> None:
    with Library.open(tiny_library.root, overrides={"chat.name": "nonsense"}) as library:
        assert library.search("red")
        with pytest.raises(UnknownBackendError):
            library.ask(ROSES)


def test_failures_of_files_are_in_the_check_of_the_index(tiny_library: Library) -> None:
    (tiny_library.root / "broken.png").write_bytes(b"x")
    tiny_library.ingest()

    assert by_name(tiny_library.check())["index"].message.endswith(", 1 failed")


def test_an_empty_library_cannot_be_ingested(tmp_path: Path) -> None:
    with Library.create(tmp_path, overrides=FAKES) as library, pytest.raises(SourceError):
        library.ingest()


def test_an_object_that_was_opened_before_sees_what_another_one_ingests(
    tiny_library: Library,
) -> None:
    tiny_library.ingest()
    with Library.open(tiny_library.root) as other:
        assert other.search("violet", modality="text")
        (tiny_library.root / "new.txt").write_text("The violet pentagon is new.", encoding="utf-8")
        tiny_library.ingest()

        assert other.search("violet pentagon", modality="text")[0].item.source.path == "new.txt"


def test_two_objects_that_ingest_by_turns_lose_nothing(tiny_library: Library) -> None:
    tiny_library.ingest()
    with Library.open(tiny_library.root) as other:
        other.search("red", modality="text")
        for turn, library in enumerate((tiny_library, other, tiny_library)):
            (library.root / f"turn{turn}.txt").write_text(f"Turn {turn}.", encoding="utf-8")
            assert library.ingest().added == 1
        other.ingest(rebuild=True)

        assert tiny_library.ingest().unchanged == other.ingest().unchanged
        stored = tiny_library.index.store.ids(tiny_library.index.chunks)
        assert set(tiny_library.index.catalog.record_ids()[tiny_library.index.chunks]) == stored


def test_an_emptied_folder_keeps_its_index_and_says_so(tiny_library: Library) -> None:
    tiny_library.ingest()
    for file in [
        *tiny_library.root.rglob("*.txt"),
        *tiny_library.root.rglob("*.md"),
        *tiny_library.root.rglob("*.png"),
    ]:
        file.unlink()

    with pytest.raises(SourceError, match="the index was kept") as refused:
        tiny_library.ingest()

    assert "Mount the folder" in (refused.value.hint or "")


def test_a_folder_that_was_empty_when_it_was_ingested_has_no_index(tmp_path: Path) -> None:
    with Library.create(tmp_path / "new", overrides=FAKES) as library:
        with pytest.raises(SourceError, match="holds no picture or text"):
            library.ingest()

        with pytest.raises(IndexNotFoundError, match="Nothing was ingested"):
            library.search("red")
