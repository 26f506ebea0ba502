"""Numbers as people read them."""

import doctest

import pytest

from report import figures


def test_the_examples_of_the_docstrings_are_true():
    results = doctest.testmod(figures)
    assert results.attempted > 10
    assert results.failed == 0


@pytest.mark.parametrize("show", [*figures.FILTERS.values()][:-1])
def test_what_is_absent_is_a_dash(show):
    assert show(None) == figures.ABSENT


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (9994, "9.99 kB"), (9996, "10.0 kB"), (999_499, "999 kB"),
     (999_600, "1.00 MB"), (3_210_000_000, "3.21 GB")],
)  # fmt: skip
def test_a_size_keeps_three_digits_at_the_borders_of_units(size_bytes, text):
    assert figures.size(size_bytes) == text
