"""Archives of weights: unpacked, and whatever they hold, nothing but weights comes out."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import pickle
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from paddleseg_lite.checkpoint.download import fetch
from paddleseg_lite.errors import UserError
from tests.checkpoint.server import WEIGHTS, Server, files_in, weights


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


def test_an_archive_without_weights(server: Server) -> None:
    """It is an error, not a path to nothing."""
    server.files["/none.zip"] = zipped({"readme.txt": b""})
    with pytest.raises(UserError, match=r"should hold one \.pdparams"):
        fetch(server.url + "/none.zip")
