"""Files that are whole or absent, whoever else writes them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from paddleseg_lite import files
from paddleseg_lite.errors import UserError

SIZE = 1 << 16


def write_often(path: Path, content: bytes) -> None:
    for _ in range(60):
        files.atomic_write(path, content * SIZE)


def test_two_processes_may_write_the_same_file(tmp_path):
    """Protects from a shared temporary file: the loser found it renamed away, or wrote into the winner's."""
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=write_often, args=(tmp_path / "a", content)) for content in (b"x", b"y")
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / "a").read_bytes() in (b"x" * SIZE, b"y" * SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_the_dead_left_is_removed_and_nothing_else(tmp_path):
    """Protects the folder from filling up, and the file that somebody else is writing."""

    def die(path: Path) -> None:
        path.write_bytes(b"half")
        os._exit(1)

    process = multiprocessing.get_context("fork").Process(
        target=files.atomic_write, args=(tmp_path / "a", die)
    )
    process.start()
    process.join()
    (left,) = tmp_path.iterdir()
    alive = left.name.replace(f"-{process.pid}-", f"-{os.getppid()}-")
    elsewhere = f".part-{'0' * 12}-{process.pid}-"  # another machine's, or container's
    others = {alive, f"{elsewhere}1", f"{elsewhere}2", ".part-another-1-0", ".part-notes"}
    for name in others:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / f"{elsewhere}3").mkdir()
    (tmp_path / f"{elsewhere}4").mkdir()
    (tmp_path / f"{elsewhere}4" / "file").write_bytes(b"somebody writes to it")
    others.add(f"{elsewhere}4")
    for name in (f"{elsewhere}2", f"{elsewhere}3", f"{elsewhere}4", ".part-notes", alive):
        os.utime(tmp_path / name, (1, 1))
    others.remove(f"{elsewhere}2")
    files.atomic_write(tmp_path / "b", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"b", *others}


def test_a_process_of_another_container_is_not_taken_for_one_of_here(tmp_path, monkeypatch):
    """Containers may share a folder and a host's name, but a process id of one means nothing in another."""
    monkeypatch.setattr(files.os, "readlink", lambda path: "pid:[1]")
    with files.temporary_beside(tmp_path / "a") as path:
        path.write_bytes(b"half")
        ended = path.rename(path.with_name(path.name.replace(f"-{os.getpid()}-", "-99999999-")))
    monkeypatch.setattr(files.os, "readlink", lambda path: "pid:[2]")
    files.remove_leftovers(tmp_path)
    assert ended.exists()
    monkeypatch.setattr(files.os, "readlink", lambda path: "pid:[1]")
    with monkeypatch.context() as elsewhere:  # a host of the same name, on the same disk
        elsewhere.setattr(files.Path, "read_text", lambda path: "another boot")
        files.remove_leftovers(tmp_path)
        assert ended.exists()
    files.remove_leftovers(tmp_path)
    assert not ended.exists()


def test_what_earlier_versions_left_is_removed_and_nothing_else(tmp_path):
    """Their names do not tell on which machine the writer ran, so that a day must have gone by."""
    half = [".config.yml.123.tmp", ".environment.json.9.tmp", "added_prediction/.v.avi.77.mp4"]
    half += [".new-ab1_x9zz/model.pdparams", ".new-ab1_x9zz/state.json"]
    others = [".notes.yml.123.tmp", ".config.yml.tmp", ".v.77.mp4", "added_prediction/v.77.mp4"]
    others += [
        ".new-ideas/state.json",
        ".new-photo_01/a.png",
        ".new-photo_01/model.pdparams",
        ".new-wxyz_123",
    ]
    for name in (*half, *others):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for folder in (tmp_path, tmp_path / "added_prediction"):
        files.remove_leftovers(folder)
    assert all((tmp_path / name).exists() for name in half), "somebody may be writing"
    for path in tmp_path.rglob("*"):
        os.utime(path, (1, 1))
    for folder in (tmp_path, tmp_path / "added_prediction"):
        files.remove_leftovers(folder)
    assert [name for name in half if (tmp_path / name).exists()] == []
    assert all((tmp_path / name).exists() for name in others)


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    """Protects results of images with long names: the temporary must not need a longer one."""
    path = tmp_path / ("a" * 251 + ".png")
    files.atomic_write(path, b"whole")
    files.atomic_write(path, lambda temporary: temporary.write_text(temporary.suffix))
    assert path.read_text() == ".png", "libraries choose a format by it"


@pytest.mark.parametrize(("sync", "expected"), [(True, ["fsync", "replace"]), (False, ["replace"])])
def test_contents_reach_the_disk_before_the_name(tmp_path, monkeypatch, sync, expected):
    """Else a power cut may leave an empty file under its final name."""
    taken = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, n=name, f=original: taken.append(n) or f(*args))
    files.atomic_write(tmp_path / "a", "whole", sync=sync)
    assert taken == expected
    assert (tmp_path / "a").read_text() == "whole"


def test_what_cannot_be_written_is_told_with_a_remedy(tmp_path):
    """The user's file is named, not the temporary one."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*file/a \(.*\); give another place"):
        files.atomic_write(tmp_path / "file" / "a", b"", "give another place")
    with pytest.raises(UserError, match=r"nothing can be written to .*file"):
        files.check_folder(tmp_path / "file" / "folder")


def test_what_fails_leaves_nothing(tmp_path, monkeypatch):
    """Protects a folder from half files when the disk is full or Ctrl-C comes."""

    def interrupt(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.atomic_write(tmp_path / "a", b"whole")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_held_against_other_processes_and_ends_with_its_holder(tmp_path):
    """Protects from a lock that outlives a killed process, or that its children inherit."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def hold():
        with files.locked(tmp_path / "lock", "busy"):
            child = context.Process(target=time.sleep, args=(60,))
            child.start()
            theirs.send(child.pid)
            time.sleep(60)

    process = context.Process(target=hold)
    process.start()
    child = ours.recv()
    try:
        with pytest.raises(UserError, match="busy"), files.locked(tmp_path / "lock", "busy"):
            pass
        process.kill()
        process.join()
        with files.locked(tmp_path / "lock", "busy"):
            pass
    finally:
        process.kill()
        os.kill(child, signal.SIGKILL)


def test_a_regular_file_is_read_and_nothing_else(tmp_path: Path) -> None:
    """A pipe would be waited for, and /dev/zero read, for ever; a link to a file is as good as the file."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    (tmp_path / "link").symlink_to(path)
    assert files.read_regular(tmp_path / "link", 3) == b"abc"
    with pytest.raises(UserError, match="has 3 bytes, allowed are 2; buy more"):
        files.read_regular(path, 2, "buy more")
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(UserError, match="no regular file"):
            files.read_regular(odd, 1 << 30)
    for absent in (tmp_path / "none", tmp_path, tmp_path / ("x" * 300), Path("a\0b"), path / "below"):
        with pytest.raises(UserError, match="cannot read"):
            files.read_regular(absent, 1 << 30)


def test_folders_of_odd_names_are_told_before_the_work(tmp_path: Path) -> None:
    """Too long, a NUL, links in a circle: one sentence. Of no UTF-8: where a library needs that."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("x" * 300, "a\0b", "loop"):
        with pytest.raises(UserError, match="nothing can be written there") as caught:
            files.check_folder(tmp_path / name)
        assert str(caught.value).isprintable()
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    files.check_folder(odd)
    with pytest.raises(UserError, match=r"caf\\xe9: Paddle takes only names in UTF-8"):
        files.check_utf8(odd, "Paddle")
    files.check_utf8(tmp_path / "ü", "Paddle")
