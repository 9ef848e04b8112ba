"""Files from URLs, kept in a cache once they are known to be weights; of archives, the weights alone."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import queue
import re
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import SplitResult, urlsplit

from paddleseg_lite.checkpoint.archives import SUFFIXES, unpack
from paddleseg_lite.checkpoint.box import SCHEME, boxed_weights
from paddleseg_lite.checkpoint.formats import FORMATS, read_weights
from paddleseg_lite.checkpoint.limits import MAX_BYTES, max_bytes
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write, sha256
from paddleseg_lite.printable import printable
from paddleseg_lite.progress import Progress

_TIMEOUT = 8  # seconds without a byte
_ANSWER = 30  # seconds until the whole header, with all redirections, is there
_GRACE, _SLOWEST = 30, 10_000  # seconds; bytes per second on average, after the grace
_CHUNK = 1 << 20  # bytes
_LONGEST = 100  # bytes of a name in the cache
_REMEDY = "set PADDLESEG_LITE_HOME to a folder with space"
_OF_FILE = ("file as expected", "check the URL, or give the path of a local file")
_OF_WEIGHTS = (
    "weights",
    "download it by hand and save it as {path}, or give the path of a local file instead of the URL, or do "
    "without it: pretrained: null, on the command line for instance --opts model.pretrained=null or "
    "model.backbone.pretrained=null",
)


def cache_dir() -> Path:
    """Return the cache's folder: $PADDLESEG_LITE_HOME, or ~/.cache/paddleseg_lite."""
    return Path(os.environ.get("PADDLESEG_LITE_HOME") or Path.home() / ".cache" / "paddleseg_lite")


def fetch(source: str | Path) -> Path:
    """Return a local path for `source`.

    Args:
        source: a path or an http(s) URL, of a file of weights or of a tar or zip archive that holds one
            .pdparams. What a URL gave once is not downloaded again; the .pdparams of an archive is unpacked
            into the cache. A URL may end in #sha256=HEX, which the file must have. Or zoo:NAME, for weights
            that come with the package.

    Returns:
        The path, the downloaded file, or the .pdparams unpacked from the archive.

    Raises:
        UserError: the download fails or is no weights (the message tells how to do it by hand), or the
            archive is damaged or has no .pdparams.
    """
    if str(source).startswith(SCHEME):
        return boxed_weights(str(source))
    if not re.match("https?:", str(source), re.IGNORECASE):
        path = Path(source)
        return _unpacked(path, _kept(_cached_copy(path))) if _is_archive(path) else path
    url = _split(str(source))
    path, address = _cached_path(url), url._replace(fragment="").geturl()
    if os.path.exists(path):
        _check_sum(path, url.fragment, f"{path}, which was there (delete it to download it again),")
    elif _expected_sum(url.fragment) or not _kept(path).exists():
        _download(address, path, lambda file: _check(file, url))
    return _unpacked(path, _kept(path)) if _is_archive(path) else path


def download_file(url: str, folder: Path) -> Path:
    """Download a file of any kind, within the same limits of size and time; the cache is left alone.

    Args:
        url: http or https; it may end in #sha256=HEX.
        folder: where it is written, by the name in its URL.

    Returns:
        Its path.

    Raises:
        UserError: the download fails.
    """
    parts = _parts(url)
    path = folder / _shortened(parts.path.rpartition("/")[2] or "download")
    address = parts._replace(fragment="").geturl()
    _download(address, path, lambda file: _check_sum(file, parts.fragment, "it"), _OF_FILE)
    return path


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def _kept(path: Path) -> Path:
    """Return where the weights of what is at a path in the cache are."""
    return path.with_name(f"{path.name}.pdparams") if _is_archive(path) else path


def _unpacked(archive: Path, weights: Path) -> Path:
    if not weights.exists():
        atomic_write(weights, lambda temporary: unpack(archive, temporary, archive), _REMEDY)
    return weights


def _cached_copy(archive: Path) -> Path:
    """Where in the cache a local archive belongs, by its path and time: a new one is not missed."""
    if not os.path.isfile(archive):  # unlike Path's, no error for a name that is too long
        raise UserError(f"there is no file {archive}; check the path")
    identity = f"{os.path.realpath(archive)} {archive.stat().st_mtime_ns}"
    return cache_dir() / "local" / hashlib.sha256(os.fsencode(identity)).hexdigest()[:16] / archive.name


def _split(url: str) -> SplitResult:
    """Return the parts of a URL of weights."""
    parts = _parts(url)
    endings = (*SUFFIXES, *(f".{ending}" for ending in FORMATS))
    if not parts.path.lower().endswith(endings):
        raise UserError(f"{url} is no URL of weights; give one whose path ends in {', '.join(endings)}")
    return parts


