"""Things that are no files: links, pipes, sockets, devices, and what may not be read."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from tests.hostile.kinds import kind
from tests.hostile.names import TEXT
from tests.hostile.pictures import healthy

SECRET = b"The secret orchid grows outside of the library."


@kind("links that lead in circles", "failed", "source_unreadable")
def _(folder: Path) -> None:
    (folder / "self.txt").symlink_to("self.txt")
    (folder / "one.png").symlink_to("two.png")
    (folder / "two.png").symlink_to("one.png")
    (folder / "gone.md").symlink_to("no such file")
    (folder / "long.txt").symlink_to("x" * 1_000)


@kind("links to folders of the library", "taken")
def _(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "rose.txt").write_bytes(TEXT)
    (folder / "inner" / "up").symlink_to("..")
    (folder / "again").symlink_to("inner")
    (folder / "self").symlink_to("self")


@kind("links to files of the library", "taken")
def _(folder: Path) -> None:
    (folder / "rose.txt").write_bytes(TEXT)
    (folder / "linked.txt").symlink_to("rose.txt")
    os.link(folder / "rose.txt", folder / "hard.txt")


@kind("links out of the library", "failed", "source_unreadable")
def _(folder: Path) -> None:
    outside = folder.parent.parent / "outside the library"
    outside.mkdir(exist_ok=True)
    (outside / "secret.txt").write_bytes(SECRET)
    (outside / "secret.png").write_bytes(healthy("PNG"))
    (folder / "file.txt").symlink_to(outside / "secret.txt")
    (folder / "file.png").symlink_to(outside / "secret.png")
    (folder / "folder").symlink_to(outside)
    (folder / "root").symlink_to("/")
    (folder / "passwd.txt").symlink_to("/etc/passwd")
    (folder / "zero.txt").symlink_to("/dev/zero")
    (folder / "memory.txt").symlink_to("/proc/self/mem")


@kind("pipes", "failed", "source_unreadable")
def _(folder: Path) -> None:
    for name in ("pipe.txt", "pipe.png", "pipe.html"):
        os.mkfifo(folder / name)


@kind("sockets", "failed", "source_unreadable")
def _(folder: Path) -> None:
    # By a short name: the address of a socket has at most 107 bytes.
    before = Path.cwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("socket.txt")
    finally:
        os.chdir(before)


@kind("devices", "failed", "source_unreadable")
def _(folder: Path) -> None:
    for name, minor in (("zero.txt", 5), ("random.png", 8), ("full.md", 7)):
        os.mknod(folder / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))


@kind("files and folders that may not be read", "failed", "source_unreadable")
def _(folder: Path) -> None:
    (folder / "secret.txt").write_bytes(TEXT)
    (folder / "secret.txt").chmod(0)
    (folder / "closed").mkdir()
    (folder / "closed" / "rose.txt").write_bytes(TEXT)
    (folder / "closed").chmod(0)
