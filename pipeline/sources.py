"""The input files of a run, with their content hashes, resolved before the graph is built."""

from collections.abc import Callable
from pathlib import Path

from components.errors import InputError
from components.ingest_spec import AudioOptions, ImageOptions, IngestSpec, Limits, SplitShare, TableOptions
from components.source_files import file_sha256, find_window, resolve
from components.spans import Pattern, Window
from components.targets import to_text
from compression.outputs import by_output
from pipeline.config import Config
from pipeline.errors import UserError


def ingest_spec(config: Config, digest: Callable[[Path], str] = file_sha256) -> IngestSpec:
    """What ingest reads for this configuration, from the files as they are now.

    Args:
        config: The configuration.
        digest: Gives the sha256 of a file's content.

    Raises:
        UserError: There is nothing to read, or names of spans are ambiguous.
    """
    try:
        return resolve(unresolved_spec(config), digest)
    except InputError as error:
        raise UserError(str(error)) from error


def unresolved_spec(config: Config) -> IngestSpec:
    """What ingest reads for this configuration, without its files: it looks for them when it runs."""
    ranges = config.data.splits.ranges()
    shares = tuple(
        SplitShare(split, part.source or "", part.first, part.first + part.buckets, part.total, part.values)
        for split, part in ranges.items()
    )
    return IngestSpec(
        format=config.data.format,
        label=to_text(config.data.labels),
        task=to_text(config.tasks),
        arrays=config.data.arrays or {},
        shares=shares,
        path=config.data.path,
        spans=config.data.window_spans,
        eval_on=config.data.eval_on,
        classes=_classes(config),
        table=TableOptions(
            types=dict(config.data.columns),
            fill=config.data.fill,
            ignore=config.data.ignore,
            delimiter=config.data.delimiter,
        ),
        images=ImageOptions(**config.data.images.model_dump(exclude_none=True)) if config.data.images else None,
        audio=AudioOptions(**config.data.audio.model_dump(exclude_none=True)) if config.data.audio else None,
        group_by=config.data.group_by or "",
        split_column=config.data.splits.column if config.data.splits_by_column else "",
        limits=Limits(**config.data.limits.model_dump()),
    )


def _classes(config: Config) -> dict[str, tuple[str, ...]]:
    """The names of the classes by the label's feature."""
    names = by_output(config.data.label_names or ())
    return {feature: names[output] for output, feature in config.data.labels.items() if names.get(output)}


def read_spans(config: Config) -> Window | None:
    """The spans that a run would read, without a look into their files; `None` for data without spans.

    Raises:
        SpanError: There is none that holds data, or their names are ambiguous.
    """
    pattern = Pattern.parse(config.data.path)
    return None if pattern is None else find_window(unresolved_spec(config), pattern)
