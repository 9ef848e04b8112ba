"""Whole data sets: what is written, that nothing changes twice, and what one bad item does."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddleseg_lite.annotations.source import IGNORED, Finding
from paddleseg_lite.config import load_config
from paddleseg_lite.config.data import DataPlan
from paddleseg_lite.datasets.reading.images import read_image, read_label
from paddleseg_lite.errors import UserError
from paddleseg_lite.prepare import write
from paddleseg_lite.prepare.dataset import InitOptions, prepare_dataset

from .stub import SIZE, StubSource, stripes

NAMES = [f"photo {number}" for number in range(8)]


def contents(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file, and when it was written."""
    return {
        f"{path.relative_to(folder)}, {path.stat().st_mtime_ns}": hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def digests(folder: Path) -> dict[str, str]:
    return {name.split(",")[0]: digest for name, digest in contents(folder).items()}


def prepared(folder: Path, source: StubSource, **options):
    return prepare_dataset(source, InitOptions(folder, **options))


def pairs(folder: Path, section: str) -> list[tuple[str, str]]:
    return DataPlan(load_config(folder / "config.yml")).dataset(section).pairs


def test_the_data_set_is_the_source(tmp_path):
    """Read by its own config: each image beside its label, unlabeled pixels as background, nothing else."""
    source = StubSource(tmp_path / "s", NAMES)
    made = prepared(tmp_path / "out", source)
    assert (made.images, made.left_out) == ({"train": 6, "val": 2, "test": 0}, {})
    plan = DataPlan(load_config(tmp_path / "out" / "config.yml"))
    seen = set()
    for section in ("train_dataset", "val_dataset"):
        data = plan.dataset(section)
        assert data.classes == ("background", "leaf", "stem")
        for index, (image_path, label_path) in enumerate(data.pairs):
            name = Path(image_path).stem
            image, label = data.reader(index)
            assert np.array_equal(np.asarray(image), read_image(tmp_path / "s" / f"{name}.png"))
            assert np.array_equal(label, (stripes(name) + 1).astype(np.uint8))
            seen.add(Path(label_path).stem)
            data.sample(index)
    assert seen == set(NAMES)
    text = "\n".join(made.lines)
    for told in (
        "8 images",
        "background, leaf, stem",
        "are background, as is meant in labelme",
        "2 to evaluate on",
    ):
        assert told in text
    values = json.loads((tmp_path / "out" / "fingerprint.json").read_text())
    assert values["split"] == {"train": 6, "val": 2}
    assert values["classes"][1]["pixels"] == 8 * 16 * SIZE[1]


def test_labels_can_be_looked_at(tmp_path):
    """They are palette PNGs, in the classes' colors; what does not count is neither black nor a class's."""
    palette = np.array([[200, 30, 40], [10, 220, 30]], np.uint8)
    label = np.zeros(SIZE, np.int16)
    label[10:] = 1
    label[30:] = IGNORED
    source = StubSource(tmp_path / "s", NAMES, lambda name: label, palette=palette, format="masks")
    prepared(tmp_path / "out", source)
    path = tmp_path / "out" / "labels" / f"{NAMES[0]}.png"
    painted = cv2.imread(str(path))[:, 0, ::-1]
    assert painted[[0, 10, 30]].tolist() == [[200, 30, 40], [10, 220, 30], [224, 224, 192]]
    assert np.array_equal(read_label(path), label.astype(np.uint8))


def test_twice_changes_nothing(tmp_path):
    """Not a byte, nor when a file was written; the source least of all, which may be read-only."""
    source = StubSource(tmp_path / "s", NAMES)
    before = contents(tmp_path / "s")
    for path in (*(tmp_path / "s").iterdir(), tmp_path / "s"):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        prepared(tmp_path / "out", source)
        first = contents(tmp_path / "out")
        made = prepared(tmp_path / "out", source)
    finally:
        (tmp_path / "s").chmod(0o755)
    assert contents(tmp_path / "out") == first
    assert contents(tmp_path / "s") == before
    assert "0 labels written, 8 were there already" in made.lines


def test_processes_do_not_matter(tmp_path):
    """Sums over images are of one order."""
    source = StubSource(tmp_path / "s", NAMES)
    for workers in (0, 2):
        prepared(tmp_path / str(workers) / "out", source, num_workers=workers)
    one, two = (digests(tmp_path / str(workers) / "out") for workers in (0, 2))
    assert {name for name in one if one[name] != two[name]} <= {
        "config.yml",
        "init.json",
    }  # the folder's name


class SlowSource(StubSource):
    """Annotations that take their time, so that a signal comes in between."""

    def label(self, item):
        time.sleep(0.05)
        return super().label(item)


def be_killed(folder: str, source: str) -> None:
    cv2.setNumThreads(0)  # the threads are the parent's
    os.chdir(folder)
    prepare_dataset(SlowSource(Path(source), NAMES), InitOptions(Path("out")))


def test_killed_and_called_again_it_is_as_if_it_had_not_been(tmp_path, monkeypatch):
    """Labels that were written stay, and the end is the same, byte by byte."""
    StubSource(tmp_path / "s", NAMES)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    context = multiprocessing.get_context("fork")
    process = context.Process(target=be_killed, args=(str(tmp_path / "a"), str(tmp_path / "s")))
    process.start()
    labels = tmp_path / "a" / "out" / "labels"
    deadline = time.monotonic() + 60
    while not labels.is_dir() or len(list(labels.glob("*.png"))) < 3:
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    kept = {path: path.stat().st_mtime_ns for path in labels.glob("*.png")}
    assert 3 <= len(kept) < len(NAMES)
    assert not (tmp_path / "a" / "out" / "train.txt").exists()
    for folder in ("a", "b"):
        monkeypatch.chdir(tmp_path / folder)
        prepared(Path("out"), SlowSource(tmp_path / "s", NAMES))
    assert digests(tmp_path / "a" / "out") == digests(tmp_path / "b" / "out")
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in labels.glob("*.png")}.items()
    assert not list((tmp_path / "a").rglob(".part-*"))


