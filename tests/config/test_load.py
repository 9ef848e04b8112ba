"""YAML -> Config: inheritance, overrides, origins, and what mistakes are answered with."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddleseg_lite.config import Config, load_config
from paddleseg_lite.errors import UserError
from tests.paths import ENVIRONMENT, REPOSITORY


def write(folder: Path, **texts: str) -> str:
    """Write `name`.yml files and return the path of the last one."""
    for name, text in texts.items():
        path = folder / f"{name}.yml"
        path.write_text(text)
    return str(path)


def error_of(path: str, *opts: str) -> str:
    with pytest.raises(UserError) as caught:
        load_config(path, opts)
    return str(caught.value)


def test_dicts_merge_and_lists_and_scalars_replace(tmp_path: Path) -> None:
    """A leaf states only what differs from its base."""
    path = write(
        tmp_path,
        base="iters: 10\nmodel: {type: A, depths: [1, 2, 3], backbone: {type: B, pretrained: x}}\n",
        leaf="_base_: base.yml\nmodel: {depths: [4], backbone: {pretrained: null}}\n",
    )
    assert load_config(path).values == {
        "iters": 10,
        "model": {"type": "A", "depths": [4], "backbone": {"type": "B", "pretrained": None}},
    }


def test_a_key_may_be_a_number_and_a_text(tmp_path: Path) -> None:
    """In a label_map both may stand; they are two keys of one name in messages."""
    path = write(
        tmp_path,
        base="train_dataset: {type: D, label_map: {255: 1}}\n",
        mine="_base_: base.yml\ntrain_dataset: {label_map: {'255': 1}}\n",
    )
    assert load_config(path).values["train_dataset"]["label_map"] == {255: 1, "255": 1}


def test_inherited_false_replaces_the_bases_dict(tmp_path: Path) -> None:
    """Without it, a new optimizer would keep the old one's arguments."""
    path = write(
        tmp_path,
        base="optimizer: {type: Momentum, momentum: 0.9}\nmodel: {type: A, backbone: {type: B, x: 1}}\n",
        leaf="_base_: ./base.yml\noptimizer: {_inherited_: False, type: Adam}\n"
        "model: {backbone: {_inherited_: False, type: C}, _inherited_: True}\n",
    )
    values = load_config(path).values
    assert values == {"optimizer": {"type": "Adam"}, "model": {"type": "A", "backbone": {"type": "C"}}}


def test_bases_are_relative_to_their_file_and_the_first_of_several_wins(tmp_path: Path) -> None:
    """PaddleSeg's rule; and a base may lie in another folder and have bases itself."""
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep", root="iters: 1\nbatch_size: 1\n", first="_base_: root.yml\niters: 2\n")
    write(tmp_path, second="iters: 3\nbatch_size: 3\nimports: [x]\n")
    path = write(tmp_path, leaf="_base_: [deep/first.yml, second.yml]\n")
    assert load_config(path).values == {"iters": 2, "batch_size": 1, "imports": ["x"]}


def test_a_circle_of_bases_is_an_error(tmp_path: Path) -> None:
    """It would recurse for ever."""
    path = write(tmp_path, a="_base_: b.yml\n", b="_base_: a.yml\n")
    assert "leads back" in error_of(path)


def test_bases_that_double_are_an_error(tmp_path: Path) -> None:
    """Each of 40 small files names the next one twice: 2^40 files to read."""
    texts = {f"c{n}": f"_base_: [c{n + 1}.yml, c{n + 1}.yml]\n" for n in range(40)}
    write(tmp_path, c40="iters: 1\n", **texts)
    assert "'_base_' leads to more than 100 files" in error_of(str(tmp_path / "c0.yml"))
    for n in range(150):
        write(tmp_path, **{f"d{n}": f"_base_: d{n + 1}.yml\n"})
    assert "more than 100 files" in error_of(str(tmp_path / "d0.yml"))


