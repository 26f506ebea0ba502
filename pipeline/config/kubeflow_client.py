"""Keys of the section `kubeflow` that the client reads: which server, whose experiment, and when runs come."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from compression.settings import Settings
from pipeline.config.faults import Fault, SectionError, show
from pipeline.config.names import K8S_NAME
from pipeline.config.six_fields import fault_of

MAX_EXPERIMENT = 128


def checked_host(url: str) -> str:
    """The address of a server, without a slash at its end.

    Raises:
        SectionError: It is none, or holds what must not stand in a file.
    """
    must = "must be the address of Kubeflow Pipelines such as https://kubeflow.example/pipeline"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises for a port that is none)
    except ValueError as error:
        raise SectionError(Fault((), must, show(url), str(error))) from error
    if parts.username is not None or parts.password is not None:
        raise SectionError(Fault((), must, "an address with credentials", "give the token by TFX_EDGE_KFP_TOKEN"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SectionError(Fault((), must, show(url), "it begins with http:// or https://"))
    if parts.query or parts.fragment:
        raise SectionError(Fault((), must, show(url), "leave out what follows ? or #"))
    return url.rstrip("/")


def checked_cron(expression: str) -> str:
    """A cron expression of six fields, with single spaces between them.

    Raises:
        SectionError: The scheduler of Kubeflow Pipelines would refuse it or never fire.
    """
    fault = fault_of(expression)
    if fault is not None:
        must = "must be a cron expression of six fields: second, minute, hour, day of month, month, day of week"
        raise SectionError(Fault((), must, show(expression), fault))
    return " ".join(expression.split())


class ClientKeys(Settings):
    """Where `submit` and `schedule` send the pipeline, and when it runs there."""

    host: Annotated[str, AfterValidator(checked_host)] | None = Field(
        default=None,
        description="address of Kubeflow Pipelines, such as `https://kubeflow.example/pipeline`; `--host` and "
        "`TFX_EDGE_KFP_HOST` come first",
    )
    namespace: str | None = Field(
        default=None,
        pattern=K8S_NAME,
        max_length=63,
        description="whose runs they are, on an installation with several users",
    )
    experiment: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_EXPERIMENT,
        description="an experiment that exists; default: one with the pipeline's name, made when it is missing",
    )
    schedule: Annotated[str, AfterValidator(checked_cron)] | None = Field(
        default=None,
        description="when `python -m kubeflow schedule` lets it run: six fields, second first, such as `0 0 2 * * *`, "
        "in the time zone of the cluster's scheduler (UTC unless its administrator changed it)",
    )