def test_a_bad_item_is_left_out_and_the_others_go_on(tmp_path):
    """It is named; also an image that cannot be read, and one that its label does not fit."""
    source = StubSource(tmp_path / "s", NAMES, bad=NAMES[:1])
    (tmp_path / "s" / f"{NAMES[1]}.png").write_bytes(b"no image")
    small = tmp_path / "s" / f"{NAMES[2]}.png"
    small.write_bytes(cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes())
    made = prepared(tmp_path / "out", source)
    assert list(made.left_out) == NAMES[:3]
    assert "is damaged" in made.left_out[NAMES[0]]
    assert "photo 1.png" in made.left_out[NAMES[1]]
    assert "its image 9x9" in made.left_out[NAMES[2]]
    assert sum(made.images.values()) == 5
    assert len(pairs(tmp_path / "out", "train_dataset")) == 4
    with pytest.raises(UserError, match=r"no image can be used: .*damaged"):
        prepared(tmp_path / "none", StubSource(tmp_path / "s", NAMES, bad=NAMES))


def test_what_people_edit_is_kept(tmp_path):
    """A label that was corrected, a config, a list; removed, they are made anew."""
    source = StubSource(tmp_path / "s", NAMES)
    out = tmp_path / "out"
    prepared(out, source)
    first = digests(out)
    label, config = out / "labels" / f"{NAMES[0]}.png", out / "config.yml"
    cv2.imwrite(str(label), np.full(SIZE, 2, np.uint8))
    config.write_text(config.read_text().replace("iters: 400", "iters: 7"))
    (out / "train.txt").write_text((out / "train.txt").read_text().split("\n")[0] + "\n")
    edited = digests(out)
    made = prepared(out, source)
    assert {
        n: d for n, d in digests(out).items() if n not in ("fingerprint.json", "samples.html", "init.json")
    } == {n: d for n, d in edited.items() if n not in ("fingerprint.json", "samples.html", "init.json")}
    text = "\n".join(made.lines)
    assert "1 label in" in text
    for name in ("config.yml", "train.txt"):
        assert f"{out / name} was changed since, and is kept" in text
    for path in (label, config, out / "train.txt"):
        path.unlink()
    prepared(out, source)
    last = digests(out)
    assert last.pop("init.json") != first.pop("init.json")  # it knows what was written in between
    assert last == first


def test_an_annotation_that_was_corrected_is_read_anew(tmp_path):
    """In the tool that drew it: the label of before is nobody's work, and makes way."""
    prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES))
    corrected = StubSource(tmp_path / "s", NAMES, lambda name: np.full(SIZE, name == NAMES[0], np.int16))
    made = prepared(tmp_path / "out", corrected, unlabeled="background")
    assert "8 labels written, 0 were there already" in made.lines
    assert not any("changed since" in line for line in made.lines)
    assert (read_label(tmp_path / "out" / "labels" / f"{NAMES[0]}.png") == 2).all()


