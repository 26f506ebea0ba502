"""The section `push`: where models go, how many stay, and who vouches for them."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from compression.settings import Settings
from pipeline.config.faults import Fault, SectionError, show
from pipeline.config.names import FILE_PATH
from registry.storage import is_uri

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"//[^/]*@|[?&#]")
_CHAIN = re.compile(r"::[^/]*://|^[a-z0-9]+::", re.IGNORECASE)


def place_without_secrets(place: str) -> str:
    """Credentials in a URI would end up in metadata, logs and manifests."""
    if _CHAIN.search(place):
        must = "must be one folder or one URI, with no other inside it"
        raise SectionError(Fault((), must, "a chain with ::", "see docs/registry.md"))
    if is_uri(place) and _SECRET.search(place):
        must = "must hold no credentials and no parameters: they belong into the environment"
        raise SectionError(Fault((), must, "a URI with @, ? or &", "see docs/registry.md"))
    return place


def _environment_name(name: str) -> str:
    if not _ENVIRONMENT_NAME.fullmatch(name):
        raise SectionError(Fault((), "must be the name of an environment variable", show(name)))
    return name


EnvironmentName = Annotated[str, AfterValidator(_environment_name)]


class PushSection(Settings):
    """Where models are pushed to, how many of them stay, and with which key they are signed."""

    to: Annotated[str, AfterValidator(place_without_secrets)] | None = Field(
        default=None,
        pattern=FILE_PATH,
        description="the registry: a folder, or a URI that fsspec can open, such as `s3://bucket/models`; credentials "
        "come from the environment; default: `registry` in the workspace",
    )
    keep: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="how many versions stay, beside the current one and the one that a rollback goes to; default: all",
    )
    sign_key_env: EnvironmentName | None = Field(
        default=None,
        description="the environment variable that holds the Ed25519 private key (PEM) which signs manifests",
    )
    verify_key: str | None = Field(
        default=None,
        pattern=FILE_PATH,
        description="file of the Ed25519 public key (PEM); with it `registry verify` wants every version signed",
    )
