"""Summaries and details of real runs."""

import json
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parent / "samples"


def read(name: str) -> tuple[dict, dict]:
    return tuple(json.loads((SAMPLES / name / file).read_text()) for file in ("summary.json", "details.json"))


@pytest.fixture
def digits() -> tuple[dict, dict]:
    """A run that pushed."""
    return read("digits")


@pytest.fixture
def all_failed() -> tuple[dict, dict]:
    """A run in which every conversion failed."""
    return read("all_failed")
