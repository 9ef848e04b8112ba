"""CVAT's XML for images: shapes, what lies above, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddleseg_lite.annotations import UNLABELED, open_source
from paddleseg_lite.errors import UserError
from tests.datasets.test_mutations import mutate, outcome

from .written import SIZE, agree, kinds, label_of, photo, write

POLYGON = '<polygon label="{}" source="manual" points="10,5;20,5;20,9;10,9" z_order="{}"></polygon>'
META = """<meta><task><name>streets</name><mode>annotation</mode><labels>
<label><name>road</name><color>#804080</color><type>any</type><attributes></attributes></label>
<label><name>car</name><color>#00008e</color><type>any</type><attributes></attributes></label>
</labels></task></meta>"""


def image(name: str, *shapes: str, size: tuple[Any, Any] = SIZE, more: str = "") -> str:
    """Return an image as CVAT writes it."""
    head = f'<image id="0" name="{name}" {more} width="{size[1]}" height="{size[0]}">'
    return f"{head}{''.join(shapes)}</image>"


def write_cvat(folder: Path, *images: str, meta: str = META, head: str = "") -> Path:
    """Write annotations.xml as CVAT's task export has it."""
    content = f'<?xml version="1.0" encoding="utf-8"?>{head}<annotations><version>1.1</version>'
    path = folder / "annotations.xml"
    path.write_text(f"{content}{meta}{''.join(images)}</annotations>", encoding="utf-8")
    return path


def corners(label: np.ndarray) -> tuple[int, ...]:
    """Return left, top, right and bottom of what is labeled."""
    y, x = np.nonzero(label != UNLABELED)
    return tuple(map(int, (x.min(), y.min(), x.max(), y.max())))


@pytest.mark.parametrize(
    ("shape", "box", "pixels"),
    [
        (
            '<polygon label="car" points="10.0,5.0;20.0,5.0;20.0,9.0;10.0,9.0" z_order="0"/>',
            (10, 5, 20, 9),
            55,
        ),
        ('<box label="car" xtl="10.0" ytl="5.0" xbr="20.0" ybr="9.0" z_order="0"/>', (10, 5, 20, 9), 55),
        ('<box label="car" xtl="20" ytl="18" xbr="40" ybr="22" rotation="90"/>', (28, 10, 32, 30), 105),
        ('<ellipse label="car" cx="30" cy="20" rx="20" ry="10" rotation="90.0"/>', (20, 0, 40, 39), 650),
        ('<polyline label="car" points="10,20;40,20" z_order="0"/>', (10, 15, 40, 24), 310),
        ('<mask label="car" rle="2, 4, 1, 3" left="7" top="3" width="5" height="2"/>', (7, 3, 11, 4), 7),
    ],
)
def test_shapes_are_where_they_were_drawn(tmp_path, shape, box, pixels):
    """Protects areas from being shifted, turned the wrong way, or unpacked by columns."""
    write(tmp_path / "images/a.jpg", photo(SIZE))
    write_cvat(tmp_path, image("a.jpg", shape))
    source = open_source(tmp_path)
    assert (source.format, source.classes) == ("cvat", ("car",))
    label = label_of(source, "images/a")
    assert corners(label) == box
    assert abs((label == 0).sum() - pixels) <= pixels * 0.06
    assert source.palette.tolist() == [[0, 0, 0x8E]]


def test_rows_of_a_mask_are_read_one_after_the_other(tmp_path):
    """Protects masks from being turned on their side: COCO's run lengths go by columns, CVAT's by rows."""
    write(tmp_path / "a.jpg", photo(SIZE))
    write_cvat(
        tmp_path, image("a.jpg", '<mask label="car" rle="1, 3, 2, 2" left="7" top="3" width="4" height="2"/>')
    )
    found = label_of(open_source(tmp_path), "a")[3:5, 7:11]
    assert (found == [[UNLABELED, 0, 0, 0], [UNLABELED, UNLABELED, 0, 0]]).all()


def test_z_order_comes_before_the_order_of_the_file(tmp_path):
    """Protects what the annotator put on top."""
    write(tmp_path / "a.jpg", photo(SIZE))
    write(tmp_path / "b.jpg", photo(SIZE))
    shapes = POLYGON.format("road", 1), POLYGON.format("car", 0)
    write_cvat(tmp_path, image("a.jpg", *shapes), image("b.jpg", *shapes[::-1], POLYGON.format("car", 1)))
    source = open_source(tmp_path)
    assert source.classes == ("road", "car")
    assert (label_of(source, "a")[7, 15], label_of(source, "b")[7, 15]) == (0, 1)


