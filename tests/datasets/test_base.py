"""What all data sets share: checks, mapping, and samples that repeat."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from PIL import Image

import paddleseg_lite.transforms as T
from paddleseg_lite.datasets import Dataset, SegmentationDataset, eval_samples
from paddleseg_lite.datasets.info import checked_info, voc_palette
from paddleseg_lite.datasets.reading.labels import LabelRule
from paddleseg_lite.errors import UserError

from .written_pairs import dataset, write_pairs

AUGMENT = [T.ResizeStepScaling(), T.RandomPaddingCrop((16, 12)), T.RandomDistort(), T.Normalize()]


def test_sample_depends_on_seed_epoch_and_index_alone(tmp_path):
    """Protects reproducibility and resuming: no global state, no order of calls."""
    data = dataset(write_pairs(tmp_path), AUGMENT)
    first = data.sample(2, epoch=1, seed=7)
    np.random.seed(0)
    data.sample(3, epoch=1, seed=7)
    again = data.sample(2, epoch=1, seed=7)
    assert (first.image == again.image).all()
    assert (first.label == again.label).all()
    for other in (data.sample(2, 2, 7), data.sample(2, 1, 8)):
        assert (other.image != first.image).any()


def test_labels_stay_at_the_source_but_in_train(tmp_path):
    """Protects evaluation at full resolution."""
    folder = write_pairs(tmp_path)
    resize = [T.Resize((20, 10)), T.Normalize()]
    assert dataset(folder, resize).sample(0).label.shape == (10, 20)
    sample = dataset(folder, resize, mode="val").sample(0)
    assert sample.image.shape == (10, 20, 3)
    assert sample.label.shape == sample.source_size == (24, 32)
    assert sample.restore(np.zeros((4, 10, 20), np.float32)).shape == (4, 24, 32)


def test_declared_facts(tmp_path):
    """Protects what the builder and the reports read."""
    data = dataset(write_pairs(tmp_path), classes=list("abcd"), palette=[[9, 8, 7]] * 4, label_map={255: 0})
    assert (data.num_classes, data.ignore_index, data.in_channels, len(data)) == (4, 255, 3, 5)
    assert data.classes == ("a", "b", "c", "d")
    assert data.palette.dtype == np.uint8
    assert data.palette.shape == (4, 3)
    for words in ("5 images", "4 classes (a, b, c, d)", "255 ignored", "label_map {255: 0}"):
        assert words in data.describe()


PAIRS = [("a.png", "a_label.png")]


def test_a_class_declares_what_is_not_as_by_default():
    """Protects data sets of one's own: names of classes, or their number, are enough."""

    class Named(SegmentationDataset):
        classes = ("road", "rest")
        ignore_index = 7

    data = Named((), PAIRS)
    assert (data.num_classes, data.ignore_index, data.in_channels) == (2, 7, 3)
    assert (data.classes, data.palette.tolist()) == (("road", "rest"), [[0, 0, 0], [128, 0, 0]])
    assert Named((), PAIRS, checked_info(4)).num_classes == 4
    with pytest.raises(UserError, match=r"Named: img_channels beside info"):
        Named((), PAIRS, checked_info(4), img_channels=1)
    with pytest.raises(UserError, match=r"SegmentationDataset: the number of classes .*checked_info"):
        SegmentationDataset((), PAIRS)


def test_code_that_gives_the_number_of_classes_goes_on():
    """Protects data sets that were written when these were arguments of their own."""
    data = SegmentationDataset((), PAIRS, 2, "val")
    assert (data.num_classes, data.mode, data.ignore_index) == (2, "val", 255)
    given = {"ignore_index": 0, "img_channels": 4, "classes": ["a", "b"], "palette": [[1, 2, 3]] * 2}
    data = SegmentationDataset((), PAIRS, num_classes=2, mode="val", label_map={5: 1}, **given)
    assert (data.ignore_index, data.in_channels, data.classes) == (0, 4, ("a", "b"))
    assert (data.palette.tolist(), data.label_map) == ([[1, 2, 3]] * 2, {5: 1})
    with pytest.raises(UserError, match="num_classes must be a whole number"):
        SegmentationDataset((), PAIRS, 0)


def test_default_palette_is_vocs():
    """Protects the colors that everybody knows: aeroplane, bicycle, tv monitor."""
    palette = voc_palette(21)
    assert palette[[0, 1, 2, 20]].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [0, 64, 128]]


