"""Writes the pages of a workspace: `report.html` beside a summary, and `index.html` over all runs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.durable import read_json, replace_text
from pipeline.overview.collect import Overview
from pipeline.workspace import Workspace

REPORT = "report.html"
INDEX = "index.html"
SUMMARY = "summary.json"
DETAILS = "details.json"


class NoSummary(Exception):
    """A run has no summary, or none that can be read: there is nothing to make a page of."""


def write_report(folder: Path) -> Path:
    """Writes the page of a run anew, from its summary and its details, whole or not at all.

    Args:
        folder: Folder of the run. Runs of older releases left no details.

    Returns:
        Where the page stands.

    Raises:
        NoSummary: There is no summary, or one of another form.
        OSError: The page cannot be written.
    """
    from report import run_page

    summary = read_json(folder / SUMMARY)
    if summary is None:
        raise NoSummary(f"{folder / SUMMARY} must be a readable summary")
    try:
        text = run_page.render(summary, read_json(folder / DETAILS), f"../../{INDEX}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"{folder / SUMMARY} and {DETAILS} beside it must be as this release writes them"
        raise NoSummary(f"{said} ({type(error).__name__}: {error})") from error
    return _replace(folder / REPORT, text)


def write_index(config: Config) -> Path:
    """Writes the page of the workspace anew, whole or not at all.

    Returns:
        Where the page stands.

    Raises:
        OSError: The page cannot be written.
    """
    return _replace(Workspace(config.workspace).root / INDEX, index_html(Overview(config).collect()))


def index_html(overview: Mapping[str, Any]) -> str:
    """The page of a workspace.

    Args:
        overview: As from `Overview.collect`.
    """
    # What draws the charts takes a while to import.
    from report import index_page

    return index_page.render(overview)


def refresh_index(config: Config, warn: Callable[[str], None]) -> None:
    """Writes the page of a workspace anew where there is one, after something that was no run; see `after_run`."""
    if (Workspace(config.workspace).root / INDEX).is_file():
        _attempt("page of the workspace", lambda: write_index(config), config, warn)


def after_run(config: Config, run_id: str, warn: Callable[[str], None]) -> Path | None:
    """Both pages, at the end of a run; what goes wrong here is one warning and no fault of the run.

    Args:
        config: The configuration.
        run_id: Id of the run, whose summary is written.
        warn: Called with a warning.

    Returns:
        Where the page of the run stands; None when it could not be written.
    """
    folder = Workspace(config.workspace).run_folder(run_id)
    made = _attempt("report of the run", lambda: write_report(folder), config, warn)
    _attempt("page of the workspace", lambda: write_index(config), config, warn)
    return made


def _attempt(what: str, write: Callable[[], Path], config: Config, warn: Callable[[str], None]) -> Path | None:
    try:
        return write()
    except Exception as error:  # a page is no reason to lose a model that was pushed
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        warn(f"the {what} must be written, but that gave: {cause}; tfx-edge report {config.file} writes it again")
        return None


def _replace(path: Path, text: str) -> Path:
    # Not flushed: a page that a power cut took is written again in no time.
    replace_text(path, text, flushed=False)
    return path
