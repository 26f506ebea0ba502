"""Which Kubeflow Pipelines a command talks to, and as whom: from options, the environment and the configuration."""

import argparse
import ipaddress
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pipeline.config.faults import Fault, SectionError
from pipeline.config.kubeflow_client import checked_host
from pipeline.errors import UserError

TIMEOUT_S = 30.0
_TOKEN_HELP = "file with the token, read anew for each request; the token itself: TFX_EDGE_KFP_TOKEN"


class Keys(Protocol):
    """What the configuration says about the server; see `pipeline.config.kubeflow_client.ClientKeys`."""

    @property
    def host(self) -> str | None: ...  # noqa: D102
    @property
    def namespace(self) -> str | None: ...  # noqa: D102
    @property
    def experiment(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True)
class Connection:
    """A server, and how to speak to it.

    Attributes:
        host: Its address, without a slash at the end.
        origin: What named the address, for messages.
        namespace: Whose runs; `None` on an installation with one user.
        experiment: The experiment that was asked for; `None`: nobody named one.
        ui: Address of its pages.
        ca: File of certificates to trust; `None`: those that Python ships.
        timeout_s: How long one answer may take, in s.
        token: Reads the token; not shown, because logs and tracebacks show what dataclasses hold.
        cookie: The cookie of a log-in page; not shown either.
    """

    host: str
    origin: str
    namespace: str | None = None
    experiment: str | None = None
    ui: str = ""
    ca: Path | None = None
    timeout_s: float = TIMEOUT_S
    token: Callable[[], str | None] = field(default=lambda: None, repr=False)
    cookie: str | None = field(default=None, repr=False)

    @property
    def exposes_token(self) -> bool:
        """Whether a token would go through a network that others may read."""
        parts = urlsplit(self.host)
        name = parts.hostname or ""
        inside = name == "localhost" or name.endswith((".svc", ".svc.cluster.local")) or _loopback(name)
        return parts.scheme == "http" and not inside and self.token() is not None


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    group = parser.add_argument_group("the server (options come before the environment, then the configuration)")
    group.add_argument("--host", metavar="URL", help="address of Kubeflow Pipelines; TFX_EDGE_KFP_HOST")
    group.add_argument("--namespace", metavar="NAME", help="namespace of the runs; TFX_EDGE_KFP_NAMESPACE")
    group.add_argument(
        "--experiment",
        metavar="NAME",
        help="an experiment that exists; TFX_EDGE_KFP_EXPERIMENT; default: the pipeline's",
    )
    group.add_argument("--token-file", type=Path, metavar="FILE", help=_TOKEN_HELP)
    group.add_argument("--ca", type=Path, metavar="FILE", help="certificates to trust (PEM); TFX_EDGE_KFP_CA")
    group.add_argument(
        "--timeout", type=_timeout, default=TIMEOUT_S, metavar="SECONDS", help="how long one answer may take (30)"
    )


def read_connection(args: argparse.Namespace, keys: Keys | None, where: Callable[[str], str]) -> Connection:
    """The connection that options, environment and configuration describe.

    Args:
        args: With the options of `add_connection`.
        keys: Section `kubeflow` of the configuration, when it has one.
        where: Names the place of a key of that section, for messages.

    Raises:
        UserError: No host is named, or something that was named is wrong.
    """
    environ = os.environ
    host, origin = _first(
        (args.host, "--host"),
        (environ.get("TFX_EDGE_KFP_HOST"), "TFX_EDGE_KFP_HOST"),
        (keys.host if keys else None, where("host")),
        (environ.get("KF_PIPELINES_ENDPOINT"), "KF_PIPELINES_ENDPOINT"),
    )
    if host is None:
        ways = "--host, TFX_EDGE_KFP_HOST, KF_PIPELINES_ENDPOINT or the key kubeflow.host"
        raise UserError(f"the address of Kubeflow Pipelines must be given by {ways}, got none of them")
    host = _host(host, origin)
    namespace, _ = _first(
        (args.namespace, ""), (environ.get("TFX_EDGE_KFP_NAMESPACE"), ""), (_of(keys, "namespace"), "")
    )
    experiment, _ = _first(
        (args.experiment, ""),
        (environ.get("KF_PIPELINES_OVERRIDE_EXPERIMENT_NAME"), ""),
        (environ.get("TFX_EDGE_KFP_EXPERIMENT"), ""),
        (_of(keys, "experiment"), ""),
        (environ.get("KF_PIPELINES_DEFAULT_EXPERIMENT_NAME"), ""),
    )
    ca, ca_origin = _first(
        (args.ca, "--ca"),
        (environ.get("TFX_EDGE_KFP_CA"), "TFX_EDGE_KFP_CA"),
        (environ.get("SSL_CERT_FILE"), "SSL_CERT_FILE"),
    )
    if ca is not None and not Path(ca).is_file():
        raise UserError(f"{ca_origin}: must be a file of certificates (PEM), got {ca}, which is none")
    return Connection(
        host=host,
        origin=origin,
        namespace=namespace,
        experiment=experiment,
        ui=(environ.get("KF_PIPELINES_UI_ENDPOINT") or host).rstrip("/"),
        ca=None if ca is None else Path(ca),
        timeout_s=args.timeout,
        token=_token(args.token_file, environ),
        cookie=environ.get("TFX_EDGE_KFP_COOKIE") or None,
    )


def _token(option: Path | None, environ: Mapping[str, str]) -> Callable[[], str | None]:
    """Where the token comes from. Files are read for each request: those of service accounts change every hour."""
    inline = environ.get("TFX_EDGE_KFP_TOKEN")
    if option is None and inline:
        return lambda: inline.strip()
    path, origin = _first(
        (option, "--token-file"),
        (environ.get("TFX_EDGE_KFP_TOKEN_FILE"), "TFX_EDGE_KFP_TOKEN_FILE"),
        (environ.get("KF_PIPELINES_SA_TOKEN_PATH"), "KF_PIPELINES_SA_TOKEN_PATH"),
    )
    if path is None:
        return lambda: None

    def read() -> str:
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise UserError(f"{origin}: must be a file with a token, got {path} ({why})") from error
        if not text:
            raise UserError(f"{origin}: must be a file with a token, got {path}, which is empty")
        return text

    read()
    return read


def _host(text: str, origin: str) -> str:
    try:
        return checked_host(text)
    except SectionError as error:
        raise UserError(f"{origin}: {_told(error.faults[0])}") from error


def _told(fault: Fault) -> str:
    return str(fault)


def _of(keys: Keys | None, name: str) -> str | None:
    value: str | None = getattr(keys, name, None)
    return value


def _first(*candidates: tuple[str | Path | None, str]) -> tuple[str, str] | tuple[None, str]:
    """The first that was given, with what gave it; an empty variable counts as none."""
    return next(((str(value), origin) for value, origin in candidates if value), (None, ""))


def _loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def seconds(text: str) -> float:
    """A time of an option, in s.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds from 0 on, got {text}")
    return value


def _timeout(text: str) -> float:
    value = seconds(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"must be from 0.1 to 3600 seconds, got {text}")
    return value