def test_bad_label_id_names_file_values_and_what_is_allowed(tmp_path):
    """Protects the loss from ids that are no classes, which crash a GPU without a file name."""
    folder = write_pairs(tmp_path)
    label = cv2.imread(str(folder / "label1.png"), cv2.IMREAD_UNCHANGED)
    label[3, 3:6] = (7, 9, 8)
    cv2.imwrite(str(folder / "label1.png"), label)
    data = dataset(folder, AUGMENT)
    data.sample(0)
    with pytest.raises(UserError, match=r"label1\.png: label id\(s\) 7 to 9.*allows 0 to 3, 255"):
        data.sample(1)
    assert dataset(folder, label_map={7: 0, 8: 0, 9: 255}).sample(1).label[3, 3:6].tolist() == [0, 255, 0]


def test_label_map_is_applied_once():
    """Protects {1: 2, 2: 1} from being applied in two steps."""
    rule = LabelRule(3, 255, {1: 2, 2: 1})
    assert rule.apply(np.array([[0, 1, 2, 255]], np.uint8), "").tolist() == [[0, 2, 1, 255]]


def test_sizes_that_differ_are_named(tmp_path):
    """Protects from a label of another image, or a transposed one."""
    folder = write_pairs(tmp_path)
    cv2.imwrite(str(folder / "label2.png"), np.zeros((32, 24), np.uint8))
    with pytest.raises(UserError, match=r"label2\.png has 24x32.*image2\.png has 32x24"):
        dataset(folder).sample(2)


def test_errors_of_transforms_name_the_image(tmp_path):
    """Protects the message of a transform, which knows no file."""
    data = dataset(write_pairs(tmp_path), [T.Padding((20, 20))])
    with pytest.raises(UserError, match=r"image3\.png: Padding"):
        data.sample(3)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"num_classes": 0}, "num_classes"),
        ({"num_classes": "4"}, "num_classes"),
        ({"ignore_index": 256}, "ignore_index"),
        ({"img_channels": 0}, "img_channels"),
        ({"classes": ["a"]}, "4 names"),
        ({"palette": [[0, 0, 0]]}, "4 colors"),
        ({"label_map": {7: 9}}, "maps 7 to 9"),
        ({"label_map": [7]}, "label_map"),
        ({"ignore_index": 9, "transforms": AUGMENT}, "label_padding_value is 255"),
    ],
)
def test_arguments_that_cannot_be_are_named(tmp_path, kwargs, words):
    """Protects from starting a run that a later batch would end."""
    write_pairs(tmp_path)
    with pytest.raises(UserError, match=words):
        dataset(tmp_path, **{"train_path": "list.txt", **kwargs})


def test_unknown_mode_is_answered_with_the_closest(tmp_path):
    """Protects from a mode that silently reads nothing."""
    with pytest.raises(UserError, match="did you mean 'train'"):
        Dataset((), str(tmp_path), 4, "training")


def test_a_reader_may_serve_windows_of_a_memory_map(tmp_path):
    """Protects the place where packed data will be plugged in: the reader is all that changes."""
    image = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (50, 60, 3))
    image[:] = 7
    data = SegmentationDataset(AUGMENT[:2], [("a.png", "a_label.png")], checked_info(4))
    data.reader = lambda index: (image, np.zeros((50, 60), np.uint8))
    assert data.sample(0).image.shape == (12, 16, 3)


def test_missing_label_is_named():
    """Protects training and evaluation from pairs without truth; testing may have them."""
    with pytest.raises(UserError, match=r"b\.png has no label"):
        SegmentationDataset((), [("a.png", "a.png"), ("b.png", None)], checked_info(4))
    assert len(SegmentationDataset((), [("b.png", None)], checked_info(4), mode="test")) == 1


@pytest.mark.parametrize("where", ["reader", "transform"])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_labels_are_checked_behind_reader_and_transforms(tmp_path, where, num_workers):
    """Protects the loss, on a CPU and a GPU: whoever made the bad id, the file is named before a batch is."""

    def spoil(sample, rng):
        sample.label[2, 2] = 77
        return sample

    data = dataset(write_pairs(tmp_path), [spoil] if where == "transform" else [])
    if where == "reader":
        data.reader = lambda index: (np.zeros((24, 32, 3), np.uint8), np.full((24, 32), 77, np.uint8))
    with pytest.raises(UserError, match=r"label\d\.png, after reader and transforms: label id\(s\) 77"):
        next(eval_samples(data, num_workers))