def test_an_edited_label_that_fits_no_more_is_told(tmp_path):
    """It would end a training."""
    source = StubSource(tmp_path / "s", NAMES)
    prepared(tmp_path / "out", source)
    cv2.imwrite(str(tmp_path / "out" / "labels" / f"{NAMES[0]}.png"), np.full(SIZE, 9, np.uint8))
    made = prepared(tmp_path / "out", source)
    assert "was changed and does not fit" in made.left_out[NAMES[0]]


def test_new_annotations_leave_the_split_as_it_is(tmp_path):
    """Annotate, train, annotate more: what was evaluated on is not trained on later."""
    out = tmp_path / "out"
    prepared(out, StubSource(tmp_path / "s", NAMES))
    before = {section: set(pairs(out, section)) for section in ("train_dataset", "val_dataset")}
    more = [*NAMES, *(f"more {number}" for number in range(10))]
    made = prepared(out, StubSource(tmp_path / "s", more))
    assert made.images == {"train": 14, "val": 4, "test": 0}
    for section, known in before.items():
        assert known <= set(pairs(out, section))


def test_a_split_of_the_source_is_kept(tmp_path):
    """With its images to test on, which have a list of their own."""
    sides = dict(zip(NAMES, ["val"] * 5 + ["train"] * 2 + ["test"]))
    made = prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES, splits=sides))
    assert made.images == {"train": 2, "val": 5, "test": 1}
    assert any("as the source has it" in line for line in made.lines)
    assert (tmp_path / "out" / "test.txt").read_text().count("\n") == 1
    sides = dict(zip(NAMES, ["train"] * 5 + ["test"] * 3))
    made = prepared(tmp_path / "shared", StubSource(tmp_path / "s", NAMES, splits=sides))
    assert made.images == {"train": 4, "val": 1, "test": 3}


def test_a_side_without_images_is_refused(tmp_path):
    """Of a source whose images are all to test on, and of a list that somebody emptied."""
    source = StubSource(tmp_path / "s", NAMES, splits=dict.fromkeys(NAMES, "test"))
    with pytest.raises(UserError, match="no image to train on"):
        prepared(tmp_path / "out", source)
    prepared(tmp_path / "mine", StubSource(tmp_path / "s", NAMES))
    (tmp_path / "mine" / "val.txt").write_text("")
    with pytest.raises(UserError, match=r"no image to evaluate on.*lists in"):
        prepared(tmp_path / "mine", StubSource(tmp_path / "s", NAMES))


def test_a_side_whose_images_are_gone_is_filled_anew(tmp_path):
    """The source lost them; a single image stays on both."""
    prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES))
    listed = (tmp_path / "out" / "val.txt").read_text()
    left = [name for name in NAMES if name not in listed]
    assert prepared(tmp_path / "out", StubSource(tmp_path / "s", left)).images["val"] == 1
    for _ in range(2):
        made = prepared(tmp_path / "one", StubSource(tmp_path / "s", NAMES[:1]))
        assert made.images == {"train": 1, "val": 1, "test": 0}
        assert any("there is one image" in line for line in made.lines)


@pytest.mark.parametrize(
    "names",
    [
        ["a b", "a  b", " a", "b "],
        ["ä", "树/木", "😀"],
        ["line\nend", "tab\tstop", "comma,s", "quote'\"s", "back\\slash"],
        ["a", "A", "x/a", "x_a"],
        ["images/a", "a", "images/b/c", "labels/a"],
        ["no", "1e3", "#1", "-"],
        ["one"],
        ["1", "2"],
    ],
)
def test_odd_names_work(tmp_path, names):
    """Spaces, line ends, any script: what a list or a file system cannot say gets another name."""
    if os.name == "nt":
        pytest.skip("not names there")
    made = prepared(tmp_path / "out dir", StubSource(tmp_path / "s", names))
    assert made.left_out == {}
    found = {*pairs(tmp_path / "out dir", "train_dataset"), *pairs(tmp_path / "out dir", "val_dataset")}
    assert len(found) == len(names)
    lowered = {label.casefold() for _, label in found}
    assert len(lowered) == len(names)
    assert not (tmp_path / "out dir" / "images" / "images").exists()


def test_names_that_are_no_text(tmp_path):
    """Linux takes any bytes."""
    name = os.fsdecode(b"f\xff")
    try:
        StubSource(tmp_path / "s", [name])
    except (OSError, cv2.error):
        pytest.skip("this file system takes only text")
    prepared(tmp_path / "out", StubSource(tmp_path / "s", [name, "b"]))
    assert (tmp_path / "out" / "labels" / "f_.png").is_file()