def test_a_long_mapping_is_read_in_reasonable_time(tmp_path: Path) -> None:
    """What is noted of each key's origin must not be gone through for each key."""
    start = time.monotonic()
    mapping = "".join(f"  {n}: {n}\n" for n in range(5000))
    path = write(tmp_path, base=f"x: 1\nmodel:\n{mapping}", leaf=f"_base_: base.yml\nmodel:\n{mapping}")
    assert "unknown key 'x'" in error_of(path)
    assert time.monotonic() - start < 15


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_damaged_configs_are_read_or_refused(data: st.DataObject) -> None:
    """Whatever is written into a config, the answer is a config or one sentence, no parser's exception."""
    text = "model: {type: A, depths: [1, 2.5], t: 2026-01-02}\niters: 1\nloss: {types: [&a {b: 1}], coef: []}"
    pieces = "{{ }} [ ] &a *a !!int !!binary !!set !!omap <<: ? - : ' \" \\ 1:2 \x00 % --- 2026-99-99 = ~"
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + data.draw(st.sampled_from([*pieces.split(), " ", "\n", "\t"]))
            + text[at + data.draw(st.integers(0, 3)) :]
        )
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), leaf=text)
        try:
            load_config(path)
        except UserError as error:
            message = str(error)
        else:
            return
        assert path in message


def test_opts_override_by_dotted_key_and_index_with_yaml_values(tmp_path: Path) -> None:
    """Every kind of value and place that --opts can name, those of PaddleSeg's users included."""
    path = write(
        tmp_path,
        leaf="model: {type: A, backbone: {type: B, pretrained: x}}\n"
        "loss: {types: [{type: L, min_kept: 1}], coef: [1]}\n"
        "train_dataset: {type: D, label_map: {7: 0}}\n",
    )
    opts = (
        "iters=20",
        "loss.types.0.min_kept=50000",
        "loss.coef.0=0.5",
        "model.backbone.pretrained=None",
        "model.name=a=b",
        "train_dataset.label_map.7=3",
        "test_config.flip_horizontal=True",
        "test_config.scales=0.75,1.0",
        "lr_scheduler={type: S, learning_rate: 1e-3}",
    )
    assert load_config(path, opts).values == {
        "model": {"type": "A", "backbone": {"type": "B", "pretrained": None}, "name": "a=b"},
        "loss": {"types": [{"type": "L", "min_kept": 50000}], "coef": [0.5]},
        "train_dataset": {"type": "D", "label_map": {7: 3}},
        "iters": 20,
        "test_config": {"flip_horizontal": True, "scales": [0.75, 1.0]},
        "lr_scheduler": {"type": "S", "learning_rate": 0.001},
    }


def test_an_alias_does_not_tie_two_list_entries_together(tmp_path: Path) -> None:
    """Overriding one entry must leave the other alone."""
    path = write(tmp_path, leaf="loss: {types: [&a {type: L, thresh: 1}, *a], coef: [1, 1]}\n")
    types = load_config(path, ["loss.types.0.thresh=2"]).values["loss"]["types"]
    assert [loss["thresh"] for loss in types] == [2, 1]


@pytest.mark.parametrize(
    ("opt", "part"),
    [
        ("iters", "key=value"),
        ("=3", "key=value"),
        ("loss.coef.1=3", "'1' is no index of 'loss.coef', a list of 1"),
        ("loss.coef.first=3", "no index"),
        ("iters.x=3", "'iters' is 5 and has nothing below it"),
        ("model=[1", "no YAML"),
        ("iters=2026-13-01", "no YAML"),
        ("model=" + "[" * 3000, "no YAML"),
    ],
)
def test_an_override_that_does_not_fit_is_an_error(tmp_path: Path, opt: str, part: str) -> None:
    """The override is quoted, so that it is found among others."""
    message = error_of(write(tmp_path, leaf="iters: 5\nloss: {types: [{type: L}], coef: [1]}\n"), opt)
    assert part in message
    assert opt in message


