"""Files from URLs, kept in a cache; of archives, the weights alone."""

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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from tqdm import tqdm

from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write

_TIMEOUT = 8  # seconds without an answer
_CHUNK = 1 << 20  # bytes
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
_REMEDY = "set PADDLESEG_LITE_HOME to a folder with space"


def cache_dir() -> Path:
    """Return the cache's folder: $PADDLESEG_LITE_HOME, or ~/.cache/paddleseg_lite."""
    return Path(os.environ.get("PADDLESEG_LITE_HOME") or Path.home() / ".cache" / "paddleseg_lite")


def fetch(source: str | Path) -> Path:
    """Return a local path for `source`.

    Args:
        source: a path or an http(s) URL, of a file or of a tar or zip archive that holds one .pdparams. What
            a URL gave once is not downloaded again; the .pdparams of an archive is unpacked into the cache.

    Returns:
        The path, the downloaded file, or the .pdparams unpacked from the archive.

    Raises:
        UserError: the download fails (the message tells how to do it by hand), or the archive is damaged or
            has no .pdparams.
    """
    url = str(source) if urlsplit(str(source)).scheme in ("http", "https") else None
    path = _cached_path(url) if url else Path(source)
    is_archive = path.name.lower().endswith(_ARCHIVES)
    cached = path if url or not is_archive else _cached_copy(path)
    weights = cached.with_name(f"{cached.name}.pdparams") if is_archive else path
    if url and not path.exists() and not weights.exists():
        _download(url, path)
    if is_archive and not weights.exists():
        atomic_write(weights, lambda temporary: _unpack(path, temporary), _REMEDY)
    return weights


def _cached_copy(archive: Path) -> Path:
    """Where in the cache a local archive belongs, by its path and time: a new one is not missed."""
    if not archive.is_file():
        raise UserError(f"there is no file {archive}; check the path")
    identity = f"{archive.resolve()} {archive.stat().st_mtime_ns}"
    return cache_dir() / "local" / hashlib.sha256(identity.encode()).hexdigest()[:16] / archive.name


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

    atomic_write(path, download, _REMEDY)


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


def _unpack(archive: Path, target: Path) -> None:
    """Write the one .pdparams of an archive to `target`; no name or link in it leads anywhere else."""
    try:
        with zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive) as opened:
            found = _weights_in(opened)
            if len(found) > 1:
                found = {name: file for name, file in found.items() if Path(name).name == "model.pdparams"}
            if len(found) != 1:
                raise UserError(f"{archive} should hold one .pdparams file; unpack it and give the right one")
            with next(iter(found.values()))() as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, _CHUNK)
    except UserError:
        raise
    except Exception as error:  # a damaged archive can fail in any way: zlib.error, EOFError, ReadError ...
        raise UserError(
            f"cannot unpack {archive} ({type(error).__name__}); it may be damaged: delete it and try again"
        ) from error


def _weights_in(archive: zipfile.ZipFile | tarfile.TarFile) -> dict[str, Callable[[], Any]]:
    """Return what opens each .pdparams, by name; folders, links and devices are none."""
    files: dict[str, Callable[[], Any]]
    if isinstance(archive, tarfile.TarFile):
        files = {m.name: partial(archive.extractfile, m) for m in archive.getmembers() if m.isfile()}
    else:
        kinds = (0, stat.S_IFREG)  # not every program notes what a member is
        members = [m for m in archive.infolist() if stat.S_IFMT(m.external_attr >> 16) in kinds]
        files = {m.filename: partial(archive.open, m) for m in members}
    return {name: file for name, file in files.items() if name.endswith(".pdparams")}
