"""Files of one folder that belong together: at every moment those of one save are complete, the old or the new ones.

A *root* file holds digests of the others (or of a file that does). The new files are written into a folder of their
own, named after the digest of the new root. Then the root is replaced: at this stroke the new files are the saved ones.
Only now they move to their places. A reader takes a file from its place if it has the digest that the root says, and
otherwise from that folder. The next save finishes what a killed process began, and clears what it left.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import TypeVar

from tracrlab.files.scratch import (
    PREFIX,
    checked_path,
    locked,
    refuse_read_only,
    scratch_folder,
    sync_folder,
    write_durably,
)

_WAITING = f"{PREFIX}saved-"  # and the digest of the root: a folder of files that are saved, but not in their places
Result = TypeVar("Result")


def save_together(
    path: str | PathLike[str], contents: Mapping[str, bytes], root: str, *, instead_of: str | None = None
) -> None:
    """Save files in a folder, made if need be, over those of an earlier save; other files in it stay.

    Arguments:
        path: the folder.
        contents: by path below the folder, with ``/`` between its parts; among them ``root``.
        root: the file that holds digests of the others.
        instead_of: the root of another kind of files, which is removed.

    Raises:
        OSError: the folder or one of the files cannot be written. What was saved before is still saved.
    """
    folder = checked_path(path)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder):
            for name in contents:
                if (folder / name).is_dir():
                    raise IsADirectoryError(errno.EISDIR, f"{name} is a folder")
                refuse_read_only(folder / name)
            with suppress(FileNotFoundError):
                _take_places(folder, _waiting(folder, file_content(folder / root)))
            _save(folder, contents, root, instead_of)
    except OSError:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise


def _save(folder: Path, contents: Mapping[str, bytes], root: str, instead_of: str | None) -> None:
    waiting = _waiting(folder, contents[root])
    with scratch_folder(folder, root) as scratch:
        for name, content in contents.items():
            file = scratch / "new" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(file, content)
        for other in folder.glob(f"{_WAITING}*"):  # those of processes that were killed before they replaced the root
            shutil.rmtree(other)
        os.rename(scratch / "new", waiting)
    try:
        for name in contents:
            sync_folder((waiting / name).parent)
        os.replace(waiting / root, folder / root)
    except OSError:
        shutil.rmtree(waiting, ignore_errors=True)
        raise
    if instead_of is not None:
        (folder / instead_of).unlink(missing_ok=True)
    sync_folder(folder)
    _take_places(folder, waiting)


def _take_places(folder: Path, waiting: Path) -> None:
    """Move the saved files that are waiting, if there are any, to their places."""
    if not waiting.is_dir():
        return
    for file in sorted(waiting.rglob("*")):
        place = folder / file.relative_to(waiting)
        if file.is_dir():
            place.mkdir(exist_ok=True)
        else:
            os.replace(file, place)
            sync_folder(place.parent)
    shutil.rmtree(waiting)


def _waiting(folder: Path, root: bytes) -> Path:
    return folder / f"{_WAITING}{digest(root)[:16]}"


class SavedFiles:
    """What :func:`save_together` saved: each file is read once, and ``content`` is that of the root."""

    def __init__(self, places: tuple[Path, ...], root: str, content: bytes) -> None:
        self._places = places  # folders, in the order in which a file is looked for
        self._root = root
        self.content = content

    @classmethod
    def of(cls, path: str | PathLike[str], root: str) -> SavedFiles:
        """Those in a folder.

        Raises:
            OSError, ValueError: the root cannot be read, or is no file.
        """
        folder = checked_path(path)
        content = file_content(folder / root)
        return cls((_waiting(folder, content), folder), root, content)

    def below(self, folder: str, root: str, sha256: object) -> SavedFiles:
        """Those in a folder inside, whose root has this digest; older files do not say which (``None``).

        Raises:
            OSError, ValueError: as for :meth:`read`.
        """
        name = f"{folder}/{root}"
        content = file_content(self._places[-1] / name) if sha256 is None else self.read(name, sha256)
        return SavedFiles(tuple(place / folder for place in self._places), root, content)

    def read(self, name: str, sha256: object) -> bytes:
        """The file of this digest.

        Raises:
            OSError, ValueError: it cannot be read, is no file, or not the one that was saved with the root.
        """
        *others, last = self._places
        for place in others:
            with suppress(OSError, ValueError):
                content = file_content(place / name)
                if digest(content) == sha256:
                    return content
        content = file_content(last / name)
        if digest(content) != sha256:
            raise ValueError(f"it is not the one saved with {self._root}")
        return content

    def replaced(self) -> bool:
        """Whether others were saved since."""
        with suppress(OSError, ValueError):
            return file_content(self._places[-1] / self._root) != self.content
        return True


def read_together(path: str | PathLike[str], root: str, read: Callable[[SavedFiles], Result]) -> Result:
    """What ``read`` makes of the saved files; if they are replaced meanwhile, of the new ones.

    Raises:
        OSError, ValueError: the root cannot be read, or is no file.
    """
    while True:
        files = SavedFiles.of(path, root)
        try:
            return read(files)
        except Exception:
            if not files.replaced():
                raise


def file_content(file: Path) -> bytes:
    """The bytes of a file; a pipe or a device, which might never end, is none.

    Raises:
        OSError, ValueError: it cannot be read, or is no file.
    """
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as stream:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(kind):
            raise ValueError("it is a pipe or a device, not a file")
        return stream.read()


def digest(content: bytes) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