def _parts(url: str) -> SplitResult:
    """Return the parts of a URL."""
    try:
        parts = urlsplit(url)
        reason = "" if parts.hostname and url.isprintable() else "no host, or characters that none has"
    except ValueError as error:
        reason = str(error)
    if reason:
        raise UserError(f"{url} is no URL ({reason}); correct it, or give the path of a local file")
    _expected_sum(parts.fragment)
    return parts


def _expected_sum(fragment: str) -> str | None:
    """Return what a fragment says the file's SHA-256 is, if it does."""
    name, _, digest = fragment.partition("=")
    if name != "sha256":
        return None
    if not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise UserError(f"#{fragment} at the end of a URL is no SHA-256; give #sha256= and 64 digits")
    return digest.lower()


def _cached_path(url: SplitResult) -> Path:
    """Where a URL's file is kept: host and path below the cache, so that a user finds it by looking."""
    names = [url.netloc.replace(":", "_"), *url.path.split("/")]
    names = [name for name in names if name not in ("", ".", "..")]
    if url.query:
        names.insert(1, hashlib.sha256(url.query.encode()).hexdigest()[:16])
    return cache_dir().joinpath(*map(_shortened, names))


def _shortened(name: str) -> str:
    """Return a name that file systems take; of a long one its end, after a hash that tells it from others."""
    data = os.fsencode(name)
    if len(data) <= _LONGEST:
        return name
    return hashlib.sha256(data).hexdigest()[:16] + data[-_LONGEST // 2 :].decode(errors="replace")


def _download(
    url: str, path: Path, check: Callable[[Path], None], words: tuple[str, str] = _OF_WEIGHTS
) -> None:
    """Write the file at `url` to `path`, if it passes the check; `words` are what it is, and a remedy."""
    what, by_hand = words

    def download(temporary: Path) -> None:
        try:
            with _opened(url) as response, temporary.open("wb") as file:
                _copy_with_bar(response, file, path.name)
        except (OSError, http.client.HTTPException, ValueError) as error:
            # URLError and timeouts are OSErrors; ValueError: a host's name that is none.
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # it is the disk, not the network
            reason = getattr(error, "reason", None) or error
            raise UserError(f"cannot download {url} ({reason}); {by_hand.format(path=path)}") from error
        try:
            check(temporary)
        except UserError as error:
            said = str(error).replace(printable(temporary), "the file")
            raise UserError(f"{url} gave no {what}: {said}; {by_hand.format(path=path)}") from error

    atomic_write(path, download, _REMEDY)


def _opened(url: str) -> Any:
    """Open a URL, in bounded time: a server may send its header a byte at a time, which is never silence."""
    answers: queue.Queue[Any] = queue.Queue()

    def open_it() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=_TIMEOUT))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=open_it, daemon=True).start()
    try:
        answer = answers.get(timeout=_ANSWER)
    except queue.Empty:
        raise TimeoutError(f"no whole answer within {_ANSWER} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _copy_with_bar(response: http.client.HTTPResponse, file: IO[bytes], name: str) -> None:
    length = response.headers.get("Content-Length") or ""
    total = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
    limit, done, start = max_bytes(), 0, time.monotonic()
    with Progress(total=total or None, unit="B", unit_scale=True, desc=name) as bar:
        # read1 returns what is there; read would wait for a whole chunk, however slowly it comes.
        while chunk := response.read1(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            bar.update(len(chunk))
            if max(total, done) > limit:
                raise OSError(f"more than {limit} bytes, which {MAX_BYTES} raises")
            if time.monotonic() - start > _GRACE + done / _SLOWEST:
                raise TimeoutError(f"only {done} bytes in {time.monotonic() - start:.0f} seconds")
    if total and done != total:
        raise OSError(f"the connection ended after {done} of {total} bytes")


def _check(file: Path, url: SplitResult) -> None:
    """Check that a download is what it should be: weights, or an archive of them, with the sum in its URL."""
    _check_sum(file, url.fragment, "it")
    with file.open("rb") as opened:
        start = opened.read(200).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError("it is a web page; open the URL in a browser to see what it says")
    if _is_archive(file):
        unpack(file, file.with_name("model.pdparams"), "the archive")
    else:
        read_weights(file)


def _check_sum(file: Path, fragment: str, name: str) -> None:
    expected = _expected_sum(fragment)
    if expected and (found := sha256(file)) != expected:
        raise UserError(f"{name} has the SHA-256 {found}, not the {expected} of its URL")
