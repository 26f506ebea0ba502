"""The section `hooks`: whom to tell when a run pushed, was blocked, failed, or found that data drifted."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from compression.settings import Settings
from pipeline.config.faults import Fault, SectionError, show
from pipeline.config.push import EnvironmentName

EVENTS = ("pushed", "blocked", "failed", "drift")


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SectionError(Fault((), "must be an http or https URL", show(text)))
    if parts.username is not None or parts.password is not None:
        must, advice = "must hold no credentials", "put the whole URL into an environment variable: webhook_env"
        raise SectionError(Fault((), must, "a URL with a user", advice))
    return text


class Hook(Settings):
    """A command that is called, or a URL that is posted to, with the run's summary."""

    command: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="program and arguments, without a shell; the summary comes on standard input"
    )
    webhook: Annotated[str, AfterValidator(_url)] | None = Field(default=None, description="URL that is posted to")
    webhook_env: EnvironmentName | None = Field(
        default=None, description="environment variable that holds the URL, for one that is a secret itself"
    )
    header_env: EnvironmentName | None = Field(
        default=None, description="environment variable with the value of the header `Authorization`"
    )
    timeout_seconds: float = Field(default=10, gt=0, le=600, description="how long a command or one try may take")
    retries: int = Field(default=3, ge=0, le=10, description="further tries of a webhook that does not answer well")

    @model_validator(mode="after")
    def _consistent(self) -> "Hook":
        given = [name for name in ("command", "webhook", "webhook_env") if getattr(self, name) is not None]
        if len(given) != 1:
            must = "must hold one of command, webhook and webhook_env"
            raise SectionError(Fault((), must, " and ".join(given) or "none of them"))
        if self.command is not None and self.header_env is not None:
            raise SectionError(Fault(("header_env",), "must be left out beside command", self.header_env))
        return self


Hooks = Annotated[tuple[Hook, ...], Field(strict=False)]


class HooksSection(Settings):
    """Whom to tell what became of a run; see docs/hooks.md."""

    pushed: Hooks = Field(default=(), description="after a run that pushed a model")
    blocked: Hooks = Field(default=(), description="after a run whose models did not pass")
    failed: Hooks = Field(default=(), description="after a run that failed or was interrupted")
    drift: Hooks = Field(default=(), description="after a run whose data drifted by `data.guard.drift.notice` or more")
