"""What is seen of a folder: real files, odd ones included."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from florilegium.errors import IndexNotFoundError, UnreadableFileError
from florilegium.scan import Scan, Seen, nothing_found, scan_folder

SUFFIXES = frozenset({".txt", ".jpg"})


def write(root: Path, *paths: str) -> None:
    """Write files of one byte."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def scan(root: Path, *, exclude: Sequence[str] = ()) -> Scan:
    return scan_folder(root, suffixes=SUFFIXES, exclude=exclude)


def paths(scan: Scan) -> list[str]:
    return [seen.path for seen in scan.files]


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert scan(tmp_path) == Scan(files=(), failed=(), ignored=0)


def test_a_file_is_seen_with_its_size_and_time(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"rose")
    os.utime(tmp_path / "a.txt", ns=(1, 1_700_000_000_123_456_789))

    assert scan(tmp_path).files == (
        Seen(path="a.txt", size=4, modified_ns=1_700_000_000_123_456_789),
    )


def test_files_are_in_the_order_of_their_paths(tmp_path: Path) -> None:
    write(tmp_path, "b/a.txt", "b.txt", "a/z.txt", "a/b/c.txt", "Z.txt", "a.txt")

    assert paths(scan(tmp_path)) == ["Z.txt", "a.txt", "a/b/c.txt", "a/z.txt", "b.txt", "b/a.txt"]


def test_case_of_an_ending_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path, "A.TXT", "b.Jpg")

    assert paths(scan(tmp_path)) == ["A.TXT", "b.Jpg"]


def test_files_of_other_kinds_are_counted(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b.zip", "c", "d/e.txt.bak")

    assert (paths(scan(tmp_path)), scan(tmp_path).ignored) == (["a.txt"], 3)


def test_hidden_things_are_neither_seen_nor_counted(tmp_path: Path) -> None:
    write(tmp_path, ".a.txt", ".b/c.txt", "d/.e/f.txt", ".florilegium/g.txt", ".h.zip")

    assert scan(tmp_path) == Scan(files=(), failed=(), ignored=0)


def test_the_settings_file_is_not_counted_as_another_kind(tmp_path: Path) -> None:
    write(tmp_path, "florilegium.toml", "inner/florilegium.toml", "other.toml")

    assert scan(tmp_path).ignored == 1


def test_a_library_in_a_hidden_folder_is_scanned(tmp_path: Path) -> None:
    write(tmp_path, ".photos/a.jpg")

    assert paths(scan(tmp_path / ".photos")) == ["a.jpg"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("drafts/**", ["a.txt", "x/drafts/b.txt", "x/tmp.txt"]),
        ("**/drafts/**", ["a.txt", "x/tmp.txt"]),
        ("drafts/", ["a.txt", "x/drafts/b.txt", "x/tmp.txt"]),
        ("drafts", ["a.txt", "x/drafts/b.txt", "x/tmp.txt"]),
        ("**/drafts", ["a.txt", "x/tmp.txt"]),
        ("**/tmp.txt", ["a.txt", "drafts/b.txt", "x/drafts/b.txt"]),
        ("x/*", ["a.txt", "drafts/b.txt"]),
        ("*.txt", []),
        ("A.txt", ["a.txt", "drafts/b.txt", "x/drafts/b.txt", "x/tmp.txt"]),
        ("[ab].txt", ["drafts/b.txt", "x/drafts/b.txt", "x/tmp.txt"]),
        ("", ["a.txt", "drafts/b.txt", "x/drafts/b.txt", "x/tmp.txt"]),
    ],
)
def test_what_a_pattern_matches_is_left_out(tmp_path: Path, pattern: str, left: list[str]) -> None:
    write(tmp_path, "a.txt", "drafts/b.txt", "x/drafts/b.txt", "x/tmp.txt")

    found = scan(tmp_path, exclude=[pattern])

    assert (paths(found), found.ignored) == (left, 0)


def test_an_excluded_folder_is_not_even_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "drafts/a.txt", "b.txt")
    _forbid(monkeypatch, tmp_path / "drafts")

    assert scan(tmp_path, exclude=["drafts/**"]).failed == ()
    assert len(scan(tmp_path).failed) == 1  # the guard itself works


