"""Downloads against a real server on localhost."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import os
import pickle
import socket
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddleseg_lite.checkpoint import load_weights
from paddleseg_lite.checkpoint.download import cache_dir, fetch
from paddleseg_lite.checkpoint.formats import read_weights
from paddleseg_lite.errors import UserError


def weights(*values: float) -> bytes:
    """A .pdparams file."""
    return pickle.dumps({"w": np.array(values, np.float32)})


WEIGHTS = weights(1, 2, 3)


class Server:
    """Serves `files`; `truncate` cuts answers short, `length` replaces their true one, `requests` counts."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.truncate = False
        self.length: str | None = None
        self.requests = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests += 1
                content = server.files.get(self.path)
                self.send_response(404 if content is None else 200)
                content = content or b""
                if server.length != "":
                    self.send_header("Content-Length", server.length or str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if server.truncate else content)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    result = Server()
    thread = threading.Thread(target=result.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield result
    result.http.shutdown()
    thread.join()
    result.http.server_close()


def tar(members: dict[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in members.items():
            if isinstance(content, bytes):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                content.name = name
                archive.addfile(content)
    return file.getvalue()


def zipped(members: dict[str, bytes], mode: int = stat.S_IFREG, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode | 0o644) << 16
            archive.writestr(info, content, method)
    return file.getvalue()


def link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_path_is_returned_as_it_is() -> None:
    """No look at the disk, no cache."""
    assert fetch("some/model.pdparams") == Path("some/model.pdparams")


def test_a_file_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    """Into the cache, below host and path, with nothing half-done left beside it."""
    server.files["/a/model.pdparams"] = weights(*range(300_000))
    path = fetch(server.url + "/a/model.pdparams")
    assert path.read_bytes() == server.files["/a/model.pdparams"]
    assert path.is_relative_to(tmp_path / "cache")
    assert fetch(server.url + "/a/model.pdparams") == path
    assert server.requests == 1
    assert len(list((tmp_path / "cache").rglob("*"))) == len(["host", "a", "model.pdparams"])


def test_weights_load_from_a_url(server: Server) -> None:
    """Whoever loads weights need not download them first."""
    server.files["/a/model.pdparams"] = WEIGHTS
    model = paddle.nn.Layer()
    model.w = model.create_parameter([3])
    load_weights(model, server.url + "/a/model.pdparams")
    assert model.w.tolist() == [1, 2, 3]


def test_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is the usual one."""
    monkeypatch.delenv("PADDLESEG_LITE_HOME", raising=False)
    assert cache_dir() == Path.home() / ".cache" / "paddleseg_lite"


def test_urls_cannot_leave_the_cache_nor_collide(server: Server, tmp_path: Path) -> None:
    """Dots in a URL's path are dropped; queries tell files apart."""
    names = ("/../../a.pdparams", "/a.pdparams?v=1", "/a.pdparams?v=2")
    server.files.update({name: weights(number) for number, name in enumerate(names)})
    paths = [fetch(server.url + name) for name in names]
    assert [path.read_bytes() for path in paths] == list(server.files.values())
    assert all((tmp_path / "cache").resolve() in path.resolve().parents for path in paths)


@pytest.mark.parametrize(
    ("name", "make"),
    [("w.tar.gz", tar), ("w.tar", lambda members: tar(members, "w")), ("w.tgz", tar), ("w.zip", zipped)],
)
def test_archives_are_unpacked(server: Server, name: str, make: object) -> None:
    """The .pdparams inside is returned, in whatever folder it is, without a second download."""
    server.files["/" + name] = make({"some/folder/weights.pdparams": WEIGHTS, "notes.txt": b""})
    path = fetch(f"{server.url}/{name}")
    assert path.read_bytes() == WEIGHTS
    assert path.suffix == ".pdparams"
    assert fetch(f"{server.url}/{name}") == path
    assert server.requests == 1


def test_a_local_archive_is_unpacked_into_the_cache(server: Server, tmp_path: Path) -> None:
    """What was downloaded by hand works like its URL, and a newer file of that name is not missed."""
    archive = tmp_path / "backbone.tar.gz"
    for seconds, content in enumerate((weights(1), weights(2))):
        archive.write_bytes(tar({"model.pdparams": content}))
        os.utime(archive, (seconds, seconds))
        assert fetch(archive).read_bytes() == content
    assert sorted(path.name for path in archive.parent.iterdir() if path.is_file()) == [archive.name]


def sparse_tar() -> bytes:
    """A file of 4 GB without contents, in a kilobyte and a half."""
    info = tarfile.TarInfo("model.pdparams")
    info.pax_headers = {"GNU.sparse.size": str(4 << 30), "GNU.sparse.map": "0,0", "GNU.sparse.numblocks": "0"}
    return tar({info.name: info})


def long_named_tar() -> bytes:
    """A member whose name has a gigabyte, all of it zeros, as its header says."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT))


@pytest.mark.parametrize(
    "content",
    [
        tar({"../evil.pdparams": WEIGHTS}),
        tar({"ok.pdparams": WEIGHTS, "a/../../evil.pdparams": WEIGHTS}),
        tar({"/tmp/evil.pdparams": WEIGHTS}),
        tar({"ok.pdparams": WEIGHTS, "out": link(tarfile.SYMTYPE, "/etc")}),
        tar({"ok.pdparams": WEIGHTS, "hard": link(tarfile.LNKTYPE, "/etc/passwd")}),
        tar({"ok.pdparams": WEIGHTS, "device": link(tarfile.CHRTYPE, "")}),
        zipped({"../evil.pdparams": WEIGHTS}),
        zipped({"..\\evil.pdparams": WEIGHTS}),
        zipped({"C:/evil.pdparams": WEIGHTS}),
        zipped({"/evil.pdparams": WEIGHTS}),
        zipped({"model.pdparams": b"/etc/passwd"}, stat.S_IFLNK),
        zipped({"model.pdparams": WEIGHTS}, method=zipfile.ZIP_LZMA),
        sparse_tar(),
    ],
)
def test_nothing_leaves_an_evil_archive(server: Server, tmp_path: Path, content: bytes) -> None:
    """Of its plain files the weights are read, whatever they call themselves; links and devices never are."""
    server.files["/evil.tar"] = content
    with contextlib.suppress(UserError):
        assert fetch(server.url + "/evil.tar").read_bytes() == WEIGHTS
    assert {Path(name).name for name in files_in(tmp_path)} <= {"evil.tar", "evil.tar.pdparams"}


@pytest.mark.parametrize(
    "content",
    [
        tar({"model.pdparams": bytes(65 << 20)}),
        zipped({"model.pdparams": bytes(65 << 20)}),
        tar({"notes.txt": bytes(70 << 20), "model.pdparams": WEIGHTS}),
        long_named_tar(),
    ],
)
def test_a_small_archive_does_not_fill_the_disk(server: Server, tmp_path: Path, content: bytes) -> None:
    """64 MB, or 20 times its size; nothing of it is kept."""
    server.files["/evil.tar"] = content
    with pytest.raises(UserError, match="the archive was not unpacked: it holds more than 67108864 bytes"):
        fetch(server.url + "/evil.tar")
    archive = tmp_path / "by_hand.tar"
    archive.write_bytes(content)
    with pytest.raises(UserError, match=r"by_hand\.tar was not unpacked"):
        fetch(archive)
    assert files_in(tmp_path) == ["by_hand.tar"]


def test_one_setting_bounds_what_an_archive_unpacks_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises the bound by the archive's size, which the message says; it lowers it too."""
    weights = pickle.dumps({"a": np.zeros(17 << 20, np.float32)})
    archive = tmp_path / "zeros.zip"
    archive.write_bytes(zipped({"model.pdparams": weights}))
    with pytest.raises(UserError, match="if you trust it, PADDLESEG_LITE_MAX_BYTES raises"):
        fetch(archive)
    monkeypatch.setenv("PADDLESEG_LITE_MAX_BYTES", str(len(weights) - 1))
    with pytest.raises(UserError, match=f"more than {len(weights) - 1} bytes"):
        fetch(archive)
    monkeypatch.setenv("PADDLESEG_LITE_MAX_BYTES", str(len(weights)))
    assert fetch(archive).stat().st_size == len(weights)


@pytest.mark.parametrize("content", [b"no archive", tar({"a.pdparams": WEIGHTS})[:60], b""])
def test_damaged_archives_are_named(server: Server, content: bytes) -> None:
    """The message says which, and that it should be got again; a bad answer is not kept for the next time."""
    server.files["/bad.tar.gz"] = content
    with pytest.raises(UserError, match=r"bad\.tar\.gz gave no weights: cannot unpack .*get it again"):
        fetch(server.url + "/bad.tar.gz")
    server.files["/bad.tar.gz"] = tar({"model.pdparams": WEIGHTS})
    assert fetch(server.url + "/bad.tar.gz").read_bytes() == WEIGHTS


def test_a_full_disk_is_not_the_networks_fault(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What helps is room, not a download by hand."""
    server.files["/model.pdparams"] = WEIGHTS

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("paddleseg_lite.checkpoint.download._copy_with_bar", full)
    with pytest.raises(UserError, match=r"cannot write .*No space left on device.*PADDLESEG_LITE_HOME"):
        fetch(server.url + "/model.pdparams")


def test_an_archive_without_weights(server: Server) -> None:
    """It is an error, not a path to nothing."""
    server.files["/none.zip"] = zipped({"readme.txt": b""})
    with pytest.raises(UserError, match=r"should hold one \.pdparams"):
        fetch(server.url + "/none.zip")


def test_a_truncated_download_leaves_nothing(server: Server, tmp_path: Path) -> None:
    """A connection cut half-way is an error; the next try starts anew and works."""
    size = len(WEIGHTS)
    server.files["/model.pdparams"] = WEIGHTS
    server.truncate = True
    with pytest.raises(UserError, match=f"{size // 2} of {size} bytes"):
        fetch(server.url + "/model.pdparams")
    assert files_in(tmp_path) == []
    server.truncate = False
    assert fetch(server.url + "/model.pdparams").read_bytes() == WEIGHTS


@pytest.mark.parametrize("length", ["", "abc", "-1", "1e3", "\xb2", "9" * 400])
def test_a_length_that_is_none_is_done_without(server: Server, tmp_path: Path, length: str) -> None:
    """Then the content itself tells whether it is whole."""
    server.files["/model.pdparams"], server.length = WEIGHTS, length
    server.truncate = True
    with pytest.raises(UserError, match=r"gave no weights: the file is not a readable weights file"):
        fetch(server.url + "/model.pdparams")
    assert files_in(tmp_path) == []
    server.truncate = False
    assert fetch(server.url + "/model.pdparams").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><html>Log in</html>", b"\n <HTML>", b"<?xml version='1.0'?>"]
)
@pytest.mark.parametrize("name", ["model.pdparams", "model.safetensors", "w.tar.gz", "w.zip"])
def test_a_web_page_is_not_kept_as_weights(server: Server, tmp_path: Path, page: bytes, name: str) -> None:
    """A portal that asks for a password answers every URL with a page and the code for success."""
    server.files["/" + name] = page
    with pytest.raises(UserError, match="gave no weights: it is a web page; open the URL in a browser"):
        fetch(f"{server.url}/{name}")
    assert files_in(tmp_path) == []


def test_weights_that_call_something_are_not_kept(server: Server, tmp_path: Path) -> None:
    """The reason is in the message, the hidden file's name is not."""
    server.files["/model.pdparams"] = b"cos\nsystem\n(X\x01\x00\x00\x00xtR."
    with pytest.raises(UserError, match=r"gave no weights: the file asks for os\.system"):
        fetch(server.url + "/model.pdparams")
    assert files_in(tmp_path) == []


def test_a_sum_in_the_url_is_checked(server: Server, tmp_path: Path) -> None:
    """Whether the file comes from the server or from the cache."""
    server.files["/model.pdparams"] = WEIGHTS
    url, digest = server.url + "/model.pdparams", hashlib.sha256(WEIGHTS).hexdigest()
    with pytest.raises(UserError, match=f"it has the SHA-256 {digest}, not the {'0' * 64} of its URL"):
        fetch(f"{url}#sha256={'0' * 64}")
    assert files_in(tmp_path) == []
    path = fetch(f"{url}#sha256={digest.upper()}")
    assert path == fetch(url) == fetch(f"{url}#sha256={digest}")
    assert server.requests == 2
    path.write_bytes(weights(4))
    with pytest.raises(UserError, match=rf"{path.name}, which was there \(delete it"):
        fetch(f"{url}#sha256={digest}")
    with pytest.raises(UserError, match="is no SHA-256"):
        fetch(f"{url}#sha256=abc")


def test_a_download_has_a_limit(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may say or send any size."""
    monkeypatch.setenv("PADDLESEG_LITE_MAX_BYTES", "50")
    server.files["/model.pdparams"] = WEIGHTS
    for server.length in ("", str(1 << 50), None):
        with pytest.raises(UserError, match="more than 50 bytes, which PADDLESEG_LITE_MAX_BYTES raises"):
            fetch(server.url + "/model.pdparams")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://[x",
        "http://[x/a.pdparams",
        "http:///a.pdparams",
        "http:a.pdparams",
        "https://",
        "http://h/a.html",
        "http://h/a\0.pdparams",
        "http://h/\udcff.pdparams",
        "http://h:port/a.pdparams",
        "http://h\n/a .pdparams",
        "http://h..x/a.pdparams",
        f"http://{'h' * 300}/a.pdparams",
    ],
)
def test_a_url_that_is_none_is_an_error(server: Server, url: str) -> None:
    """One sentence, whichever part of Python refuses it."""
    with pytest.raises(UserError, match=r"is no URL|cannot download"):
        fetch(url)


def test_names_of_any_length(server: Server) -> None:
    """File systems take 255 bytes; what is cut from names must not make two of them one."""
    names = [f"/{letter * 300}{'x' * 300}.pdparams" for letter in "ab"]
    for number, name in enumerate(names):
        server.files[name] = weights(number)
        assert fetch(server.url + name).read_bytes() == weights(number)
    assert fetch(server.url + names[0]).read_bytes() == weights(0)
    for name in ("x" * 300 + ".pdparams", "x" * 300 + ".zip"):
        with pytest.raises(UserError, match="check the path"):
            read_weights(fetch(name))


def test_not_found(server: Server) -> None:
    """The server's answer is in the message."""
    with pytest.raises(UserError, match="Not Found"):
        fetch(server.url + "/model.pdparams")


def test_no_network_tells_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed port fails within seconds and says where a file got by hand belongs; put there, it is used."""
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/zoo/model.pdparams"
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        fetch(url)
    assert time.monotonic() - start < 5
    message = str(caught.value)
    assert url in message
    assert "pretrained=null" in message
    by_hand = Path(message.split("save it as ")[1].split(", or")[0])
    by_hand.write_bytes(b"x")
    assert fetch(url) == by_hand


def test_a_silent_server_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and says nothing must not hang the run."""
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("paddleseg_lite.checkpoint.download._TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(UserError, match="timed out"):
            fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/model.pdparams")


class Dripping:
    """A server that sends `head` at once and then a byte every so many seconds, for ever."""

    def __init__(self, head: bytes) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.head, self.stopped = head, threading.Event()
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/model.pdparams"
        self.thread = threading.Thread(target=self.drip)
        self.thread.start()

    def drip(self) -> None:
        connection, _ = self.socket.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(self.head)
            while not self.stopped.wait(0.02):
                connection.sendall(b"x")

    def close(self) -> None:
        self.stopped.set()
        self.thread.join()
        self.socket.close()


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "only .* bytes in"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\n", "only .* bytes in"),
        (b"HTTP/1.1 200 OK\r\nX-Header: ", "no whole answer within"),
        (b"", "no whole answer within"),
    ],
)
def test_a_dripping_server_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes, message: str
) -> None:
    """It is never silent, so that no timeout of a socket ends it."""
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("paddleseg_lite.checkpoint.download._GRACE", 0.5)
    monkeypatch.setattr("paddleseg_lite.checkpoint.download._ANSWER", 0.5)
    server = Dripping(head)
    start = time.monotonic()
    try:
        with pytest.raises(UserError, match=message):
            fetch(server.url)
    finally:
        server.close()
    assert time.monotonic() - start < 5
    assert files_in(tmp_path) == []
