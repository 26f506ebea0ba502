"""`schema`: the JSON Schema of the configuration for editors, or its reference for people."""

import argparse
import json
from pathlib import Path

from pipeline.config.reference import reference_markdown
from pipeline.config.schema import json_schema
from pipeline.console import Console
from pipeline.errors import UserError

HELP = "print the JSON Schema of the configuration"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--markdown", action="store_true", help="print the reference of keys, as in configs/README.md")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to a file")


def execute(args: argparse.Namespace, console: Console) -> int:
    """Prints or writes the schema."""
    schema = json_schema()
    text = reference_markdown() if args.markdown else json.dumps(schema, indent=2) + "\n"
    if args.output is None:
        console.show(text.removesuffix("\n"))
        console.result({"markdown": text} if args.markdown else schema)
        return 0
    try:
        args.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{args.output} must be writable, got: {error.strerror}") from None
    console.say(f"wrote {args.output}")
    console.result({"written": str(args.output)})
    return 0
