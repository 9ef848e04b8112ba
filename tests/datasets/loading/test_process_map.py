"""Work in several processes: order, errors, deaths."""

from __future__ import annotations

import os
import signal

import pytest

from paddleseg_lite.datasets.loading.process_map import process_map
from paddleseg_lite.errors import UserError


def double(item: int) -> int:
    if item == 13:
        raise UserError("13 is no number of ours")
    return 2 * item


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_results_come_in_order(num_workers):
    """Protects reports from the order in which processes finish."""
    assert list(process_map(double, range(12), num_workers, "work", "item")) == list(range(0, 24, 2))
    assert list(process_map(double, [], num_workers, "work", "item")) == []


@pytest.mark.parametrize("num_workers", [0, 2])
def test_errors_arrive(num_workers):
    """Protects the one sentence for the user."""
    with pytest.raises(UserError, match="13 is no number"):
        list(process_map(double, range(20), num_workers, "work", "item"))


def test_a_function_may_hold_what_cannot_be_pickled():
    """Protects data sets from files of the user's own: they are inherited, not sent."""
    assert list(process_map(lambda item: item + 1, range(4), 2, "work", "item")) == [1, 2, 3, 4]


def test_dead_process_is_an_error_and_no_hang():
    """Protects from waiting for ever for a process that the kernel killed."""

    def die(item: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(UserError, match="reading: a worker process died"):
        list(process_map(die, range(4), 2, "reading", "item"))


def test_number_of_processes_is_checked():
    """Protects from a message of the standard library."""
    with pytest.raises(UserError, match="num_workers is -1"):
        list(process_map(double, range(4), -1, "work", "item"))