def test_subsets_of_a_project_are_splits(tmp_path):
    """Protects the split that was made in CVAT, where images of both subsets may have one name."""
    for subset in ("Train", "Validation"):
        write(tmp_path / f"images/{subset}/a.jpg", photo(SIZE))
    images = [
        image("a.jpg", POLYGON.format(label, 0), more=f'subset="{subset}"')
        for label, subset in (("car", "Train"), ("road", "Validation"))
    ]
    write_cvat(tmp_path, *images)
    source = open_source(tmp_path)
    assert source.splits == {"images/Train/a": "train", "images/Validation/a": "val"}
    assert (label_of(source, "images/Train/a")[7, 15], label_of(source, "images/Validation/a")[7, 15]) == (
        1,
        0,
    )


def test_what_is_odd_is_named_and_the_rest_goes_on(tmp_path):
    """Protects a file of many images from a few damaged shapes."""
    for name in "abcde":
        write(tmp_path / f"{name}.jpg", photo(SIZE))
    bad = [
        '<polygon label="car"/>',
        '<polygon label="car" points="1,2;3"/>',
        '<polygon label="car" points="1,nan;3,4;5,6"/>',
        '<box label="car" xtl="a" ytl="5" xbr="20" ybr="9"/>',
        '<mask label="car" rle="99999999999" left="7" top="3" width="5" height="2"/>',
        '<mask label="car" rle="1" left="7" top="3" width="99999999" height="99999999"/>',
        '<mask label="car" rle="4,-2,8" left="7" top="3" width="5" height="2"/>',
    ]
    write_cvat(
        tmp_path,
        image("a.jpg", POLYGON.format("car", 0), '<cuboid label="car"/>', '<tag label="x"/>', *bad),
        image("b.jpg", POLYGON.format("Car", 0), size=(9, 9)),
        image("c.jpg", size=("x", 60)),
        image("d.jpg"),
        image("gone.jpg", POLYGON.format("car", 0)),
    )
    (tmp_path / "b.xml").write_text("<annotations><image")
    source = open_source(tmp_path)
    found = {kind: len(names) for kind, names in kinds(source).items()}
    assert found == {
        "unknown shape": 1, "damaged shape": len(bad), "outside": 1, "damaged entry": 1, "no annotation": 3,
        "no image": 1, "damaged file": 1, "unused class": 1, "names alike": 1,
    }  # fmt: skip
    assert [item.name for item in source.items if item.has_annotation] == ["a", "b"]
    assert (label_of(source, "a") == 0).sum() == 55
    with pytest.raises(UserError, match=r"for 9x9 pixels .* 60x40"):
        label_of(source, "b")


def test_entities_are_refused(tmp_path):
    """Protects from files that stand for gigabytes of text, or for other files."""
    write(tmp_path / "a.jpg", photo(SIZE))
    write_cvat(tmp_path, image("a.jpg"), head='<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>')
    with pytest.raises(UserError, match="is damaged"):
        open_source(tmp_path)


def test_tracks_of_a_video_are_named(tmp_path):
    """Protects from a source without annotations, where the wrong format was exported."""
    write(tmp_path / "a.jpg", photo(SIZE))
    write_cvat(tmp_path, '<track id="0" label="car"></track>')
    with pytest.raises(UserError, match=r"export 'CVAT for images 1\.1'"):
        open_source(tmp_path)


def test_a_mutated_file_is_read_or_named(tmp_path):
    """Protects from a trace for whatever a file holds."""
    write(tmp_path / "a.jpg", photo(SIZE))
    mask = '<mask label="car" rle="2, 4, 1, 3" left="7" top="3" width="5" height="2"/>'
    ellipse = '<ellipse label="car" cx="30" cy="20" rx="20" ry="10" rotation="90.0"/>'
    path = write_cvat(tmp_path, image("a.jpg", POLYGON.format("road", 1), mask, ellipse))
    data, rng, read = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(400):
        path.write_bytes(mutate(data, rng))
        source = outcome(lambda: open_source(tmp_path, "cvat"))
        if isinstance(source, str):
            continue
        found = outcome(lambda source=source: agree(source, source.items[0]))
        assert found is True or str(tmp_path) in found
        read += found is True
    assert read > 20
