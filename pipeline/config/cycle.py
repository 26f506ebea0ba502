"""The section `cycle`: when `cycle --watch` looks for something new, and what it does when a cycle fails."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field

from compression.settings import Settings
from pipeline.config.faults import Fault, SectionError, show


def _expression(text: str) -> str:
    try:
        if len(text.split()) != 5:
            raise CronSimError("it must have five fields")
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        must = "must be a cron expression: minute, hour, day of month, month, day of week"
        raise SectionError(Fault((), must, show(text), str(error).rstrip(".") or "it never comes")) from error
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SectionError(Fault((), "must be a time zone such as Europe/Berlin or UTC", show(name))) from error
    return name


class CycleSection(Settings):
    """When `cycle --watch` looks for something new, and what it does when a cycle fails."""

    trigger: Literal["spans", "drift"] = Field(
        default="spans",
        description="what makes new data a reason to train: that they are there, or that their drift reaches "
        "`data.guard.drift.notice`",
    )
    poll_seconds: float = Field(default=60, ge=0.1, le=86_400, description="how often it is looked for new data, in s")
    file_events: bool = Field(
        default=False, description="look at once when files appear, too; `poll_seconds` counts all the same"
    )
    schedule: Annotated[str, AfterValidator(_expression)] | None = Field(
        default=None, description="look at these times alone, such as `0 3 * * *`; five fields"
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(default="UTC", description="the time zone of `schedule`")
    stop_seconds: float = Field(
        default=30, ge=0, le=3600, description="how long a cycle may take to end after SIGTERM, before it is killed"
    )
    backoff_seconds: float = Field(
        default=60,
        ge=0.1,
        le=86_400,
        description="pause after a failed cycle, doubled with each further one up to 1 h",
    )
    max_failures: int = Field(default=5, ge=1, le=1000, description="so many failed cycles in a row end the watch")
