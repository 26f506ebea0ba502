"""`report CONFIG [RUN]`: writes the pages of a workspace anew, or serves them to this machine."""

import argparse
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import report_files
from pipeline.commands.config_argument import add_config, load_config
from pipeline.config import Config
from pipeline.console import Console
from pipeline.errors import UserError
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.overview.server import Pages, Server

HELP = "write the report of a run anew, or serve all of them with --serve"

DEFAULT_PORT = 8765
_NAMED = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)
    parser.add_argument(
        "run", nargs="?", metavar="RUN", help="id of a run, or how it begins; by default the newest with a summary"
    )
    parser.add_argument(
        "--serve", action="store_true", help="serve all pages to this machine, and keep them fresh, until Ctrl-C"
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help=f"with --serve: the port, 0 for any that is free; default: {DEFAULT_PORT}, or any that is free",
    )


def execute(args: argparse.Namespace, console: Console) -> int:
    """Does what was asked for."""
    if args.serve:
        if args.run is not None:
            raise UserError(f"--serve takes no RUN, got {args.run}; it serves the reports of all runs")
        return _serve(load_config(args), args.port, console)
    if args.port is not None:
        raise UserError("--port must stand beside --serve, got it alone; leave it out")
    return _write(load_config(args), args.run, console)


def _write(config: Config, wanted: str | None, console: Console) -> int:
    workspace = Workspace(config.workspace)
    run_id = find_run(workspace.runs, wanted)
    report: Path | None = None
    index: Path | None = None
    try:
        if run_id is not None:
            report = report_files.write_report(workspace.run_folder(run_id))
        if workspace.root.is_dir():
            index = report_files.write_index(config)
    except report_files.NoSummary as error:
        raise UserError(f"{error}, which it is not; run again, or name another run") from None
    except OSError as error:
        raise UserError(
            f"the workspace must be a folder that can be written, but {workspace.root} is not: {error.strerror}; "
            "mend that, or look with --serve, which writes nothing"
        ) from None
    console.show(f"no finished runs in {config.workspace} yet" if report is None else f"report   {report}")
    if index is not None:
        console.show(f"index    {index}")
    console.result({"run_id": run_id, "report": report and str(report), "index": index and str(index)})
    return 0


def find_run(runs: Path, wanted: str | None) -> str | None:
    """The id of a run with a summary.

    Args:
        runs: The folder of runs.
        wanted: Its id, or how that begins; None: the newest.

    Returns:
        None when there is no run at all and none was asked for.

    Raises:
        UserError: There is no such run, there are several, or it has no summary.
    """
    finished = sorted(path.parent.name for path in runs.glob("*/summary.json"))
    if wanted is None:
        return finished[-1] if finished else None
    found = [wanted] if wanted in finished else [run_id for run_id in finished if run_id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        few = f"{', '.join(found[:_NAMED])}{', ...' if len(found) > _NAMED else ''}"
        raise UserError(
            f"RUN must begin one id alone, got {wanted!r}, which begins {len(found)}: {few}; write more of it"
        )
    if Path(wanted).name == wanted and (runs / wanted).is_dir():
        raise UserError(f"RUN must be a finished run, got {wanted}, which has no summary: it goes on, or was killed")
    raise UserError(
        f"RUN must be the id of a finished run or how it begins, got {wanted!r}; {_nearest(wanted, finished)}"
    )


def _nearest(wanted: str, finished: list[str]) -> str:
    if not finished:
        return "no run has finished yet"
    from difflib import get_close_matches

    near = get_close_matches(wanted, finished, n=_NAMED, cutoff=0.6) or finished[: -_NAMED - 1 : -1]
    return f"the nearest are {', '.join(near)}" if len(near) > 1 else f"the nearest is {near[0]}"


def _serve(config: Config, port: int | None, console: Console) -> int:
    # What draws the pages takes a while to import, and writing them needs no server.
    from pipeline.overview.collect import Overview
    from pipeline.overview.server import ADDRESS, Pages
    from report import index_page

    workspace = Workspace(config.workspace)
    pages = Pages(Overview(config).collect, index_page.render, index_page.state)
    # Blocked from before the first thread on, so that the signal comes to the wait below and to nobody else.
    ending = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        with _listening(workspace.root, pages, port) as server:
            url = f"http://{ADDRESS}:{server.server_port}/"
            console.show(
                f"serving  {workspace.root}, read-only, to this machine alone\nopen     {url}\nend      Ctrl-C"
            )
            console.result({"url": url, "workspace": str(workspace.root)})
            threading.Thread(target=server.serve_forever, name="serve", daemon=True).start()
            received = signal.sigwait(ending)
            server.shutdown()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 128 + received


def _listening(root: Path, pages: "Pages", port: int | None) -> "Server":
    """On the port that was asked for; when none was, on the usual one or, where that is taken, on any."""
    from pipeline.overview.server import Server

    if port is None:
        with suppress(OSError):
            return Server(root, pages, DEFAULT_PORT)
        port = 0
    try:
        return Server(root, pages, port)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "it must be from 0 to 65535"
        raise UserError(
            f"--port must be free and allowed, got {port}: {why}; choose another one, or --port 0 for any that is free"
        ) from None