def test_bytes_that_yaml_does_not_take_are_said(tmp_path: Path) -> None:
    """A path that is not in UTF-8: to put it in quotes, as the other values' remedy is, would not help."""
    message = error_of(write(tmp_path, leaf="iters: 5\n"), "train_dataset.dataset_root=/caf\udce9")
    assert r"/caf\xe9': YAML has no such characters; give a path" in message


def test_where_names_the_file_that_set_a_key(tmp_path: Path) -> None:
    """Messages send the user to their own file first, through bases, lists and overrides; the base second."""
    path = write(
        tmp_path,
        base="model: {type: A, x: 1}\nloss: {types: [{type: L}], coef: [1]}\noptimizer: {type: O, m: 1}\n",
        leaf="_base_: base.yml\nmodel: {y: 1}\noptimizer: {_inherited_: False, type: P}\n",
    )
    base = str(tmp_path / "base.yml")
    config = load_config(path, ["model.z=1", "loss.types.0.thresh=1"])
    assert config.where("model.x") == f"{path}: model.x (from {base})"
    assert config.where("model.y") == f"{path}: model.y"
    assert config.where("model.z") == "--opts: model.z"
    assert config.where("model.unset") == f"{path}: model.unset (from {base})"
    assert config.source("loss.types.0.thresh") == "--opts"
    assert config.source("loss.types.0.type") == base
    assert config.source("optimizer.m") == path
    assert config.source("absent") == path


