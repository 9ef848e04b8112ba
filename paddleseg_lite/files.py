"""Files that are on the disk once a function returns."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from paddleseg_lite.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Write a file by `save(path)` and wait until it is on the disk."""
    save(path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a text file and wait until it is on the disk."""
    write(path, lambda path: path.write_text(text, encoding="utf-8"))


def part_of(path: Path) -> Path:
    """Return where this process writes what becomes `path`: beside it, and under a name of its own."""
    return path.with_name(f".{path.name}.{_owner()}.part")


def replace(path: Path, data: bytes) -> None:
    """Write a file beside its target, wait until it is on the disk, and rename it: it is whole or absent.

    Several processes may write the same file; it is then as the last one of them wrote it. What a killed one
    leaves behind is removed by the next.

    Raises:
        UserError: the file cannot be written.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_parts_of_the_dead(path)
        write(part, lambda part: part.write_bytes(data))
        os.replace(part, path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}; give a folder that can be written to"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()  # there only if something went wrong


@contextlib.contextmanager
def locked(path: Path, message: str) -> Iterator[None]:
    """Hold a lock, which ends with this process however that ends; where there are no locks, do without.

    Args:
        path: the file that is locked; it stays, since removing it could give two processes a lock each.
        message: what is raised if another process holds it.

    Raises:
        UserError: another process holds the lock.
        OSError: the file cannot be made.
    """
    with path.open("a") as file:
        if fcntl is not None:
            try:
                # Not flock: worker processes would inherit that, and hold it after this one is killed.
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                raise UserError(message) from None
            except OSError:  # a file system without locks
                pass
        yield


def make_folder(folder: Path) -> None:
    """Make a folder, with those above it, if it is not there.

    Raises:
        UserError: it cannot be made, or nothing can be written into it.
    """
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make {folder} ({error.strerror or error}); give a folder that can be written to"
        ) from error


def check_folder(folder: Path) -> None:
    """Check, before work that takes long, that a folder can be made and written into; makes nothing.

    Raises:
        UserError: it cannot.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(
            f"{folder}: nothing can be written to {existing}; give a folder that can be written to"
        )


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    if os.name == "nt":  # Windows cannot open folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _owner() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def _remove_parts_of_the_dead(path: Path) -> None:
    """Remove parts of a file whose writers, on this machine, are gone."""
    if os.name == "nt":  # has no way to ask for a process without a risk for it
        return
    pattern = re.compile(re.escape(f".{path.name}.{socket.gethostname()}-") + r"(\d+)\.part")
    for found in path.parent.iterdir():
        match = pattern.fullmatch(found.name)
        if match is None:
            continue
        try:
            os.kill(int(match[1]), 0)
        except ProcessLookupError:
            found.unlink(missing_ok=True)
        except OSError:  # of another user
            pass
