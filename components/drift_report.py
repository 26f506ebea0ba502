"""What `components.drift` found, read without TFDV."""

import json
from typing import Any

from tfx.dsl.io import fileio

REPORT_FILE = "drift.json"


def read_drift(uri: str) -> dict[str, Any]:
    """`{drift, skew, not_measured}`; the first two are null, or hold `distance`, `feature`, `noticed` and more."""
    with fileio.open(f"{uri}/{REPORT_FILE}") as stream:
        return json.loads(stream.read())