def _forbid(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let listing one folder fail as without the right to; root may read everything otherwise."""
    really = os.scandir

    def scandir(path: str) -> Any:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_folder_that_may_not_be_read_is_named_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a/secret/x.txt", "a/b.txt", "z.txt")
    _forbid(monkeypatch, tmp_path / "a" / "secret")

    found = scan(tmp_path)

    assert paths(found) == ["a/b.txt", "z.txt"]
    (failure,) = found.failed
    assert (failure.path, failure.code) == ("a/secret", "source_unreadable")
    assert failure.message == "The folder 'a/secret' cannot be read: Permission denied."
    assert failure.hint is not None


def test_a_library_folder_that_may_not_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _forbid(monkeypatch, tmp_path)

    with pytest.raises(UnreadableFileError, match="cannot be read: Permission denied"):
        scan(tmp_path)


@pytest.mark.parametrize("name", ["absent", "file.txt"])
def test_a_library_folder_that_is_none_is_an_error(tmp_path: Path, name: str) -> None:
    write(tmp_path, "file.txt")

    with pytest.raises(IndexNotFoundError, match=f"There is no folder .*{name}") as caught:
        scan(tmp_path / name)

    assert caught.value.hint is not None


# -- links of the file system, and things that are no files --


def test_a_link_to_a_file_is_seen_as_the_file(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_bytes(b"four")
    (tmp_path / "link.txt").symlink_to("real.txt")

    assert [(seen.path, seen.size) for seen in scan(tmp_path).files] == [
        ("link.txt", 4),
        ("real.txt", 4),
    ]


def test_a_broken_link_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    (tmp_path / "broken.jpg").symlink_to("gone.jpg")

    found = scan(tmp_path)

    assert paths(found) == ["a.txt"]
    assert [failure.message for failure in found.failed] == [
        "The file 'broken.jpg' cannot be read: No such file or directory."
    ]


def test_a_link_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop.txt").symlink_to("loop.txt")

    (failure,) = scan(tmp_path).failed
    assert failure.path == "loop.txt"


def test_links_to_folders_are_not_followed_so_that_a_circle_ends(tmp_path: Path) -> None:
    write(tmp_path, "a/b.txt", "other/c.txt")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "side.jpg").symlink_to(tmp_path / "other", target_is_directory=True)

    found = scan(tmp_path)

    assert (paths(found), found.failed, found.ignored) == (["a/b.txt", "other/c.txt"], (), 0)


def test_a_folder_with_the_name_of_a_picture_is_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "rose.jpg/a.txt")

    assert paths(scan(tmp_path)) == ["rose.jpg/a.txt"]


def test_a_pipe_is_named_since_opening_it_would_wait_for_ever(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")

    found = scan(tmp_path)

    assert paths(found) == ["a.txt"]
    assert [failure.message for failure in found.failed] == [
        "The file 'pipe.txt' cannot be read: it is no regular file."
    ]


def test_a_socket_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.txt")

        assert [failure.path for failure in scan(tmp_path).failed] == ["s.txt"]


@pytest.mark.parametrize(
    "name", ["a b.txt", " .txt", "'\".txt", "a\nb.txt", "玫瑰.txt", "e\u0301.txt", "*.txt", "-.txt"]
)
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)

    assert paths(scan(tmp_path)) == [name]


def test_names_that_are_not_utf8_are_named_with_their_bytes_escaped(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "bad\udcff.txt", "bad\udcfe/b.txt", "bad\udcff.zip")

    found = scan(tmp_path)

    assert (paths(found), found.ignored) == (["a.txt"], 1)
    assert [failure.path for failure in found.failed] == ["bad\\udcfe/b.txt", "bad\\udcff.txt"]
    for failure in found.failed:
        assert "its name is not UTF-8" in failure.message
        failure.message.encode("utf-8")


@pytest.mark.parametrize(
    ("name", "encoding", "hint"),
    [
        ("桂花.txt", "gbk", "Rename it, perhaps to '资料/桂花.txt', or exclude"),
        ("バラの育て方について.txt", "cp932",
         "Rename it, perhaps to '资料/バラの育て方について.txt', or exclude"),
        ("\x01\xff.txt", "latin-1", "Rename it, or exclude"),
    ],
)  # fmt: skip
def test_what_a_name_of_an_old_archive_may_say_is_told(
    tmp_path: Path, name: str, encoding: str, hint: str
) -> None:
    write(tmp_path, f"资料/{os.fsdecode(name.encode(encoding))}")

    (failure,) = scan(tmp_path).failed

    assert failure.hint is not None
    assert failure.hint.startswith(hint)


def test_a_name_that_would_lose_its_extension_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("florilegium.scan.decode_text", lambda data: data.decode("utf-16-le"))
    write(tmp_path, os.fsdecode("バラの花.txt".encode("cp932")))

    (failure,) = scan(tmp_path).failed

    assert failure.hint is not None
    assert failure.hint.startswith("Rename it, or exclude")


def test_what_failed_is_in_the_order_of_paths(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.txt"):
        (tmp_path / name).symlink_to("gone")

    assert [failure.path for failure in scan(tmp_path).failed] == ["a.txt", "b.txt", "c.txt"]


def test_sidecars_of_what_is_here_are_seen_and_others_are_other_files(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "a.json", "a.jpg.xmp", "b.json", "sub/a.json", "package.json")

    found = scan(tmp_path)

    assert paths(found) == ["a.jpg", "a.jpg.xmp", "a.json"]
    assert found.ignored == 3


def test_tables_are_seen_in_any_folder_that_is_not_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "x/captions.csv", "Metadata.jsonl", "y/captions.tsv", "words.csv")

    found = scan(tmp_path, exclude=["y/*"])

    assert paths(found) == ["Metadata.jsonl", "a.jpg", "x/captions.csv"]
    assert found.ignored == 1


def test_a_loader_of_the_same_ending_comes_first(tmp_path: Path) -> None:
    write(tmp_path, "b.json", "captions.csv")

    found = scan_folder(tmp_path, suffixes={".json", ".csv"}, exclude=())

    assert paths(found) == ["b.json", "captions.csv"]


def test_tables_without_anything_to_describe_are_other_files(tmp_path: Path) -> None:
    write(tmp_path, "captions.csv")

    found = scan(tmp_path)

    assert found == Scan(files=(), failed=(), ignored=1, ignored_examples=("captions.csv",))


def test_the_first_files_of_other_kinds_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b/z.pdf", *(f"c{number}.docx" for number in range(8)))

    found = scan(tmp_path)

    assert found.ignored == 9
    assert found.ignored_examples == ("b/z.pdf", "c0.docx", "c1.docx", "c2.docx", "c3.docx")


def test_a_folder_without_files_is_told_with_what_could_be_in_it_or_what_was(
    tmp_path: Path,
) -> None:
    empty = Scan(files=(), failed=(), ignored=2)

    new = nothing_found(tmp_path, empty, SUFFIXES, kept=0)
    known = nothing_found(tmp_path, empty, SUFFIXES, kept=7)

    assert "2 files of other kinds" in new.message
    assert new.hint == "Put files of these kinds into it: .jpg, .txt."
    assert "its index has 7 files" in known.message
    assert "Mount the folder again" in str(known.hint)


def test_links_out_of_the_folder_are_failures(tmp_path: Path) -> None:
    write(tmp_path, "library/a.txt", "outside/secret.txt")
    (tmp_path / "library" / "file.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (tmp_path / "library" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "library" / "inside.txt").symlink_to("a.txt")

    found = scan(tmp_path / "library")

    assert paths(found) == ["a.txt", "inside.txt"]
    assert [failure.path for failure in found.failed] == ["file.txt", "folder"]
    assert all("leads out of the library" in failure.message for failure in found.failed)
    assert all("into the library" in str(failure.hint) for failure in found.failed)


def test_a_link_to_itself_costs_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    (tmp_path / "self").symlink_to("self")

    assert (paths(scan(tmp_path)), scan(tmp_path).failed) == (["a.txt"], ())


def test_folders_may_be_deeper_than_python_recurses(tmp_path: Path) -> None:
    before = os.getcwd()  # noqa: PTH109 - the path may be longer than a call takes
    try:
        os.chdir(tmp_path)
        for _ in range(1_200):
            os.mkdir("d")  # noqa: PTH102
            os.chdir("d")
        Path("a.txt").write_bytes(b"x")
        assert paths(scan(tmp_path)) == ["d/" * 1_200 + "a.txt"]
    finally:
        os.chdir(before)
        subprocess.run(["rm", "-rf", "--", str(tmp_path / "d")], check=True)


def test_a_time_after_2262_is_the_latest_that_is_stored(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    os.utime(tmp_path / "a.txt", ns=(0, 15_000_000_000 * 10**9))

    assert scan(tmp_path).files[0].modified_ns == 2**63 - 1
