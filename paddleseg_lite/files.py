"""Files that are whole or absent, locks, and folders that can be written to: the one place for each."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import itertools
import os
import re
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Union

from paddleseg_lite.errors import UserError, writing
from paddleseg_lite.registry import did_you_mean

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

TEMPORARY = ".part-"  # how the names of half-written files and folders begin
_MAX_COMPARED = 2000  # names
WRITABLE = "give a folder that can be written to"  # a remedy

Data = Union[bytes, str, Callable[[Path], object]]


def atomic_write(
    path: Path, data: Data, remedy: str = "free some space or give another folder", sync: bool = True
) -> None:
    """Write a file beside its target and rename it: whatever happens, it is whole, as it was, or absent.

    Several processes may write the same file; it is then as the last one of them wrote it.

    Args:
        path: the file; its folder is made.
        data: its content (text as UTF-8), or what writes it: `data(path)`, given a temporary path of the
            same name.
        remedy: what a user can do if it cannot be written, for the message.
        sync: wait until it is on the disk. False is for many files that can be made again: after a power
            failure some may be empty.

    Raises:
        UserError: the file cannot be written. What else `data` raises is passed on.
    """
    with writing(path, remedy), temporary_beside(path) as temporary:
        if callable(data):
            temporary.mkdir()
            temporary = temporary / path.name
            data(temporary)
        else:
            temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        if sync:
            sync_to_disk(temporary)
        os.replace(temporary, path)


@contextlib.contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Yield a hidden path, of nothing yet, beside `path`: for a file or folder that is to become it.

    The folder of `path` is made. What is at the hidden path at the end is removed, and what a killed process
    left at its own is removed by the next that comes here.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers_once(path.parent)
    temporary = path.with_name(f"{TEMPORARY}{_pid_namespace()}-{os.getpid()}-{next(_numbers)}")
    try:
        yield temporary
    finally:
        remove(temporary)


_numbers = itertools.count()  # threads may write the same file


def _pid_namespace() -> str:
    """Return a short name for the processes whose ids are told apart: a machine's, or a container's."""
    try:
        # Not the host's name, which two that share a disk may have in common.
        machine = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        machine, namespace = socket.gethostname(), ""
    # A hash, since file names have a limit: host names may be as long as that.
    return hashlib.sha256(f"{machine} {namespace}".encode()).hexdigest()[:12]


def remove_leftovers(folder: Path) -> None:
    """Remove what was left half-written in a folder: by a process that is gone, as far as can be told.

    Of a process on another machine or in another container, before a restart, or of an earlier version it
    can't: what that wrote is left if it has not been touched for a day.
    """
    for found in folder.glob(".*"):
        writer = _WRITER.fullmatch(found.name)
        if writer is None and not _is_of_earlier_version(found):  # of somebody else's naming
            continue
        # Windows has no way to ask for a process without a risk for it.
        if os.name != "nt" and writer and writer["namespace"] == _pid_namespace():
            is_left = not _is_running(int(writer["pid"]))
        else:
            is_left = time.time() - _last_touched(found) > _DAY
        if is_left:
            remove(found)


# Once in a process: a folder may hold very many files.
_remove_leftovers_once = functools.cache(remove_leftovers)
_WRITER = re.compile(rf"{re.escape(TEMPORARY)}(?P<namespace>[0-9a-f]{{12}})-(?P<pid>\d+)-\d+")
_DAY = 86400  # seconds


def _is_of_earlier_version(path: Path) -> bool:
    """Return whether a version that did not use names as above surely wrote a file or folder."""
    if re.fullmatch(r"\.new-[a-z0-9_]{8}", path.name) and path.is_dir() and not path.is_symlink():
        return all(_SAVED.fullmatch(found.name) for found in path.rglob("*"))
    return _HALF.fullmatch(f"{path.parent.name}/{path.name}") is not None


_HALF = re.compile(r".*/\.(config\.yml|environment\.json)\.\d+\.tmp|added_prediction/\..+\.\d+\.mp4")
# In a checkpoint or an export.
_SAVED = re.compile(r"(model(_int8)?|ema)\.\w+|(state|info)\.json|SHA256SUMS|inference\.yml")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # of another user
        pass
    return True


def _last_touched(path: Path) -> float:
    """Return when a file, or a folder or anything in it, was last written to; now if it is gone meanwhile."""
    try:
        return max(found.stat().st_mtime for found in (path, *path.rglob("*")))
    except OSError:
        return time.time()


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, if it is there and can be removed."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def sync_to_disk(*paths: Path) -> None:
    """Wait until the contents of files, and the names in folders, are on the disk."""
    for path in paths:
        if os.name == "nt" and path.is_dir():  # Windows cannot open folders
            continue
        descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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


def check_folder(folder: Path) -> None:
    """Check, before work that takes long, that a folder can be made and written into; makes nothing.

    Raises:
        UserError: it cannot.
    """
    try:
        os.stat(folder)
    except (FileNotFoundError, NotADirectoryError):
        pass  # it will be made, if what is above it is a folder
    except (OSError, ValueError) as error:  # a name too long or with a NUL, links in a circle
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{folder}: nothing can be written there ({reason}); {WRITABLE}") from error
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(f"{folder}: nothing can be written to {existing}; {WRITABLE}")


def nearest_path(path: str | os.PathLike[str]) -> str:
    """Return "; did you mean 'X'?" for a path that is not there.

    X is most like the first part of the path that is missing; "" if nothing in its folder is like it.
    """
    try:
        path = Path(path)
        missing = next(part for part in (*reversed(path.parents), path) if not os.path.exists(part))
        with os.scandir(missing.parent) as found:
            names = [entry.name for entry in itertools.islice(found, _MAX_COMPARED)]
    except (OSError, StopIteration):
        return ""
    return did_you_mean(missing.name, names)


def check_utf8(folder: Path, user: str) -> None:
    """Check that a folder's whole name is in UTF-8, before what takes no others fails in its own way.

    Raises:
        UserError: it is not; the message says that `user`, a library, needs it.
    """
    try:
        os.path.abspath(folder).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"{folder}: {user} takes only names in UTF-8; give another folder") from error


def read_regular(path: Path, limit: int, remedy: str = "give a smaller one") -> bytes:
    """Return the content of a regular file: a pipe or a device could be waited for, or read, for ever.

    Args:
        path: the file, or a link to it.
        limit: how many bytes it may have.
        remedy: what a user can do if it has more, for the message.

    Raises:
        UserError: it is missing, cannot be read, is too large, or is no regular file.
    """
    try:
        with open(path, "rb", buffering=0, opener=_open_regular) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise UserError(f"{path} has {size} bytes, allowed are {limit}; {remedy}")
            return file.read() or b""
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}; check the path") from error
    except MemoryError as error:
        raise UserError(f"cannot read {path}: not enough memory; free some") from error


def _open_regular(path: str, flags: int) -> int:
    """Open a file as `open` asks its `opener` to, but no pipe, for which it would wait, nor a device."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file, but a folder, a pipe or a device")
    return descriptor


def sha256(path: Path) -> str:
    """Return the SHA-256 of a regular file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb", opener=_open_regular) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
