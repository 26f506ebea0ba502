"""Where the images of Fashion-MNIST are."""

import os
from pathlib import Path

FILE = "fashion_mnist.npz"


def data_file() -> Path:
    """Where the images are: in the folder that `EDGE_DATA` names, or where `data fetch fashion-mnist` puts them.

    Raises:
        SystemExit: They are in neither place.
    """
    folders = [Path(os.environ["EDGE_DATA"])] if "EDGE_DATA" in os.environ else [Path("../shared/data")]
    places = [*(folder / FILE for folder in folders), Path("data/fashion_mnist") / FILE]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise SystemExit(
            f"the benchmark needs {FILE}, which is in none of {', '.join(map(str, places))}; set EDGE_DATA to its "
            "folder, or run: python -m pipeline data fetch fashion-mnist"
        )
    return found
