"""A report's folder."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddleseg_lite.errors import UserError
from paddleseg_lite.metrics import Observation
from paddleseg_lite.report.compare import compare, read_evaluation
from paddleseg_lite.report.diagrams import NAMES
from paddleseg_lite.report.page import check_installed
from paddleseg_lite.report.write import SHOWN, write_report
from tests.report.made import CLASSES, HOSTILE, SIZE, evaluation, observations


class Page(HTMLParser):
    """What a page consists of.

    Attributes:
        tags: (name, attributes) of each element, in order.
        text: all text outside of scripts and styles.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._inside = "", ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data


def test_the_page_stands_alone(report_folder: Path) -> None:
    """It is mailed and opened on a train: nothing may be asked of any other place."""
    for tag, attributes in Page(report_folder / "report.html").tags:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            address = attributes.get(name)
            assert address is None or address.startswith(("data:", "#")) or address == "x", (tag, name)
    assert "default-src 'none'" in (report_folder / "report.html").read_text(encoding="utf-8")


def test_names_stay_text(report_folder: Path) -> None:
    """A class or file name with HTML in it must be seen as it is, and do nothing."""
    page = Page(report_folder / "report.html")
    assert HOSTILE in page.text
    assert "<b>0</b>.png" in page.text
    assert "<i>config.yml</i>" in page.text
    assert not [
        tag for tag in page.tags if "onerror" in tag[1] or (tag[0] in ("b", "i") and not tag[1].get("style"))
    ]


def test_every_part_is_there(report_folder: Path) -> None:
    """Figures with intervals, classes, confusions, images, diagrams, times, the protocol."""
    page = Page(report_folder / "report.html")
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert ids >= {
        "protocol",
        "figures",
        "comparison",
        "classes",
        "confusion",
        "images",
        "confusions",
        "diagrams",
    }
    for text in (
        "boundary IoU",
        "calibration error",
        "Reliability",
        "mIoU by object size",
        "Time of an image",
    ):
        assert text in page.text
    for kind in ("Worst", "Median", "Best"):
        assert f"{kind} images: {SHOWN} of 20" in page.text
    drawn = {path.name for path in report_folder.glob("*.png")}
    assert drawn == {
        f"{name}.png" for name in ("confusion", "reliability", "size", "rows", "trimap", "times")
    }
    with Image.open(report_folder / "images" / "worst_1.png") as strip:
        assert strip.size == (4 * 512, 256)


def test_the_numbers_can_be_compared_with_later(report_folder: Path) -> None:
    """What a report writes is what --compare reads."""
    record = read_evaluation(report_folder / "evaluation.json")
    assert compare(record, record).miou.change == 0
    assert json.loads((report_folder / "evaluation.json").read_text())["times"]["seconds"]["network"] == 0.2


@pytest.mark.parametrize("images", [0, 1])
def test_hardly_any_image(tmp_path: Path, images: int) -> None:
    """Nothing to take a median of, and nothing to divide by."""
    record, source = evaluation(observations(images))
    page = Page(write_report(tmp_path, record, source))
    assert f"Squares val, {images} image" in page.text
    assert "nan" not in page.text


def test_all_pixels_ignored(tmp_path: Path) -> None:
    """No score at all must not look like a score of 0."""
    blank = np.full(SIZE, 255, np.uint8)
    guess = np.zeros(SIZE, np.uint8)
    seen = Observation(0, "a.png", "b.png", guess, blank, np.ones(SIZE, np.float32))
    page = Page(write_report(tmp_path, *evaluation([seen])))
    assert "Evaluation: mIoU –" in page.text


def test_a_class_in_no_label_has_no_shares(report_folder: Path) -> None:
    """A row as dark as that of a class of which nothing is confused would say that there was something."""
    cells = [own for tag, own in Page(report_folder / "report.html").tags if tag == "td" and "title" in own]
    assert len(cells) == len(CLASSES) ** 2
    blank = [cell for cell in cells if "transparent" in str(cell["style"])]
    assert [cell["title"] for cell in blank] == ["absent is in no label"] * len(CLASSES)


def test_only_the_intervals_are_needed(tmp_path: Path) -> None:
    """Whoever names some metrics gets a report of these."""
    page = Page(write_report(tmp_path, *evaluation(observations(2), ("intervals",))))
    assert "calibration error" not in page.text
    assert CLASSES[1] in page.text


def test_the_same_evaluation_gives_the_same_page(tmp_path: Path) -> None:
    """Reports are compared and cached by their bytes."""
    pages = [
        write_report(tmp_path / name, *evaluation(observations(3), ("calibration", "intervals")))
        for name in "ab"
    ]
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_images_are_named_below_the_folder_that_all_are_in(tmp_path: Path) -> None:
    """A caption has no room for the path of a data set; its file stays to be found by the tooltip."""
    seen = [
        replace(one, path=f"/data/city/val/{folder}/{one.index}.png")
        for one, folder in zip(observations(3), "aab")
    ]
    page = Page(write_report(tmp_path, *evaluation(seen)))
    titles = [attributes["title"] for _, attributes in page.tags if "/data" in attributes.get("title", "")]
    assert {"/data/city/val/a/0.png", "/data/city/val/b/2.png"} <= set(titles)
    assert "b/2.png" in page.text
    assert "/data" not in page.text
    record = json.loads((tmp_path / "evaluation.json").read_text())
    assert record["metrics"]["intervals"]["images"][0]["path"] == "/data/city/val/a/0.png"


def test_files_of_an_earlier_report_go_and_no_others(tmp_path: Path) -> None:
    """An image that the page no longer shows would be taken for one of this evaluation."""
    write_report(tmp_path, *evaluation(observations(20)))
    for name in ("mine.png", "images/holiday_1.png", "images/worst_1.jpg"):
        (tmp_path / name).write_bytes(b"mine")
    write_report(tmp_path, *evaluation(observations(1), ("intervals",)))
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == {
        "report.html",
        "evaluation.json",
        "confusion.png",
        "times.png",
        "images/worst_1.png",
        "mine.png",
        "images/holiday_1.png",
        "images/worst_1.jpg",
    }


def test_every_diagram_can_be_removed_by_a_later_report(report_folder: Path) -> None:
    """One whose name the list lacks would stay for ever."""
    assert {path.stem for path in report_folder.glob("*.png")} == set(NAMES)


def test_without_jinja_the_command_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before hours of evaluation, in one sentence."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"this needs jinja2; pip install 'paddleseg_lite\[report\]'"):
        check_installed()