def test_images_in_the_data_set_s_folder_are_not_copied(tmp_path):
    """A way to save room: give a folder that they lie in."""
    source = StubSource(tmp_path / "out" / "photos", NAMES)
    prepared(tmp_path / "out", source)
    assert not (tmp_path / "out" / "images").exists()
    assert (
        "photos/photo 0.png\tlabels/photo 0.png"
        in (tmp_path / "out" / "train.txt").read_text() + (tmp_path / "out" / "val.txt").read_text()
    )


def test_the_folder_stands_alone(tmp_path):
    """Moved, and with its source gone, it is read from where it is, its root being the one thing to say."""
    prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES))
    shutil.rmtree(tmp_path / "s")
    shutil.move(tmp_path / "out", tmp_path / "moved")
    text = (tmp_path / "moved" / "config.yml").read_text()
    (tmp_path / "moved" / "config.yml").write_text(
        text.replace(str(tmp_path / "out"), str(tmp_path / "moved"))
    )
    assert len(DataPlan(load_config(tmp_path / "moved" / "config.yml")).dataset("train_dataset")) == 6


def test_another_source_or_split_is_refused(tmp_path):
    """The message has both, and the way out, which works; what somebody else made is left alone."""
    source, out = StubSource(tmp_path / "s", NAMES), tmp_path / "out"
    settings = {"seed": 0, "source": "../s"}
    prepared(out, source, settings=settings)
    before = contents(out)
    for name, value, told in (
        ("seed", 1, "--seed 0, not with --seed 1"),
        ("source", "x", "../s, not with SOURCE x"),
    ):
        with pytest.raises(
            UserError, match=f"made with .*{told}; give that as before, or another --save_dir"
        ):
            prepared(out, source, settings={**settings, name: value})
    assert contents(out) == before
    for name in ("train.txt", "val.txt"):  # as after an interruption: nothing depends on it
        (out / name).unlink()
    prepared(out, source, settings={**settings, "seed": 1})
    (tmp_path / "mine" / "labels").mkdir(parents=True)
    with pytest.raises(UserError, match="labels is there already and is not by init"):
        prepared(tmp_path / "mine", source)


OLD, NEW = ({"classes": given} for given in ([], ["root=root"]))
MORE = ("leaf", "root", "stem")


def test_classes_can_be_corrected(tmp_path):
    """Nothing is to be removed by hand: it is as if they had been right from the start, in the same split."""
    before, after = (
        StubSource(tmp_path / "s", NAMES, classes=classes) for classes in (("leaf", "stem"), MORE)
    )
    out, right = tmp_path / "a" / "out", tmp_path / "b" / "out"
    prepared(out, before, settings=OLD)
    sides = {section: set(pairs(out, section)) for section in ("train_dataset", "val_dataset")}
    made = prepared(out, after, settings=NEW)
    assert "made with no --classes, not with --classes root=root: all labels and config.yml" in made.lines[0]
    assert "8 labels written, 0 were there already" in made.lines
    assert {section: set(pairs(out, section)) for section in sides} == sides
    prepared(right, after, settings=NEW)
    got, wanted = digests(out), digests(right)
    assert {name for name in got if got[name] != wanted[name]} == {
        "config.yml",
        "init.json",
    }  # which has its path
    assert load_config(out / "config.yml").section("val_dataset")["classes"] == ["background", *MORE]
    fewer = prepared(out, StubSource(tmp_path / "s", NAMES, classes=MORE[:2]), settings=NEW)
    assert "the classes background, leaf, root, stem, not with the classes background, leaf" in fewer.lines[0]


def test_classes_that_were_given_before_are_not_forgotten(tmp_path):
    """Called again without the flag, it does not undo it on the quiet."""
    prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES, classes=MORE), settings=NEW)
    with pytest.raises(UserError, match="--classes root=root, not with no --classes; give that as before"):
        prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES), settings=OLD)
    # The names that it joined were mended in the source.
    prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES, classes=MORE), settings=OLD)


@pytest.mark.parametrize("name", ["config.yml", f"labels/{NAMES[0]}.png"])
def test_classes_are_not_corrected_over_changes_of_somebody(tmp_path, name):
    """They would be lost; without them it goes on."""
    after, out = StubSource(tmp_path / "s", NAMES, classes=MORE), tmp_path / "out"
    prepared(out, StubSource(tmp_path / "s", NAMES), settings=OLD)
    if name == "config.yml":
        (out / name).write_text((out / name).read_text().replace("iters: 400", "iters: 7"))
    else:
        cv2.imwrite(str(out / name), np.full(SIZE, 2, np.uint8))
    before = contents(out)
    with pytest.raises(UserError, match=rf"1 file in it changed since \({name}\) would be lost; remove"):
        prepared(out, after, settings=NEW)
    assert contents(out) == before
    (out / name).unlink()
    assert "8 labels written, 0 were there already" in prepared(out, after, settings=NEW).lines


