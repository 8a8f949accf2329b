"""Captioning that ends early, at any write, is completed by the next run."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from florilegium import Library
from florilegium.cache import EmbeddingCache
from florilegium.catalog import Catalog
from florilegium.fields import MACHINE_CAPTION
from florilegium.report import Progress
from florilegium.types import Modality
from tests.unit.caption_samples import Seeing, captions, ingest, make_folder
from tests.unit.test_ingest_recovery import KilledError, Killer, Work

CAPTIONS = {"chat.name": "fake:A green zebra.", "ingest.captions": "all"}


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    """Return what ends runs, also where a caption is written."""
    killer = Killer(monkeypatch)
    monkeypatch.setattr(EmbeddingCache, "put_caption", killer._wrap(EmbeddingCache.put_caption))
    return killer


@pytest.mark.parametrize(("changed", "error"), [(False, KilledError), (True, KeyboardInterrupt)])
def test_a_run_that_ends_at_any_write_is_completed_by_the_next(
    tmp_path: Path, killer: Killer, changed: bool, error: type[BaseException]
) -> None:
    work = Work(tmp_path, changed=changed, **CAPTIONS)
    complete = work.finish()
    pictures = [item for item, _ in complete.items if item.modality is Modality.IMAGE]
    assert all((MACHINE_CAPTION, "A green zebra.") in item.fields for item in pictures)
    work.reset()
    assert killer.run(work.folder, 0) is not None
    writes = killer.count
    captions_left = set()
    for at in range(writes - 13, writes + 1):  # those before are in test_ingest_recovery.py
        work.reset()
        report = killer.run(work.folder, at, error=error)
        if report is not None:
            assert report.interrupted
            captions_left.add(report.captions_left)
        assert work.finish() == complete, at

    assert error is KilledError or captions_left >= {0, 1}


def test_a_run_that_turns_captions_off_and_dies_leaves_nothing_half_done(
    tmp_path: Path, killer: Killer
) -> None:
    work = Work(tmp_path, changed=False, **CAPTIONS)
    complete = work.finish()
    settings = work.folder / "florilegium.toml"
    on = settings.read_text(encoding="utf-8")
    for at in itertools.count(1):
        settings.write_text(on.replace('"all"', '"off"'), encoding="utf-8")
        ended = killer.run(work.folder, at) is None
        settings.write_text(on, encoding="utf-8")
        assert work.finish() == complete, at
        if not ended:
            break

    assert at > 3


def test_a_caption_that_was_written_before_a_run_died_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(tmp_path / "pictures")

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    put, puts = EmbeddingCache.put_caption, itertools.count(1)

    def put_and_count(*arguments: object, **options: object) -> None:
        put(*arguments, **options)  # type: ignore[arg-type]  # whatever they are
        if next(puts) == 3:
            monkeypatch.setattr(Catalog, "set_links", die)

    monkeypatch.setattr(EmbeddingCache, "put_caption", put_and_count)
    with pytest.raises(SystemExit):
        ingest(folder, Seeing())
    monkeypatch.undo()
    assert captions(folder) == {}
    model = Seeing()

    report = ingest(folder, model)

    assert (report.captioned, model.asked) == (0, [])
    assert len(captions(folder)) == 3


# -- Ctrl-C --


@pytest.mark.parametrize("in_process", [False, True])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_ctrl_c_says_how_many_captions_remain(tmp_path: Path, at: int, in_process: bool) -> None:
    folder = make_folder(tmp_path / "pictures")

    def progress(state: Progress) -> None:
        if (state.stage, state.done) == ("captions", at):
            raise KeyboardInterrupt

    report = ingest(folder, Seeing(in_process=in_process), progress=progress)

    assert report.interrupted
    assert (report.added, report.remaining) == (4, 0)
    assert (report.captioned, report.captions_left) == (at, 3 - at)
    with Library.open(folder) as library:
        assert library.search("nothing of a picture")
    second = ingest(folder, Seeing())
    assert (second.captioned, second.interrupted) == (3 - at, False)
    assert len(captions(folder)) == 3


def test_ctrl_c_drops_what_was_not_begun_and_ends_replies_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(tmp_path / "pictures")
    begun, pressed = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert pressed.wait(60)

    def end_and_join(self: threading.Thread, timeout: float | None = None) -> None:
        pressed.set()
        join(self, timeout)

    join = threading.Thread.join
    model = Seeing(dict.fromkeys(("red", "green", "blue"), wait))

    def progress(state: Progress) -> None:
        if state.stage == "captions":
            assert begun.wait(60)
            monkeypatch.setattr(threading.Thread, "join", end_and_join)
            raise KeyboardInterrupt

    report = ingest(folder, model, progress=progress, ingest__caption_parallel=1)

    assert (report.interrupted, report.captioned, report.captions_left) == (True, 0, 3)
    assert len(model.asked) == 1
