"""`data fetch NAME`: example data in place."""

import argparse
from pathlib import Path

from pipeline.console import Console
from pipeline.datasets import FOLDERS, MOST_SPANS, fetch

HELP = "put example data in place"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("action", choices=["fetch"], help="what to do")
    parser.add_argument("name", choices=sorted(FOLDERS), metavar="NAME", help=f"one of {', '.join(sorted(FOLDERS))}")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="the file of a set that no package brings along"
    )
    parser.add_argument("--spans", type=_spans, metavar="N", help="digits alone: cut into N spans, in their order")
    parser.add_argument("--to", type=Path, metavar="DIR", help="folder to write to, by default one under data/")


def execute(args: argparse.Namespace, console: Console) -> int:
    """Fetches, and says what is where."""
    fetched = fetch(args.name, args.to, args.source, spans=args.spans)
    count = f"{len(fetched.sha256)} file{'s' if len(fetched.sha256) > 1 else ''}"
    state = "written" if fetched.created else "there already, checksums right"
    console.say(f"{fetched.name}: {count} in {fetched.folder} ({state})")
    console.result(
        {
            "name": fetched.name,
            "path": str(fetched.folder),
            "created": fetched.created,
            "sha256": dict(fetched.sha256),
        }
    )
    return 0


def _spans(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_SPANS:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST_SPANS}, got {text!r}")
    return int(text)
