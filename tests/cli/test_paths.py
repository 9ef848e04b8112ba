"""Paths on a command line that no file system takes."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest

from paddleseg_lite.checkpoint import box
from paddleseg_lite.cli.main import COMMANDS, module_of
from paddleseg_lite.cli.paths import check_paths, config_of
from paddleseg_lite.config import Config, zoo
from paddleseg_lite.errors import UserError

TEXTS = ("--model_path", "--pretrained", "--resume_model")  # paths that may be URLs, or auto


def path_flags() -> list[tuple[str, argparse.Action]]:
    """Return every flag that takes a path, but for --config, with its command."""
    found = []
    for command in COMMANDS:
        parser = argparse.ArgumentParser()
        module_of(command).add_flags(parser)
        for action in parser._actions:
            flag = (action.option_strings or [action.dest])[0]
            if (action.type is Path and flag != "--config") or flag in TEXTS:
                found.append((command, action))
    return found


@pytest.mark.parametrize(("command", "action"), path_flags(), ids=lambda part: getattr(part, "dest", part))
@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "loop/a", f"{'x' * 300}/a", "/dev/null/a"])
def test_names_that_there_cannot_be_are_told(tmp_path, monkeypatch, command, action, name):
    """Too long, with a NUL, links in a circle, below a file: by each flag, in one sentence."""
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    value = name if action.type is None else action.type(name)
    with pytest.raises(UserError) as caught:
        check_paths(argparse.Namespace(**{action.dest: value}))
    assert str(caught.value).isprintable()


def test_a_config_that_is_left_out_is_that_of_the_weights(tmp_path, monkeypatch):
    """Of the package's weights, by their card; of others it is asked for, with the names that do without."""
    monkeypatch.setattr(box, "BOX", tmp_path)
    monkeypatch.setattr(zoo, "_PLACES", (tmp_path,))
    given = {"config": None, "model_path": "mine.pdparams"}
    with pytest.raises(UserError, match=r"no --config; give the YAML.*: there are none yet"):
        config_of(argparse.Namespace(**given))
    (tmp_path / "streets.safetensors").touch()
    (tmp_path / "long_name.yml").touch()
    card = {"config": "long_name", "seed": 0, "versions": {}, "data": "", "terms": "", "sha256": ""}
    (tmp_path / "streets.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"no --config; give the YAML.*: zoo:streets$"):
        config_of(argparse.Namespace(**given))
    given["model_path"] = "zoo:streets"
    assert config_of(argparse.Namespace(**given)) == tmp_path / "long_name.yml"
    given["config"] = Path("mine.yml")
    assert config_of(argparse.Namespace(**given)) == Path("mine.yml")


def test_a_file_to_write_may_be_there(tmp_path):
    """It is replaced; a folder is not."""
    (tmp_path / "times.json").touch()
    for name in ("times.json", "new.json", "new/new.json"):
        check_paths(argparse.Namespace(json=tmp_path / name))
    with pytest.raises(UserError, match="is a folder"):
        check_paths(argparse.Namespace(json=tmp_path))


@pytest.mark.parametrize("section", ["train_dataset", "val_dataset"])
@pytest.mark.parametrize(("root", "path"), [("dataset_root", "{}_path"), ("image_root", "cls_label_path")])
@pytest.mark.parametrize("named", ["no folder", "no file"])
def test_data_that_are_not_there_are_told_by_their_key(tmp_path, section, root, path, named):
    """Protects the seconds that Paddle takes: the YAML's paths are looked at before it is imported."""
    (tmp_path / "data").mkdir()
    mode = section.partition("_")[0]
    (tmp_path / "data" / f"{mode}.txt").touch()
    path = path.format(mode)
    data = {root: str(tmp_path / "data"), path: f"{mode}.txt"}
    args = argparse.Namespace(config=Config("mine.yml", {section: data}, {}), data=(section,))
    check_paths(args)
    key = root if named == "no folder" else path
    data[key] += "s"
    with pytest.raises(UserError, match=rf"^mine.yml: {section}\.{key}: there is {named} .*; did you mean"):
        check_paths(args)
    args.config.values["imports"] = ["mine.py"]  # whose classes may mean something else by these keys
    check_paths(args)


def test_a_command_that_runs_elsewhere_says_where_it_is(tmp_path, monkeypatch):
    """Protects a user of a config of `init`, with paths as seen from one folder, who is in another one."""
    monkeypatch.chdir(tmp_path)
    config = Config("mine.yml", {"val_dataset": {"dataset_root": "data/mine"}}, {})
    args = argparse.Namespace(config=config, data=("val_dataset",))
    with pytest.raises(UserError, match=f"run this where it is: here is {re.escape(str(tmp_path))}"):
        check_paths(args)


def test_the_commands_say_which_data_they_read():
    """Protects the check above from being asked of nothing."""
    sections = {"train": ("train_dataset",), "val": ("val_dataset",)}
    for command, wanted in sections.items():
        parser = argparse.ArgumentParser()
        module_of(command).add_flags(parser)
        assert parser.get_default("data") == wanted