def test_a_correction_that_is_interrupted_leaves_no_labels_of_two_kinds(tmp_path, monkeypatch):
    """A config would train on them; called again it goes on."""
    after, out = StubSource(tmp_path / "s", NAMES, classes=MORE), tmp_path / "out"
    prepared(out, StubSource(tmp_path / "s", NAMES), settings=OLD)
    monkeypatch.setattr(StubSource, "label", lambda self, item: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepared(out, after, settings=NEW, unlabeled="background")
    assert not (out / "config.yml").exists()
    assert not list((out / "labels").glob("*.png"))
    monkeypatch.undo()
    prepared(out, after, settings=NEW)
    assert len(pairs(out, "train_dataset")) == 6


def test_a_full_disk_is_told_first(tmp_path, monkeypatch):
    """Not after an hour of copying."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(UserError, match=r"the images take 0\.0 GB, but .* left"):
        prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES))
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_ends_the_work(tmp_path, monkeypatch):
    """It is no fault of an item."""

    def fail(*args, **options):
        raise UserError("cannot write: no space left")

    monkeypatch.setattr(write, "put", fail)
    with pytest.raises(UserError, match="no space left"):
        prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES))


def test_what_is_lacking_is_told(tmp_path):
    """A class that is only evaluated on, or nowhere; images that look alike on both sides."""
    pytest.importorskip("imagehash")

    def label(name: str) -> np.ndarray:
        found = np.zeros(SIZE, np.int16)
        found[:5] = 1 if name == NAMES[7] else 0
        return found

    sides = dict(zip(NAMES, ["train"] * 6 + ["val"] * 2))
    source = StubSource(tmp_path / "s", NAMES, label, classes=("a", "b", "c"), splits=sides, format="masks")
    shutil.copy(tmp_path / "s" / f"{NAMES[0]}.png", tmp_path / "s" / f"{NAMES[7]}.png")
    text = "\n".join(prepared(tmp_path / "out", source).lines)
    assert "no image of train shows b" in text
    assert "no pixel is of c" in text
    assert "1 image to evaluate on with a look-alike to train on, as photo 7 and photo 0" in text
    sides[NAMES[7]] = "test"
    source = StubSource(tmp_path / "s", NAMES, label, classes=("a", "b", "c"), splits=sides, format="masks")
    shutil.copy(tmp_path / "s" / f"{NAMES[0]}.png", tmp_path / "s" / f"{NAMES[7]}.png")
    text = "\n".join(prepared(tmp_path / "tested", source).lines)
    assert "1 image to evaluate or test on with a look-alike to train on, as photo 7 and photo 0" in text


def test_findings_of_a_source_are_told_with_the_flag_that_decides(tmp_path):
    """The source knows no flags; its own advice is not given beside it."""
    found = [
        Finding("palette", "2 colors found", "name them", ("a", "b")),
        Finding("no annotation", "decided", "", ("c",)),
        Finding("names alike", "decided", "", ("e",)),
        Finding("no image", "1 annotation without its image", "put it there", ("d",)),
    ]
    made = prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES, findings=found))
    assert "found: 2 colors found; --colors FILE names them" in made.lines
    assert "found: 1 annotation without its image; put it there" in made.lines
    assert not any("decided" in line for line in made.lines)
    assert made.lost == 1


def test_one_class_alone_is_told(tmp_path):
    """A network would answer it everywhere, at a mIoU of 1."""
    source = StubSource(tmp_path / "s", NAMES, lambda name: stripes(name).clip(max=0), classes=("leaf",))
    assert any(
        "leaf is the one class" in line for line in prepared(tmp_path / "a", source, unlabeled="ignore").lines
    )
    assert not any("the one class" in line for line in prepared(tmp_path / "b", source).lines)


@pytest.mark.parametrize("share", [0, 1, -0.5, float("nan")])
def test_a_share_is_between_none_and_all(tmp_path, share):
    """One side would be empty."""
    with pytest.raises(UserError, match="--val_share"):
        prepared(tmp_path / "out", StubSource(tmp_path / "s", NAMES), val_share=share)
