"""The commands, one module each: `HELP`, `configure(parser)` and `execute(args, console) -> int`."""