@pytest.mark.parametrize("where", ["reader", "transform"])
@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        (-1, np.int64, "ids from -1 to"),
        (300, np.int64, "to 300"),
        (256, np.uint16, "to 256"),
        (7, np.int32, r"label id\(s\) 7"),
        (1, np.float32, "type float32"),
        (3, np.int64, None),
        (1, bool, None),
    ],
)
@pytest.mark.parametrize("mode", ["train", "val"])
def test_labels_of_other_types(tmp_path, where, value, dtype, words, mode):
    """Protects from a trace of cv2, and from -1 and 256 that would wrap round to ignored or to class 0."""
    wide = np.zeros((24, 32), dtype)
    wide[8:16, 15:17] = value  # some of it is in every crop

    class Own(Dataset):
        def read_files(self, index):
            image, label = super().read_files(index)
            return image, wide if where == "reader" else label

    def widen(sample, rng):
        return dataclasses.replace(sample, label=wide)

    write_pairs(tmp_path)
    own = Own(
        [T.RandomPaddingCrop((16, 16))] if mode == "train" and where == "reader" else [T.RandomDistort()],
        *(str(tmp_path), 4, mode),
        **{f"{mode}_path": "list.txt"},
    )
    if where == "transform":
        own.transforms = T.Compose([widen])
    if words is None:
        assert own.sample(3).label.dtype == np.uint8
    else:
        with pytest.raises(UserError, match=rf"label3\.png, (as it|after).*{words}"):
            own.sample(3)


@pytest.mark.parametrize("ignore_index", [255, 254, 2, 4])
@pytest.mark.parametrize("value", [0, 3, 4, 5, 254, 255])
def test_the_quick_check_agrees_with_the_table(ignore_index, value):
    """Protects the comparisons that spare most labels the table: around num_classes and ignore_index."""
    label = np.zeros((3, 3), np.uint8)
    label[0, 0], label[1, 1] = value, ignore_index
    rule = LabelRule(4, ignore_index)
    if value < 4 or value == ignore_index:
        assert rule.apply(label, "") is label
    else:
        with pytest.raises(UserError, match=rf"label id\(s\) {value},"):
            rule.apply(label, "")


def test_description_reads_the_first_pair(tmp_path):
    """Protects the first line of a run: sizes, and transforms that don't fit are found at once."""
    folder = write_pairs(tmp_path)
    text = dataset(folder, [T.Resize((20, 10))]).describe()
    assert text.endswith("the first image is 32x24 (width x height), 20x10 after the transforms")
    padded = dataset(folder, [T.Padding((20, 20))])
    assert "first image" not in padded.describe(sizes=False)
    with pytest.raises(UserError, match=r"image0\.png: Padding"):
        padded.describe()


@pytest.mark.parametrize("mode", ["train", "val"])
def test_orientation_is_named_where_it_is_why_sizes_differ(tmp_path, mode):
    """Protects who meets it in training first; a label of another size has not that cause."""
    tags = Image.Exif()
    tags[274] = 6
    Image.fromarray(np.full((24, 32, 3), 90, np.uint8)).save(tmp_path / "a.jpg", exif=tags)
    (tmp_path / "list.txt").write_text("a.jpg a.png")
    for size, words in (
        ((24, 32), r"32x24 .*24x32; the image's EXIF orientation is 6, the label's 1; turn the label"),
        ((24, 30), r"30x24 .*24x32; they must agree$"),
    ):
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros(size, np.uint8))
        with pytest.raises(UserError, match=words):
            dataset(tmp_path, mode=mode).sample(0)


@pytest.mark.parametrize(
    "grow", [lambda image: cv2.resize(image, (1 << 21, 1 << 21)), lambda image: np.ones(1 << 50)]
)
def test_too_little_memory_for_a_transform_names_the_image(tmp_path, grow):
    """Protects from a trace of NumPy's or OpenCV's that names no file."""

    def transform(sample, rng):
        return dataclasses.replace(sample, image=grow(sample.image))

    data = dataset(write_pairs(tmp_path), [transform])
    with pytest.raises(UserError, match="more memory than there is") as caught:
        data.sample(0)
    assert str(caught.value).startswith(data.pairs[0][0])
