"""Files from URLs, kept in a cache; archives are unpacked without trusting them."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from tqdm import tqdm

from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write, make_folder, temporary_beside

_TIMEOUT = 8  # seconds without an answer
_CHUNK = 1 << 20  # bytes
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")


def cache_dir() -> Path:
    """Return the cache's folder: $PADDLESEG_LITE_HOME, or ~/.cache/paddleseg_lite."""
    return Path(os.environ.get("PADDLESEG_LITE_HOME") or Path.home() / ".cache" / "paddleseg_lite")


def fetch(source: str | Path) -> Path:
    """Return a local path for `source`.

    Args:
        source: a path or an http(s) URL, of a file or of a tar or zip archive that holds one .pdparams. What
            a URL gave once is not downloaded again; archives are unpacked into the cache.

    Returns:
        The path, the downloaded file, or the .pdparams unpacked from the archive.

    Raises:
        UserError: the download fails (the message tells how to do it by hand), or the archive is
            damaged, unsafe, or has no .pdparams.
    """
    url = str(source) if urlsplit(str(source)).scheme in ("http", "https") else None
    path = _cached_path(url) if url else Path(source)
    suffix = next((suffix for suffix in _ARCHIVES if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        if url and not path.exists():
            _download(url, path)
        return path
    folder = _unpacked(path, suffix) if url else _unpacked(_cached_copy(path), suffix)
    if not folder.exists():
        if url and not path.exists():
            _download(url, path)
        _unpack(path, folder)
    return _weights_in(folder)


def _unpacked(path: Path, suffix: str) -> Path:
    return path.with_name(path.name[: -len(suffix)] + ".unpacked")


def _cached_copy(archive: Path) -> Path:
    """Where in the cache a local archive belongs, by its path and time: a new one is not missed."""
    if not archive.is_file():
        raise UserError(f"there is no file {archive}; check the path")
    identity = f"{archive.resolve()} {archive.stat().st_mtime_ns}"
    folder = cache_dir() / "local" / hashlib.sha256(identity.encode()).hexdigest()[:16]
    make_folder(folder)
    return folder / archive.name


def _cached_path(url: str) -> Path:
    """Where a URL's file is kept: host and path below the cache, so that a user finds it by looking."""
    parts = urlsplit(url)
    names = [parts.netloc.replace(":", "_"), *parts.path.split("/")]
    names = [name for name in names if name not in ("", ".", "..")]
    if parts.query:
        names.insert(1, hashlib.sha256(parts.query.encode()).hexdigest()[:16])
    return cache_dir().joinpath(*names)


def _download(url: str, path: Path) -> None:
    """Write the file at `url` to `path`."""

    def download(temporary: Path) -> None:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as response, temporary.open("wb") as file:
                _copy_with_bar(response, file, path.name)
        except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
            reason = getattr(error, "reason", None) or error
            raise UserError(
                f"cannot download {url} ({reason}); download it by hand and save it as {path}, or give the "
                "path of a local file instead of the URL, or do without it: pretrained: null, on the command "
                "line for instance --opts model.pretrained=null or model.backbone.pretrained=null"
            ) from error

    atomic_write(path, download, "set PADDLESEG_LITE_HOME to a folder with space")


def _copy_with_bar(response: http.client.HTTPResponse, file: IO[bytes], name: str) -> None:
    total = int(response.headers.get("Content-Length") or 0)
    done = 0
    # disable=None: no bar where nobody looks (a log file, a pipe)
    with tqdm(total=total or None, unit="B", unit_scale=True, desc=name, disable=None) as bar:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            bar.update(len(chunk))
    if total and done != total:
        raise OSError(f"the connection ended after {done} of {total} bytes")


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack beside `folder`, then rename; refuse links and members that would leave the folder."""
    with temporary_beside(folder) as temporary:
        temporary.mkdir()
        try:
            if zipfile.is_zipfile(archive):
                _unpack_zip(archive, temporary)
            else:
                _unpack_tar(archive, temporary)
        except UserError:
            raise
        except (
            Exception
        ) as error:  # a damaged archive can fail in any way: zlib.error, EOFError, ReadError ...
            raise UserError(
                f"cannot unpack {archive} ({type(error).__name__}); it may be damaged: "
                "delete it and try again"
            ) from error
        try:
            os.rename(temporary, folder)
        except OSError:
            if not folder.exists():  # else another process was faster
                raise


def _unpack_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            target = _target(archive, folder, member.name, plain=member.isfile() or member.isdir())
            source = tar.extractfile(member) if member.isfile() else None
            _write(source, target)


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            mode = stat.S_IFMT(member.external_attr >> 16)
            plain = mode in (0, stat.S_IFREG, stat.S_IFDIR)
            target = _target(archive, folder, member.filename, plain)
            _write(None if member.is_dir() else zipped.open(member), target)


def _target(archive: Path, folder: Path, name: str, plain: bool) -> Path:
    """Where a member goes, if it is a file or folder and stays inside."""
    path = PurePosixPath(name.replace("\\", "/"))
    if not plain or path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
        raise UserError(
            f"{archive} was not unpacked: its member {name!r} is a link, or would leave the "
            "folder; do not trust it"
        )
    return folder / path


def _write(source: IO[bytes] | None, target: Path) -> None:
    if source is None:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)


def _weights_in(folder: Path) -> Path:
    found = sorted(folder.rglob("*.pdparams"))
    if len(found) > 1:
        found = [path for path in found if path.name == "model.pdparams"]
    if len(found) != 1:
        raise UserError(f"{folder} should hold one .pdparams file; give the path of the right file instead")
    return found[0]
