"""What is needed next: in order, a few ahead, and no more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import pytest

from paddleseg_lite.datasets.loading.prefetch import prefetch_map, with_next


def test_results_are_made_ahead_but_not_all_at_once():
    """The results come in order, and no more than a few wait in memory."""
    started = []

    def work(item):
        started.append(item)
        return item * 10

    with ThreadPoolExecutor(2) as pool:
        for item, result in enumerate(prefetch_map(pool, work, iter(range(50)))):
            assert result == item * 10
            assert max(started) <= item + 2
        assert sorted(started) == list(range(50))
        assert list(islice(prefetch_map(pool, work, count()), 3)) == [0, 10, 20]
        assert list(prefetch_map(pool, work, [])) == []


def test_an_exception_comes_in_its_place():
    """What went before it is not lost."""
    with ThreadPoolExecutor(2) as pool:
        results = prefetch_map(pool, lambda item: 1 // item, [1, 1, 0, 1])
        assert [next(results), next(results)] == [1, 1]
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_each_item_comes_with_the_next():
    """What is needed next is at hand before it is needed, and nothing behind it."""
    made = []

    def items():
        for item in range(3):
            made.append(item)
            yield item

    pairs = with_next(items())
    assert next(pairs) == (0, 1)
    assert made == [0, 1]
    assert list(pairs) == [(1, 2), (2, None)]
    assert list(with_next([])) == []


def test_an_error_of_the_next_item_waits_for_this_one_to_be_used():
    """A file that cannot be read must not take away the iteration before it."""
    pairs = with_next(1 // item for item in (1, 1, 0, 1))
    assert [next(pairs), next(pairs)] == [(1, 1), (1, None)]
    with pytest.raises(ZeroDivisionError):
        next(pairs)
