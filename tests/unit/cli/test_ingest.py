from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer

from florilegium.cli.ingest import STOPPED, finish, print_report, shown_progress
from florilegium.locking import writers_lock
from florilegium.report import FailedFile, IngestReport, Progress
from tests.otlp_receiver import receiving
from tests.unit.cli.conftest import Run

FAILED = FailedFile(path="x[1].png", code="source_unreadable", message="'x' is cut off.")


def test_the_first_run_adds_all_files(run: Run) -> None:
    result = run("ingest", "--json")

    data = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (data["seen"], data["added"], data["failed"]) == (4, 4, [])
    assert data["encoded"] > 0


def test_the_second_run_encodes_nothing(ingested: Run) -> None:
    data = json.loads(ingested("ingest", "--json").stdout)

    assert (data["added"], data["unchanged"], data["encoded"]) == (0, 4, 0)


def test_a_rebuild_encodes_nothing_since_the_cache_has_it(ingested: Run) -> None:
    data = json.loads(ingested("ingest", "--json", "--rebuild").stdout)

    assert (data["added"], data["encoded"]) == (4, 0)


def test_a_bad_file_is_reported_with_exit_code_3(run: Run, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")

    result = run("ingest")

    assert result.exit_code == 3
    assert "broken.png" in result.stdout
    assert "Traceback" not in result.stderr


def test_a_bad_file_is_in_the_json_with_its_code(run: Run, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")

    result = run("ingest", "--json")

    (failed,) = json.loads(result.stdout)["failed"]
    assert result.exit_code == 3
    assert (failed["path"], failed["code"]) == ("broken.png", "source_unreadable")


def test_traces_of_a_run_are_sent_where_the_setting_says(run: Run) -> None:
    with receiving() as receiver:
        run("ingest", "--set", f"server.traces={receiver.address}")

        assert {"ingest", "scan", "load", "encode", "write", "link"} <= receiver.names()


def test_a_folder_that_is_no_library_is_exit_code_2(run: Run, tmp_path: Path) -> None:
    result = run("ingest", "--library", str(tmp_path))

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "florilegium init" in result.stderr


def test_the_report_adds_up_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(IngestReport(added=1, updated=2, unchanged=30, removed=4, failed=(FAILED,)))

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["added", "1"] in lines
    assert ["failed", "1"] in lines
    assert ["=", "in", "the", "folder", "34"] in lines
    assert ["removed", "4"] in lines


def test_files_that_were_not_reached_have_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(IngestReport(added=1, remaining=5, interrupted=True))
    stopped = capsys.readouterr().out
    print_report(IngestReport(added=6))
    finished = capsys.readouterr().out

    lines = [line.split() for line in stopped.splitlines()]
    assert ["not", "reached", "5"] in lines
    assert ["=", "in", "the", "folder", "6"] in lines
    assert "not reached" not in finished


def test_failed_files_are_listed_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(IngestReport(failed=(FAILED,)))

    out = capsys.readouterr().out
    assert "x[1].png" in out
    assert "'x' is cut off." in out


def test_without_failures_no_list_of_them_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(IngestReport(added=1))

    assert "Failed files" not in capsys.readouterr().out


def test_a_stopped_run_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        finish(IngestReport(added=1, interrupted=True, failed=(FAILED,)))

    assert caught.value.exit_code == 130
    assert capsys.readouterr() == ("", f"{STOPPED}\n")


def test_a_run_without_failures_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    finish(IngestReport(added=1))

    assert capsys.readouterr() == ("", "")


def test_no_progress_bar_is_written_to_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress() as show:
        show(Progress(done=1, total=2, path="rose.png", seconds=0.5))

    assert capsys.readouterr() == ("", "")


def test_the_progress_bar_shows_counts_rate_and_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with shown_progress() as show:
        show(Progress(done=5, total=8, path="roses/rose.png", failed=1, seconds=2.0))

    out, err = capsys.readouterr()
    assert out == ""
    for part in ("5/8", "2.5/s", "1 failed", "roses/rose.png"):
        assert part in err


def test_the_progress_bar_says_what_is_read_while_files_are_encoded_together(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with shown_progress() as show:
        show(Progress(done=0, total=80, path="", step="encoding", read=17))

    assert "encoding, 17 read" in capsys.readouterr().err


def test_warnings_are_told_beside_the_report_and_change_no_exit_code(
    run: Run, folder: Path
) -> None:
    (folder / "captions.csv").write_text("file,text\nnowhere.jpg,A rose\n", encoding="utf-8")

    result = run("ingest")

    assert result.exit_code == 0
    assert "nowhere.jpg" in result.stderr
    assert "nowhere.jpg" not in result.stdout
    assert "nowhere.jpg" in json.loads(run("ingest", "--json").stdout)["warnings"][0]


def test_files_that_nothing_reads_are_named(run: Run, folder: Path) -> None:
    (folder / "thesis.pdf").write_bytes(b"%PDF-1.7")

    result = run("ingest")

    assert result.exit_code == 0
    assert "thesis.pdf" in result.stderr
    assert json.loads(run("ingest", "--json").stdout)["ignored_examples"] == ["thesis.pdf"]


def test_of_many_files_that_nothing_reads_the_rest_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_report(IngestReport(ignored=7, ignored_examples=("a.pdf", "b.pdf")))

    assert "a.pdf, b.pdf, 5 more" in capsys.readouterr().err


# -- captions --


def test_captions_have_rows_a_list_and_a_word_on_what_stopped_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = FailedFile(path="y.png", code="caption_refused", message="No caption: refused.")
    print_report(
        IngestReport(
            added=9, captioned=4, caption_failures=(failed,), captions_left=2,
            caption_problem="Nobody\x1b answers.",
        )
    )  # fmt: skip

    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert ["pictures", "captioned", "4"] in lines
    assert ["captions", "failed", "1"] in lines
    assert ["captions", "left", "2"] in lines
    assert "No caption: refused." in out
    assert err.startswith("captioning stopped: Nobody")
    assert "\x1b" not in err


def test_without_captions_the_report_says_nothing_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_report(IngestReport(added=1))

    assert "caption" not in "".join(capsys.readouterr())


def test_captions_are_a_stage_of_the_progress(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with shown_progress() as show:
        show(Progress(done=5, total=8, path="rose.png", stage="captions"))

    assert "captions" in capsys.readouterr().err


def test_captions_are_made_in_a_run_that_asks_for_them(run: Run, folder: Path) -> None:
    speaker = ("--set", "chat.name=fake:A zebra.")

    data = json.loads(run("ingest", "--json", "--captions", *speaker).stdout)
    again = json.loads(run("ingest", "--json", "--captions", *speaker).stdout)

    assert (data["captioned"], again["captioned"]) == (2, 0)
    hits = json.loads(run("search zebra", "--modality", "image", "--json").stdout)
    assert {hit["machine_caption"] for hit in hits} == {"A zebra."}
    run("ingest", "--no-captions", "--set", "ingest.captions=missing", *speaker)
    hits = json.loads(run("search zebra", "--modality", "image", "--json").stdout)
    assert {hit["machine_caption"] for hit in hits} == {None}


def test_captions_of_all_pictures_stay_those_of_all(run: Run, folder: Path) -> None:
    (folder / "captions.csv").write_text("file,caption\npoppy.png,A poppy\n", encoding="utf-8")
    flags = ("--json", "--captions", "--set", "chat.name=fake:A zebra.")

    some = json.loads(run("ingest", *flags).stdout)
    rest = json.loads(run("ingest", *flags, "--set", "ingest.captions=all").stdout)

    assert (some["captioned"], rest["captioned"]) == (1, 1)


def test_captions_by_a_model_without_eyes_are_exit_code_2_and_the_files_are_in(run: Run) -> None:
    result = run("ingest", "--captions")

    assert result.exit_code == 2
    assert "sees no pictures" in result.stderr
    assert "chat.name" in result.stderr
    assert json.loads(run("ingest", "--json").stdout)["unchanged"] == 4


# -- removals and other writers --


def test_many_removals_are_shown_before_they_happen(ingested: Run, folder: Path) -> None:
    gone = sorted(path for path in folder.rglob("*.png"))
    for file in gone:
        file.unlink()

    result = ingested("ingest", "--json")

    assert f"{len(gone)} of 4 files are gone from the folder" in result.stderr
    assert gone[0].name in result.stderr
    assert json.loads(result.stdout)["removed"] == len(gone)


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("y\n", 0)])
def test_in_a_terminal_many_removals_are_asked_for(
    ingested: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr("florilegium.cli.ingest.is_interactive", lambda: True)
    next(folder.rglob("*.png")).unlink()

    result = ingested("ingest", stdin=answer)

    assert result.exit_code == code
    assert "Remove them from the index?" in result.stderr
    assert ("nothing was changed" in result.stderr) is (code == 1)


def test_yes_answers_beforehand(
    ingested: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("florilegium.cli.ingest.is_interactive", lambda: True)
    next(folder.rglob("*.png")).unlink()

    result = ingested("ingest", "--yes")

    assert result.exit_code == 0
    assert "Remove them" not in result.stderr


def test_an_emptied_folder_keeps_its_index_unless_that_is_allowed(
    ingested: Run, folder: Path
) -> None:
    for file in [path for path in folder.rglob("*") if path.suffix in (".png", ".txt", ".md")]:
        file.unlink()

    refused, allowed = ingested("ingest"), ingested("ingest", "--allow-empty", "--json")

    assert refused.exit_code == 3
    assert "--allow-empty" in refused.stderr
    assert json.loads(allowed.stdout)["removed"] == 4


def test_a_second_writer_is_told_who_writes_and_may_wait(ingested: Run, folder: Path) -> None:
    with writers_lock(folder / ".florilegium", doing="testing"):
        refused, waited = ingested("ingest"), ingested("ingest", "--wait", "0.2")

    assert (refused.exit_code, waited.exit_code) == (1, 1)
    assert f"process {os.getpid()}" in refused.stderr
    assert "--wait" in refused.stderr
    assert f"waiting for process {os.getpid()}" in waited.stderr
