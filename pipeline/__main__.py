"""`python -m pipeline`, installed as `tfx-edge`."""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
