"""What a search leaves: the frontier, the table, the page, ready configs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import yaml

from paddleseg_lite.scaling.architecture import PUBLISHED, START
from paddleseg_lite.scaling.page import write_page
from paddleseg_lite.scaling.results import Point, frontier, markdown, points, table, write_frontier
from paddleseg_lite.scaling.state import Network, SearchState, Step

SMALL, LARGE = START.name, PUBLISHED["lpsnet_s"].name
MACS = {SMALL: 0.0024, LARGE: 0.2385, "lraspp_os32": 0.1, "lpsnet_l": 0.75}


def state() -> SearchState:
    networks = {
        SMALL: Network(2.0, 0.1, miou=0.1, seconds=60.0, move="start"),
        LARGE: Network(40.0, 0.5, 1, SMALL, "ratio of path 1 +2", 0.3, 90.4),
        PUBLISHED["lpsnet_m"].name: Network(50.0, 0.5, 1, SMALL, "ratio of path 2 +2"),
    }
    references = {"lraspp_os32": Network(9.0, 0.1, miou=0.2), "lpsnet_l": Network(99.0, 0.1)}
    return SearchState({}, 150.0, None, networks, [Step(SMALL, 40.0, [LARGE], LARGE)], references)


def found() -> list[Point]:
    return points(state(), lambda name: MACS[name])


def test_the_frontier_is_what_no_other_network_beats():
    """A network as good that costs more is beaten, and so is a worse one at the same cost."""
    networks = [("c", 3.0, 0.3), ("a", 1.0, 0.1), ("b", 2.0, 0.3), ("d", 1.0, 0.05), ("e", 9.0, 0.29)]
    assert frontier(networks) == ["a", "b"]
    assert frontier([]) == []


def test_the_table_has_all_that_were_trained_and_all_references():
    """Those that were not trained, for want of time, are not in it; multiply-adds stand there once."""
    rows = table(found(), "ms").split("\n")
    assert [row.split()[0] for row in rows] == ["network", SMALL, LARGE, "lraspp_os32", "lpsnet_l"]
    assert rows[2].split() == [
        *f"{LARGE} 1 ratio of path 1 +2 40 0.5 0.2385 0.3000 90 chosen, frontier".split()
    ]
    assert rows[4].split() == ["lpsnet_l", "–", "99", "0.1", "0.75", "–", "–"]
    assert table(found(), "GMACs").split("\n")[0].split().count("GMACs") == 1
    lines = markdown(found(), "ms").splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == len(rows) + 1


def test_the_page_needs_no_other_file(tmp_path):
    """It has the facts, escaped, the plot and the table."""
    paths = write_page(tmp_path, found(), "ms", {"config": "<b>C.yml</b>"})
    assert [path.name for path in paths] == ["search.md", "search.png", "search.html"]
    page = paths[2].read_text()
    assert "&lt;b&gt;C.yml" in page
    assert LARGE in page
    assert page.count("data:image/svg+xml") == 2
    assert "http" not in page.replace("http-equiv", "")
    assert cv2.imread(str(paths[1])).shape[2] == 3


def test_weights_that_are_gone_are_told_and_no_end(tmp_path, caplog):
    """Whoever removes runs/ to free the disk gets the configs; the command in them is for a shell."""
    folder = tmp_path / "my search"
    write_frontier(folder, found(), {}, lambda name: tmp_path / name)
    assert sorted(path.name for path in (folder / "frontier").iterdir()) == [f"{SMALL}.yml", f"{LARGE}.yml"]
    assert f"{tmp_path / SMALL} is gone" in caplog.text
    path = folder / "frontier" / f"{SMALL}.yml"
    assert f" --config '{path}' " in path.read_text()


def test_a_config_and_weights_are_written_for_each_network_of_the_frontier(tmp_path, caplog):
    """What is no longer of it goes; what is not the search's stays."""
    weights = tmp_path / "model.pdparams"
    weights.write_bytes(b"weights")
    config = {"iters": 5, "train_dataset": {"type": "CamVid"}}

    def files() -> list[Path]:
        return sorted((tmp_path / "frontier").iterdir())

    write_frontier(tmp_path, found(), config, lambda name: weights)
    assert [path.name for path in files()] == [
        f"{name}{ending}" for name in (SMALL, LARGE) for ending in (".pdparams", ".yml")
    ]
    path = tmp_path / "frontier" / f"{LARGE}.yml"
    assert yaml.safe_load(path.read_text()) == {**config, "model": PUBLISHED["lpsnet_s"].model()}
    assert path.with_suffix(".pdparams").read_bytes() == b"weights"
    weights.unlink()
    write_frontier(tmp_path, found(), config, lambda name: weights)
    assert path.with_suffix(".pdparams").read_bytes() == b"weights", "of a run that was removed"
    assert not caplog.text
    own = [tmp_path / "frontier" / LARGE, tmp_path / "frontier" / "notes.yml"]
    for folder in own:
        folder.mkdir()
    best = [replace(point, is_best=point.name == LARGE) for point in found()]
    write_frontier(tmp_path, best, config, lambda name: weights)
    assert files() == sorted([*own, path, path.with_suffix(".pdparams")])
