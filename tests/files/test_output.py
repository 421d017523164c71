"""Files appear as a whole or not at all, at the end of links, in pipes and devices, and not over read-only files."""

from __future__ import annotations

import os
import stat
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.files.crashes import crashes
from tracrlab.files import is_stream, write_output


def test_a_file_is_the_old_or_the_new_one_whenever_the_process_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_output(file, b"old")
    found = []
    for _ in crashes(partial(write_output, file, b"new")):
        found.append(file.read_bytes())
        write_output(file, b"old")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert set(found) == {b"old", b"new"}


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_text("old")
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "other").symlink_to(tmp_path / "deep" / "file")
    (tmp_path / "dangling").symlink_to("deep/new")
    for name, place in (("link", "file"), ("dangling", "new")):
        write_output(tmp_path / name, name.encode())
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "deep" / place).read_text() == name
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        write_output(tmp_path / "loop", b"")


def test_pipes_and_devices_are_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.svg"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_output(pipe, b"content")
    reader.join(10)
    assert read == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with Path("/dev/null").open("wb") as null:  # by a name that nothing could replace
        write_output(f"/dev/fd/{null.fileno()}", b"content")
    assert is_stream("/dev/null")
    assert is_stream(pipe)
    assert not is_stream(tmp_path / "new")


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="open files have no names there")
def test_open_files_are_written_into(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.write(b"before ")
        file.flush()
        assert is_stream(f"/dev/fd/{file.fileno()}")
        place = (tmp_path / "file").stat().st_ino
        write_output(f"/dev/fd/{file.fileno()}", b"content")
    assert (tmp_path / "file").stat().st_ino == place
    assert (tmp_path / "file").read_bytes() == b"before content"


def test_read_only_files_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o444)
    (tmp_path / "link").symlink_to("file")
    for name, reason in (("file", "read-only"), ("link", "read-only"), (".", "directory"), ("no/file", "no folder")):
        with pytest.raises(OSError, match=reason):
            write_output(tmp_path / name, b"new")
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_permissions_stay_and_are_those_of_new_files(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    write_output(tmp_path / "new", b"")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    (tmp_path / "new").chmod(0o600)
    write_output(tmp_path / "new", b"newer")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    write_output(tmp_path / ("x" * 255), b"content")
    assert (tmp_path / ("x" * 255)).read_bytes() == b"content"


@pytest.mark.parametrize(("name", "reason"), [("", "the path is empty"), ("a\0b", "NUL"), ("x" * 300, "too long")])
def test_paths_that_name_nothing_are_refused(name: str, reason: str) -> None:
    with pytest.raises(OSError, match=reason):
        write_output(name, b"content")
