"""Reading, checking and packing data do without Paddle, whose import takes seconds of every process."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.paths import REPOSITORY

from .written_pairs import write_pairs

CONFIG = """
train_dataset:
  type: Dataset
  dataset_root: {root}
  num_classes: 4
  train_path: list.txt
  transforms: [{{type: RandomPaddingCrop, crop_size: [8, 8]}}, {{type: Normalize}}]
"""

COMMANDS = """
import sys
import tests.conftest
from paddleseg_lite.cli.main import main
from paddleseg_lite.datasets import Dataset, eval_samples

def run(command, *arguments):
    sys.argv = ["", "--config", CONFIG, "--num_workers", "1", *arguments]
    try:
        main(command)
    except SystemExit as ended:
        assert not ended.code

CONFIG, ROOT = sys.argv[1:]
run("check_dataset", "--save_dir", ROOT + "/check")
run("pack_dataset", "--save_dir", ROOT + "/packed")
dataset = Dataset((), ROOT + "/files", 4, train_path="list.txt", cache=ROOT + "/packed")
assert len(list(eval_samples(dataset, num_workers=1))) == 5
print([name for name in sys.modules if name.partition(".")[0] == "paddle"])
"""


def test_data_commands_do_not_import_paddle(tmp_path):
    """Protects the time that each such command, and each process that it starts, takes to begin."""
    write_pairs(tmp_path / "files")
    config = tmp_path / "config.yml"
    config.write_text(CONFIG.format(root=tmp_path / "files"))
    command = [sys.executable, "-c", COMMANDS, str(config), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
