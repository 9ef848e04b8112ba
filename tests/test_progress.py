"""What is told during work that takes minutes, where no bar can be drawn."""

from __future__ import annotations

import logging

import pytest

from paddleseg_lite.datasets.loading.process_map import process_map
from paddleseg_lite.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[float]:
    """The time, in seconds, that a test moves on; and log lines are kept."""
    caplog.set_level(logging.INFO, "paddleseg_lite")
    now = [1000.0]
    for name in ("time.time", "tqdm.std.time"):
        monkeypatch.setattr(name, lambda: now[0])
    return now


def test_a_log_gets_a_line_every_half_minute(clock, caplog, capsys):
    """It tells how much is done, the speed and how long it will take; nothing reaches the terminal."""
    with Progress(total=100, desc="eval", unit="image") as bar:
        for _ in range(65):
            clock[0] += 1
            bar.update()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[0] == "eval: 30/100, 1.00image/s, ETA 01:10"
    assert lines[1].startswith("eval: 60/100, ")
    assert capsys.readouterr() == ("", "")


def test_short_work_and_other_ranks_are_silent(clock, caplog):
    """There is a result soon enough; and of several ranks one tells."""
    assert list(Progress(range(5), desc="short")) == list(range(5))
    with Progress(total=9, desc="other rank", is_active=False) as bar:
        clock[0] += 100
        bar.update()
        bar.postpone()
        bar.refresh()
    assert caplog.records == []


def test_a_line_is_put_off_by_another(clock, caplog):
    """Training has log lines of its own."""
    with Progress(total=9, desc="train") as bar:
        for _ in range(4):
            clock[0] += 20
            bar.update()
            bar.postpone()
    assert caplog.records == []


def test_work_on_many_files_tells_too(clock, caplog):
    """check_dataset and pack_dataset, whose bars would fill a log with carriage returns."""

    def work(item: int) -> int:
        clock[0] += 20
        return -item

    assert list(process_map(work, [1, 2, 3], 0, "check", "image")) == [-1, -2, -3]
    assert [record.getMessage() for record in caplog.records] == ["check: 2/3, 20.00s/image, ETA 00:20"]
