"""Whenever a process is killed while it saves, what was saved is the old or the new, and complete."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.files.crashes import crashes
from tracrlab.files import SavedFiles, digest, read_together, replaced_folder, save_together
from tracrlab.files import folder as folders

OLD = {"part": b"old part", "deep/other": b"old other"}
NEW = {"part": b"new part, longer", "deep/other": b"new other"}


def rooted(contents: dict[str, bytes]) -> dict[str, bytes]:
    """The files with a root that holds their digests."""
    return contents | {"root": json.dumps({name: digest(content) for name, content in contents.items()}).encode()}


def saved(folder: Path, root: str = "root") -> dict[str, bytes]:
    def read(files: SavedFiles) -> dict[str, bytes]:
        return {name: files.read(name, sha256) for name, sha256 in json.loads(files.content).items()}

    return read_together(folder, root, read)


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_process_that_is_killed_at_any_moment_leaves_the_old_files_or_the_new_ones(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "notes").write_text("mine")
    found = []
    save_together(folder, rooted(OLD), "root")
    for _ in crashes(partial(save_together, folder, rooted(NEW), "root")):
        found.append(saved(folder))
        assert found[-1] in (OLD, NEW)
        save_together(folder, rooted(OLD), "root")  # the next save clears what the killed one left
        assert saved(folder) == OLD
        assert names_in(tmp_path) == [f"folder/{name}" for name in ("deep/other", "notes", "part", "root")]
    assert found.count(OLD) > 10
    assert found.count(NEW) > 10
    assert found == sorted(found, key=[OLD, NEW].index)


def save_one_kind(folder: Path, contents: dict[str, bytes]) -> None:
    own, other = ("first", "root") if "first" in contents else ("root", "first")
    save_together(folder, contents, own, instead_of=other)


@pytest.mark.slow
def test_it_is_so_for_files_of_another_kind_in_the_same_folder(tmp_path: Path) -> None:
    """A reader looks for the root ``first``, and for ``root`` where there is none."""
    first = {"first": rooted(NEW)["root"], **NEW}

    def found() -> dict[str, bytes]:
        return saved(tmp_path, "first" if (tmp_path / "first").exists() else "root")

    for before, after in ((rooted(OLD), first), (first, rooted(OLD))):
        save_one_kind(tmp_path, before)
        for _ in crashes(partial(save_one_kind, tmp_path, after)):
            assert found() in (OLD, NEW)
            save_one_kind(tmp_path, before)
            assert found() == (NEW if "first" in before else OLD)


def test_a_reader_meanwhile_gets_the_old_files_or_the_new_ones(tmp_path: Path) -> None:
    """The files are replaced between the reading of the root and that of the others."""
    save_together(tmp_path, rooted(OLD), "root")
    replacements = [rooted(NEW), rooted(OLD), rooted(NEW)]

    def read(files: SavedFiles) -> list[bytes]:
        if replacements:
            save_together(tmp_path, replacements.pop(), "root")
        return [files.read(name, sha256) for name, sha256 in json.loads(files.content).items()]

    assert read_together(tmp_path, "root", read) == list(NEW.values())
    assert not replacements


def no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("failing", ["fsync", "rename", "replace", "mkdir", "stat"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_leaves_what_was_there(
    failing: str, existing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    if existing:
        save_together(folder, rooted(OLD), "root")
    with monkeypatch.context() as patch:
        patch.setattr(os, failing, no_space)
        with pytest.raises(OSError, match="No space left"):
            save_together(folder, rooted(NEW), "root")
    assert contents_of(tmp_path) == ({f"folder/{name}": each for name, each in rooted(OLD).items()} if existing else {})
    if existing:
        assert saved(folder) == OLD


# Folders that are exchanged ------------------------------------------------------------------------------------------


def put(folder: Path, contents: dict[str, bytes]) -> None:
    with replaced_folder(folder, last="last") as new:
        for name, content in contents.items():
            (new / name).write_bytes(content)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names_in(folder)}


@pytest.mark.parametrize("failing", ["fsync", "rename", "mkdir"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_leaves_the_folder_as_it_was(
    failing: str, existing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"a": b"old", "last": b"old"} if existing and failing != "rename" else {}
    if old:
        put(tmp_path / "folder", old)
    with monkeypatch.context() as patch:
        patch.setattr(os, failing, no_space)
        with pytest.raises(OSError, match="No space left"):
            put(tmp_path / "folder", {"a": b"new"})
    assert contents_of(tmp_path) == {f"folder/{name}": each for name, each in old.items()}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="no folders are exchanged there")
def test_a_folder_is_the_old_or_the_new_one_whenever_the_process_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    old, new = {"a": b"old", "last": b"old"}, {"a": b"new", "last": b"new", "more": b"new"}
    put(folder, old)
    (folder / "own").mkdir()
    (folder / "own" / "notes").write_text("mine")
    found = []
    for _ in crashes(partial(put, folder, new)):
        contents = contents_of(folder)
        assert contents.pop("own/notes") == b"mine"
        found.append(contents)
        assert contents in (old, new)
        (folder / "more").unlink(missing_ok=True)
        put(folder, old)
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert found.count(old) > 10
    assert found.count(new) > 1


def put_one_by_one(folder: Path, contents: dict[str, bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders, "_exchange", lambda *_: False)
        put(folder, contents)


@pytest.mark.slow
def test_where_folders_cannot_be_exchanged_the_files_are_replaced_one_by_one(tmp_path: Path) -> None:
    put(tmp_path / "folder", {"a": b"old", "last": b"old", "more": b"old"})
    seen = []
    for _ in crashes(partial(put_one_by_one, tmp_path / "folder", {"a": b"new", "last": b"new"})):
        seen.append(contents_of(tmp_path / "folder"))
        assert seen[-1]["last"] == b"old" or seen[-1]["a"] == b"new"
    assert seen[-1] == {"a": b"new", "last": b"new", "more": b"old"}
    put_one_by_one(tmp_path / "folder", {"a": b"newer"})
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_the_working_folder_is_not_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    put(Path(), {"a": b"new"})
    assert Path("a").read_bytes() == b"new"


def test_a_folder_keeps_its_permissions_and_a_new_one_has_those_of_new_folders(tmp_path: Path) -> None:
    (tmp_path / "usual").mkdir()
    put(tmp_path / "folder", {"a": b""})
    usual = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == usual
    (tmp_path / "folder").chmod(0o710)
    put(tmp_path / "folder", {"a": b"new"})
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o710
    save_together(tmp_path / "other", rooted(OLD), "root")
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == usual
    assert stat.S_IMODE((tmp_path / "other" / "deep").stat().st_mode) == usual


def test_a_link_to_a_folder_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    put(tmp_path / "link", {"a": b"new"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_bytes() == b"new"


# Scratch -------------------------------------------------------------------------------------------------------------


def test_scratch_of_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    code = "import sys; from tracrlab.files import replaced_folder\nwith replaced_folder(sys.argv[1], ''):"
    code += "\n    print(1, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path / "folder")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        put(tmp_path / "folder", {"a": b"1"})
        assert len(list(tmp_path.iterdir())) == 2
        process.kill()
        process.wait()
        put(tmp_path / "folder", {"a": b"2"})
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("save", [put, lambda folder, contents: save_together(folder, rooted(contents), "root")])
@pytest.mark.parametrize(("name", "reason"), [("", "the path is empty"), ("a\0b", "NUL"), ("x" * 300, "too long")])
def test_paths_that_name_nothing_are_refused(
    save: Callable[..., None], name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=reason):
        save(name, {"a": b""})
    assert list(tmp_path.iterdir()) == []


def test_read_only_files_are_not_replaced(tmp_path: Path) -> None:
    for save in (put, lambda folder, contents: save_together(folder, rooted(contents), "root")):
        save(tmp_path / "folder", {"a": b"old"})
        (tmp_path / "folder" / "a").chmod(0o444)
        with pytest.raises(OSError, match="read-only"):
            save(tmp_path / "folder", {"a": b"new"})
        assert (tmp_path / "folder" / "a").read_bytes() == b"old"
        (tmp_path / "folder" / "a").chmod(0o644)


@pytest.mark.slow
def test_a_save_killed_at_random_moments_loses_nothing_either() -> None:
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    command = [sys.executable, "-m", "benchmarks.kills", "model", "page", "--kills", "8"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "model │ 8 " in run.stdout
    assert "page  │ 8 " in run.stdout
