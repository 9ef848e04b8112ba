"""The weights in a tar or zip archive, taken out without trusting it."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Union

from paddleseg_lite.checkpoint.formats import read_weights
from paddleseg_lite.checkpoint.limits import MAX_BYTES, max_unpacked
from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import printable

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
_CHUNK = 1 << 20  # bytes

_Archive = Union[zipfile.ZipFile, tarfile.TarFile]


def unpack(archive: Path, target: Path, name: object) -> None:
    """Write the one .pdparams of an archive to `target`; no name or link in it leads anywhere else.

    Args:
        archive: a tar (also gzipped) or zip file.
        target: where to; on an error there may be a part of it.
        name: what messages call the archive.

    Raises:
        UserError: it is damaged, does not hold one .pdparams that can be read, or unpacks to more than
            `max_unpacked` says.
    """
    limit = max_unpacked(archive.stat().st_size)
    try:
        with _opened(archive, limit) as opened:
            found = _weights_in(opened)
            if len(found) > 1:
                found = {
                    member: file for member, file in found.items() if Path(member).name == "model.pdparams"
                }
            if len(found) != 1:
                raise UserError(f"{name} should hold one .pdparams file; unpack it and give the right one")
            with next(iter(found.values()))() as source, target.open("wb") as file:
                _copy(source, file, limit)
        read_weights(target)
    except _TooLarge as error:
        raise UserError(
            f"{name} was not unpacked: it holds more than {limit} bytes, far more than its size or than "
            f"weights have; if you trust it, {MAX_BYTES} raises the limit"
        ) from error
    except UserError as error:
        raise UserError(str(error).replace(printable(target), f"what {name} holds")) from error
    except Exception as error:  # a damaged archive can fail in any way: zlib.error, EOFError, ReadError ...
        raise UserError(
            f"cannot unpack {name} ({type(error).__name__}: {str(error)[:200]}); it may be damaged or cut "
            "short: get it again"
        ) from error


class _TooLarge(Exception):
    """The archive unpacks to more than the limit."""


@contextlib.contextmanager
def _opened(archive: Path, limit: int) -> Iterator[_Archive]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield zipped
        return
    with archive.open("rb") as raw:
        is_packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream: Any = _Bounded(gzip.GzipFile(fileobj=raw) if is_packed else raw, limit)
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            yield tar


class _Bounded(io.RawIOBase):
    """A stream of which only so many bytes can be read: tarfile reads a long name, for one, at once."""

    def __init__(self, stream: Any, limit: int) -> None:
        self._stream, self._limit = stream, limit + _CHUNK  # headers, and the empty blocks at the end

    def read(self, size: int = -1) -> bytes:
        if size < 0 or self.tell() + size > self._limit:
            raise _TooLarge
        return self._stream.read(size)

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        if position > self._limit:
            raise _TooLarge
        return self._stream.seek(position, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _weights_in(archive: _Archive) -> dict[str, Callable[[], Any]]:
    """Return what opens each .pdparams, by name; folders, links, devices and files with holes are none."""
    files: dict[str, Callable[[], Any]]
    if isinstance(archive, tarfile.TarFile):
        plain = (member for member in archive if member.isfile() and not member.issparse())
        files = {member.name: partial(archive.extractfile, member) for member in plain}
    else:
        kinds = (0, stat.S_IFREG)  # not every program notes what a member is
        ways = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others can ask for gigabytes to work with
        members = [m for m in archive.infolist() if stat.S_IFMT(m.external_attr >> 16) in kinds]
        files = {m.filename: partial(archive.open, m) for m in members if m.compress_type in ways}
    return {name: file for name, file in files.items() if name.endswith(".pdparams")}


def _copy(source: IO[bytes], file: IO[bytes], limit: int) -> None:
    while chunk := source.read(_CHUNK):
        limit -= len(chunk)
        if limit < 0:
            raise _TooLarge
        file.write(chunk)
