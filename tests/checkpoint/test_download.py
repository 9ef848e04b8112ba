"""Downloads against a real server on localhost."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from paddleseg_lite.checkpoint.download import cache_dir, fetch
from paddleseg_lite.errors import UserError


class Server:
    """Serves `files`; `truncate` cuts answers short, `requests` counts."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.truncate = False
        self.requests = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests += 1
                content = server.files.get(self.path)
                self.send_response(404 if content is None else 200)
                content = content or b""
                self.send_header("Content-Length", str(len(content)))
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


def zipped(members: dict[str, bytes], mode: int = stat.S_IFREG) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode | 0o644) << 16
            archive.writestr(info, content)
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
    server.files["/a/model.pdparams"] = b"x" * 3_000_000
    path = fetch(server.url + "/a/model.pdparams")
    assert path.read_bytes() == server.files["/a/model.pdparams"]
    assert path.is_relative_to(tmp_path / "cache")
    assert fetch(server.url + "/a/model.pdparams") == path
    assert server.requests == 1
    assert len(list((tmp_path / "cache").rglob("*"))) == len(["host", "a", "model.pdparams"])


def test_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is the usual one."""
    monkeypatch.delenv("PADDLESEG_LITE_HOME", raising=False)
    assert cache_dir() == Path.home() / ".cache" / "paddleseg_lite"


def test_urls_cannot_leave_the_cache_nor_collide(server: Server, tmp_path: Path) -> None:
    """Dots in a URL's path are dropped; queries tell files apart."""
    server.files.update({"/../../a.pdparams": b"dots", "/a.pdparams?v=1": b"1", "/a.pdparams?v=2": b"2"})
    paths = [fetch(server.url + name) for name in server.files]
    assert [path.read_bytes() for path in paths] == [b"dots", b"1", b"2"]
    assert all((tmp_path / "cache").resolve() in path.resolve().parents for path in paths)


@pytest.mark.parametrize(
    ("name", "make"),
    [("w.tar.gz", tar), ("w.tar", lambda members: tar(members, "w")), ("w.tgz", tar), ("w.zip", zipped)],
)
def test_archives_are_unpacked(server: Server, name: str, make: object) -> None:
    """The .pdparams inside is returned, in whatever folder it is, without a second download."""
    server.files["/" + name] = make({"some/folder/weights.pdparams": b"weights", "notes.txt": b""})
    path = fetch(f"{server.url}/{name}")
    assert path.read_bytes() == b"weights"
    assert path.suffix == ".pdparams"
    assert fetch(f"{server.url}/{name}") == path
    assert server.requests == 1


def test_a_local_archive_is_unpacked_into_the_cache(server: Server, tmp_path: Path) -> None:
    """What was downloaded by hand works like its URL, and a newer file of that name is not missed."""
    archive = tmp_path / "backbone.tar.gz"
    for seconds, content in enumerate((b"old", b"new")):
        archive.write_bytes(tar({"model.pdparams": content}))
        os.utime(archive, (seconds, seconds))
        assert fetch(archive).read_bytes() == content
    assert sorted(path.name for path in archive.parent.iterdir() if path.is_file()) == [archive.name]


@pytest.mark.parametrize(
    "content",
    [
        tar({"../evil.pdparams": b"x"}),
        tar({"ok.pdparams": b"x", "a/../../evil.pdparams": b"x"}),
        tar({"/tmp/evil.pdparams": b"x"}),
        tar({"ok.pdparams": b"x", "out": link(tarfile.SYMTYPE, "/etc")}),
        tar({"ok.pdparams": b"x", "hard": link(tarfile.LNKTYPE, "/etc/passwd")}),
        tar({"ok.pdparams": b"x", "device": link(tarfile.CHRTYPE, "")}),
        zipped({"../evil.pdparams": b"x"}),
        zipped({"..\\evil.pdparams": b"x"}),
        zipped({"C:/evil.pdparams": b"x"}),
        zipped({"/evil.pdparams": b"x"}),
        zipped({"model.pdparams": b"/etc/passwd"}, stat.S_IFLNK),
    ],
)
def test_nothing_leaves_an_evil_archive(server: Server, tmp_path: Path, content: bytes) -> None:
    """Of its plain files the weights are read, whatever they call themselves; links and devices never are."""
    server.files["/evil.tar"] = content
    with contextlib.suppress(UserError):
        assert fetch(server.url + "/evil.tar").read_bytes() == b"x"
    assert {Path(name).name for name in files_in(tmp_path)} <= {"evil.tar", "evil.tar.pdparams"}


@pytest.mark.parametrize("content", [b"no archive", tar({"a.pdparams": b"x" * 99})[:60], b""])
def test_damaged_archives_are_named(server: Server, content: bytes) -> None:
    """The message says which file to delete."""
    server.files["/bad.tar.gz"] = content
    with pytest.raises(UserError, match=r"cannot unpack .*bad\.tar\.gz .*delete it"):
        fetch(server.url + "/bad.tar.gz")


def test_an_archive_without_weights(server: Server) -> None:
    """It is an error, not a path to nothing."""
    server.files["/none.zip"] = zipped({"readme.txt": b""})
    with pytest.raises(UserError, match=r"should hold one \.pdparams"):
        fetch(server.url + "/none.zip")


def test_a_truncated_download_leaves_nothing(server: Server, tmp_path: Path) -> None:
    """A connection cut half-way is an error; the next try starts anew and works."""
    server.files["/model.pdparams"] = b"x" * 1000
    server.truncate = True
    with pytest.raises(UserError, match="500 of 1000 bytes"):
        fetch(server.url + "/model.pdparams")
    assert files_in(tmp_path) == []
    server.truncate = False
    assert fetch(server.url + "/model.pdparams").stat().st_size == 1000


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