def test_anchors_and_idle_keys_may_stand_at_the_top(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """PaddleSeg takes any key there: those that begin with x- are the user's own, its own are warned of."""
    text = (
        "x-size: &size [64, 32]\nto_static_training: true\ntest_config: {crop_size: *size, stride: *size}\n"
    )
    path = write(tmp_path, own=text)
    assert load_config(path).values["test_config"] == {"crop_size": [64, 32], "stride": [64, 32]}
    (message,) = (record.message for record in caplog.records)
    assert message == f"{path}: to_static_training is PaddleSeg's and does nothing here"


# Each line has the one before it twice.
DOUBLED = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("n: &n 19", ["unknown key 'n' (allowed at the top, besides x-* for YAML anchors: batch_size, "]),
        ("test_config: {use_multilabel: 1}", ["use_multilabel', which is PaddleSeg's and not here (allowed"]),
        ("iterz: 10", ["unknown key 'iterz'", "did you mean 'iters'?"]),
        (
            "loss: {typos: []}",
            ["unknown key 'loss.typos'", "mean 'types'?", "below loss: types, coef)"],
        ),
        ("test_config: {scale: 1}", ["unknown key 'test_config.scale'", "did you mean 'scales'?"]),
        ("test_config: {crop_size: [512]}", ["test_config.crop_size is [512]", "[width, height]"]),
        ("test_config: {scales: [0]}", ["test_config.scales is [0]", "positive"]),
        ("test_config: {flip_vertical: 1}", ["flip_vertical is 1", "True or False"]),
        ("iters: 1.5", ["iters is 1.5", "whole number"]),
        ("batch_size: 0", ["batch_size is 0", "at least 1"]),
        ("iters: True", ["iters is True"]),
        ("model: LRASPP", ["model is 'LRASPP'", "'type'"]),
        ("model: {typ: LRASPP}", ["model is", "'type'"]),
        ("train_dataset: {type: D, transforms: [Normalize]}", ["train_dataset.transforms.0 is 'Normalize'"]),
        ("loss: {types: [{type: L}]}", ["loss is {'types'", "'coef'"]),
        ("loss: {types: [{type: L}, {type: L}], coef: [1, 1, 1]}", ["has 2 entries", "has 3"]),
        ("imports: x.py", ["imports is 'x.py'", "a list"]),
        ("iters: 1\niters: 2", ["'iters' stands here twice", "line 2"]),
        ("model: [", ["no YAML in line 1"]),
        (
            "iters: 2026-13-01",
            ["line 1, column 8", "'2026-13-01' cannot be read (month must be", "in quotes"],
        ),
        ("iters: 1\nmodel: {{ model }}", ["line 2", "a list or mapping cannot be a key", "quotes"]),
        ("iters: 1\n{{ scales }}", ["line 2"]),
        ("? [1]\n: 2", ["cannot be a key"]),
        ("iters: !!int ''", ["'' cannot be read"]),
        ("iters: !!bool maybe", ["'maybe' cannot be read"]),
        ("iters: !!timestamp x", ["'x' cannot be read"]),
        ("iters: " + "9" * 5000, ["is"]),
        ("model: &a [*a]", ["line 1, column 8", "an alias is within what it stands for"]),
        ("model: &a {type: A, b: {<<: *a}}", ["within what it stands for"]),
        ("a0: &a0 [1]\n" + DOUBLED, ["more than 20000 values, with all aliases written out"]),
        (
            "a0: &a0 {x: 1}\n" + DOUBLED.replace("[*", "{<<: [*").replace("]", "]}"),
            ["more than 20000 values"],
        ),
        ("model: " + "[" * 5000, ["nested too deeply"]),
        ("model: " + "{a: " * 5000, ["nested too deeply"]),
        ("x: '" + "y" * (256 << 10) + "'", ["allowed are 262144", "a config is shorter"]),
        ("1: 2", ["unknown key"]),
        ("model: {type: A, 1: 2}\n[]: 3", ["cannot be a key"]),
        ("\x1b[2J: 1", ["no YAML"]),
        ('"\\e[2J\\n": 1', ["unknown key '\\x1b[2J\\n'"]),
        ("- 1", ["a list", "a mapping"]),
        ("", ["found nothing"]),
        ("model: !!python/object/apply:os.getcwd []", ["no YAML"]),
        ("_base_: 3", ["'_base_' is 3"]),
        ("_base_: gone.yml", ["gone.yml", "no file"]),
    ],
)
def test_a_mistake_is_answered_with_file_key_and_what_is_allowed(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    """One sentence per mistake; a wrong key is found before anything slow happens."""
    path = write(tmp_path, leaf=text)
    message = error_of(path)
    for part in [*parts, path]:
        assert part in message


def test_a_missing_file_is_named() -> None:
    """The commonest mistake of all."""
    assert "nowhere.yml" in error_of("nowhere.yml")


def test_a_missing_section_says_where_to_add_it(tmp_path: Path) -> None:
    """Sections are required by whoever uses them: predict needs no optimizer."""
    config = load_config(write(tmp_path, leaf="model: {type: A}\n"))
    with pytest.raises(UserError, match=r"leaf\.yml: 'iters' is missing"):
        _ = config.iters
    assert config.section("model") == {"type": "A"}
    config.section("model")["type"] = "changed"
    assert config.values["model"]["type"] == "A"


def test_imports_are_relative_to_the_yaml_that_names_them(tmp_path: Path) -> None:
    """A base in another folder brings its own file along."""
    (tmp_path / "own").mkdir()
    write(tmp_path / "own", base="imports: [net.py, package.module]\n")
    config: Config = load_config(write(tmp_path, leaf="_base_: own/base.yml\n"))
    imports = [str((tmp_path / "own" / "net.py").resolve()), "package.module"]
    assert config.imports() == imports
    assert config.standalone() == {**config.values, "imports": imports}, "to be read again from anywhere"


def test_a_config_is_read_and_its_data_planned_without_paddle() -> None:
    """A mistake is answered at once, and data are checked and packed where there is no Paddle."""
    code = """
import sys
from importlib import import_module
from pathlib import Path
for path in Path("paddleseg_lite/config").glob("*.py"):
    if path.stem != "build":
        import_module(f"paddleseg_lite.config.{path.stem}")
from paddleseg_lite.config import load_config
from paddleseg_lite.config.data import DataPlan
plan = DataPlan(load_config("configs/camvid/lpsnet_s_camvid_480x352_1k.yml", ["iters=3"]))
assert plan.info("val_dataset").num_classes == 11
assert len(plan.transforms("train_dataset").transforms) > 2
assert "paddle" not in sys.modules
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
