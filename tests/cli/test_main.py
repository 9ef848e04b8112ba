"""How a command is found and described, by its script in tools/ and by `paddleseg-lite`."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from paddleseg_lite.cli.main import COMMANDS, SHORT_NAMES, main
from tests.paths import ENVIRONMENT, REPOSITORY, TOOLS

EVERY_HELP = """
import sys
from paddleseg_lite.cli.main import COMMANDS, main
for name in COMMANDS:
    for argv in ([f"tools/{name}.py", "--help"], ["bin/paddleseg-lite", name, "--help"]):
        sys.argv = argv
        try:
            main(name if len(argv) == 2 else None)
        except SystemExit as ended:
            assert ended.code == 0
assert "paddle" not in sys.modules
"""


def said(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run `paddleseg-lite ARGUMENTS` in this process: (exit code, stdout, stderr)."""
    monkeypatch.setattr(sys, "argv", ["paddleseg-lite", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), *capsys.readouterr()


def test_help_teaches_without_paddle():
    """Each has an example, as it was called, and answers at once; Paddle would take two seconds."""
    command = [sys.executable, "-c", EVERY_HELP]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        for example in (rf"\n  python tools/{name}\.py (\w|--)", rf"\n  paddleseg-lite {name} (\w|--)"):
            assert re.search(example, done.stdout)
        assert done.stdout.count(f"usage: paddleseg-lite {name} ") == 1


MISTYPED = """
import sys
from paddleseg_lite.cli.main import main
sys.argv = ["tools/COMMAND.py", *sys.argv[1:]]
try:
    main("COMMAND")
finally:
    slow = {"paddle", "cv2", "numpy", "onnxruntime"} & sys.modules.keys()
    assert not slow, slow
"""


@pytest.mark.parametrize(
    ("command", "flag", "value", "named"),
    [
        ("train", "--config", "none.yml", "no config file none.yml"),
        ("train", "--config", "fil", "no config file fil; did you mean 'file'?"),
        ("train", "--opts", "iterz=3", "'iters'"),
        ("train", "--iters", "0", "iters"),
        ("train", "--resume_model", "run/iter_9", "no checkpoint run/iter_9; check --resume_model"),
        ("train", "--pretrained", "none.pdparams", "no weights file none.pdparams; check --pretrained"),
        ("train", "--save_dir", "file/run", "file/run: nothing can be written"),
        ("val", "--model_path", "none.pdparams", "no weights file none.pdparams; check --model_path"),
        ("val", "--model_path", "fil/model.pdparams", "check --model_path; did you mean 'file'?"),
        ("predict", "--image_path", "none.jpg", "none.jpg; check --image_path"),
        ("predict", "--image_path", "none.mp4", "none.mp4; check --image_path"),
        ("predict", "--image_path", "/dev/video987", "/dev/video987; check --image_path"),
        ("predict", "--save_dir", "file/result", "file/result: nothing can be written"),
        ("export", "--calibration", "none", "no folder or list none; check --calibration"),
        ("contact_sheet", "--prediction_dir", "none", "no folder none; check --prediction_dir"),
    ],
)
def test_a_mistyped_path_is_told_before_paddle_is_imported(tmp_path, command, flag, value, named):
    """Nor anything else that takes long; in one sentence, with the flag."""
    (tmp_path / "file").touch()
    right = {"--config": REPOSITORY / "configs/quickstart/lpsnet_streetscenes.yml"}
    if command in ("val", "predict", "export"):
        right["--model_path"] = tmp_path / "file"
    if command == "predict":
        right["--image_path"] = tmp_path / "file"
    arguments = [str(part) for pair in {**right, flag: value}.items() for part in pair]
    code = [sys.executable, "-c", MISTYPED.replace("COMMAND", command), *arguments]
    done = subprocess.run(code, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert named in done.stderr


def test_a_mistyped_path_is_told_at_once():
    """Within half a second; of the processor's time, as others may keep the machine busy."""
    code = "from paddleseg_lite.cli.main import main; main()"
    command = [sys.executable, "-c", code, "train", "--config", "none.yml"]

    def seconds() -> float:
        before = os.times()
        assert subprocess.run(command, env=ENVIRONMENT, capture_output=True).returncode == 2
        after = os.times()
        spent = after.children_user + after.children_system
        return spent - before.children_user - before.children_system

    assert min(seconds() for _ in range(3)) < 0.5


def test_every_command_has_its_script():
    """PaddleSeg's users start them from tools/; make_streetscenes is the demo's."""
    scripts = {path.stem: path.read_text() for path in TOOLS.glob("*.py")}
    assert scripts.keys() == {*COMMANDS, "make_streetscenes"}
    assert all(f'main("{name}")' in scripts[name] for name in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_commands_are_listed(monkeypatch, capsys, arguments):
    """A line each."""
    code, out, _ = said(monkeypatch, capsys, *arguments)
    assert code == 0
    names = [SHORT_NAMES.get(name, name) for name in COMMANDS]
    assert [name for name in names if not re.search(rf"^  {name} +[A-Z]\w+ .*\w$", out, re.MULTILINE)] == []


def test_names_of_commands(monkeypatch, capsys):
    """The version; a dash for an underscore; and a misspelt one is answered with the closest."""
    code, out, _ = said(monkeypatch, capsys, "--version")
    assert code == 0
    assert re.fullmatch(r"paddleseg_lite \d+\.\d+\.\d+\n", out)
    code, out, _ = said(monkeypatch, capsys, "check-dataset", "--help")
    assert code == 0
    assert "usage: paddleseg-lite check-dataset" in out
    for name, meant in (("trian", "train"), ("check-datset", "check_dataset"), ("--verison", "--version")):
        code, _, err = said(monkeypatch, capsys, name)
        assert code == 2
        assert f"no command '{name}'; did you mean '{meant}'?" in err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (
            ["train", "--config", "c.yml", "--batch-size", "2"],
            "no flag --batch-size; did you mean '--batch_size'?",
        ),
        (["train", "--batch-size=2"], "no flag --batch-size; did you mean '--batch_size'?"),
        (
            ["val", "--config", "c.yml", "--model-path", "m"],
            "no flag --model-path; did you mean '--model_path'?",
        ),
        (["predict", "--img", "x"], "no flag --img\n"),
        (["val", "-config", "c.yml"], "no flag -config; did you mean '--config'?"),
    ],
)
def test_an_unknown_flag_is_answered_with_the_nearest(monkeypatch, capsys, arguments, hint):
    """By every command, in one sentence, also where a required flag is missing because of it."""
    code, _, err = said(monkeypatch, capsys, *arguments)
    assert code == 2
    assert hint in err
