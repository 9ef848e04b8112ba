"""Downloads against a real server on localhost."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import threading
import time
from pathlib import Path

import paddle
import pytest

from paddleseg_lite.checkpoint import load_weights
from paddleseg_lite.checkpoint.download import cache_dir, fetch
from paddleseg_lite.checkpoint.formats import read_weights
from paddleseg_lite.errors import UserError
from tests.checkpoint.server import WEIGHTS, Server, files_in, weights


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


def test_a_full_disk_is_not_the_networks_fault(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What helps is room, not a download by hand."""
    server.files["/model.pdparams"] = WEIGHTS

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("paddleseg_lite.checkpoint.download._copy_with_bar", full)
    with pytest.raises(UserError, match=r"cannot write .*No space left on device.*PADDLESEG_LITE_HOME"):
        fetch(server.url + "/model.pdparams")


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
