"""Tells others what became of a run. What goes wrong here is said in one line, and changes nothing about the run."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.config import Config, Fault
from pipeline.config.hooks import EVENTS, Hook

SUMMARY_VARIABLE = "TFX_EDGE_SUMMARY"
EVENT_VARIABLE = "TFX_EDGE_EVENT"
_RETRIED = (429, 500, 502, 503, 504)
_BACKOFF_SECONDS = 0.5


class HookFailed(Exception):
    """A hook did not do what it should, in words without secrets."""


def call_hooks(config: Config, summary: Mapping[str, Any], path: Path) -> Iterator[str]:
    """Calls all hooks of a run; yields what went wrong, a line each.

    Args:
        config: The configuration.
        summary: The run's summary.
        path: Where it stands; its bytes are the payload.
    """
    payload = path.read_bytes()
    for event in events_of(summary):
        for position, hook in enumerate(getattr(config.hooks, event)):
            try:
                _call(hook, event, payload, path)
            except HookFailed as error:
                yield f"hooks.{event}[{position}] {error}; the run is not affected"


def events_of(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """What there is to tell of a run."""
    drift = (summary.get("data") or {}).get("drift") or {}
    return (str(summary["status"]), *(("drift",) if drift.get("noticed") else ()))


def hook_faults(config: Config) -> list[Fault]:
    """Environment variables that are not set: not to be found out after a night of training."""
    faults = []
    for event in EVENTS:
        for position, hook in enumerate(getattr(config.hooks, event)):
            for key in ("webhook_env", "header_env"):
                name = getattr(hook, key)
                if name is not None and not os.environ.get(name):
                    must = "must name an environment variable that is set"
                    faults.append(Fault(("hooks", event, position, key), must, name, "set it, or remove the hook"))
    return faults


def _call(hook: Hook, event: str, payload: bytes, path: Path) -> None:
    if hook.command is not None:
        _run(hook, event, payload, path)
    else:
        _post(hook, event, payload)


def _run(hook: Hook, event: str, payload: bytes, path: Path) -> None:
    assert hook.command is not None
    environment = {**os.environ, SUMMARY_VARIABLE: str(path), EVENT_VARIABLE: event}
    try:
        # A session of its own, so that whatever it starts can be ended with it.
        child = subprocess.Popen(
            hook.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise HookFailed(f"must start {hook.command[0]}, but that gave: {error.strerror}") from error
    try:
        child.communicate(payload, timeout=hook.timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise HookFailed(f"must end within {hook.timeout_seconds:g} s, but {hook.command[0]} did not") from error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    if child.returncode:
        raise HookFailed(f"must end with exit code 0, but {hook.command[0]} gave {child.returncode}")


def _post(hook: Hook, event: str, payload: bytes) -> None:
    import urllib3
    from urllib3.exceptions import HTTPError, MaxRetryError

    url = hook.webhook or os.environ.get(hook.webhook_env or "", "")
    # What stands in the environment is a secret: its name is told, and nothing of its value.
    shown = hook.webhook or f"the URL in {hook.webhook_env}"
    headers = {"Content-Type": "application/json", "X-Tfx-Edge-Event": event}
    if hook.header_env is not None:
        headers["Authorization"] = os.environ.get(hook.header_env, "")
    # A request that was answered badly is made again: a receiver may see the same summary, with its run_id, twice.
    retry = urllib3.Retry(
        total=hook.retries,
        redirect=0,
        backoff_factor=_BACKOFF_SECONDS,
        status_forcelist=_RETRIED,
        allowed_methods={"POST"},
    )
    try:
        with urllib3.PoolManager() as pool:
            answer = pool.request(
                "POST", url, body=payload, headers=headers, timeout=hook.timeout_seconds, retries=retry
            )
    except MaxRetryError as error:
        raise HookFailed(f"must reach {shown}, but that gave: {type(error.reason).__name__}") from None
    except (HTTPError, ValueError) as error:
        raise HookFailed(f"must reach {shown}, but that gave: {type(error).__name__}") from None
    if answer.status >= 300:
        raise HookFailed(f"must get an answer below 300 from {shown}, but got {answer.status}")
