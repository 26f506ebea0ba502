"""Requests to Kubeflow Pipelines, and what each kind of failure means, in one line.

Takes the place of the HTTP part of `kfp_server_api`, whose paths and models are used as they are: that part knows no
time-out by default, follows redirects to log-in pages with the token, and lets urllib3's errors through.
"""

import json
import logging
import re
import ssl
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import certifi
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from kubeflow.connection import Connection
from pipeline.errors import EdgeError, UserError

_CONNECT_S = 10.0
_MESSAGE_LENGTH = 300


class ClusterError(EdgeError):
    """The cluster cannot do it now; the request was all right as far as one can tell.

    Attributes:
        passing: Whether the same request may succeed a little later.
    """

    exit_code = 1

    def __init__(self, message: str, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class Refused(UserError):
    """The server answered, and said no.

    Attributes:
        status: HTTP status of the answer.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Answer:
    """What `kfp_server_api.ApiClient` wants to see of a response."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status, self.reason, self.data = response.status, response.reason, response.data
        self._headers = response.headers

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """One header."""
        return self._headers.get(name, default)

    def getheaders(self) -> Mapping[str, str]:
        """All headers."""
        return self._headers


class Transport:
    """Sends requests over one connection; has the interface of `kfp_server_api.rest.RESTClientObject`.

    Args:
        connection: The server.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # It would tell of each try on standard error.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        # Only what never reached the server is sent again.
        retries = urllib3.Retry(
            total=2, connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.1, raise_on_status=False
        )
        options: dict[str, Any] = {
            "cert_reqs": ssl.CERT_REQUIRED,
            "ca_certs": str(connection.ca or certifi.where()),
            "timeout": urllib3.Timeout(connect=min(_CONNECT_S, connection.timeout_s), read=connection.timeout_s),
            "retries": retries,
        }
        proxy = _proxy(connection.host)
        self._pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)

    def request(
        self,
        method: str,
        url: str,
        query_params: Sequence[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        post_params: Sequence[tuple[str, Any]] | None = None,
        _preload_content: bool = True,
        _request_timeout: object = None,
    ) -> Answer:
        """Sends one request.

        Raises:
            ClusterError: The server cannot be reached, takes too long, or fails.
            Refused: It says no.
        """
        sent = dict(headers or {})
        token = self._connection.token()
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        if query_params:
            url += "?" + urlencode(query_params)
        try:
            if post_params:
                sent.pop("Content-Type", None)  # urllib3 writes it, with the boundary
                response = self._pool.request(method, url, fields=list(post_params), headers=sent, redirect=False)
            else:
                text = None if body is None else json.dumps(body)
                response = self._pool.request(method, url, body=text, headers=sent, redirect=False)
        except (HTTPError, OSError) as error:
            raise self._unreachable(error, method) from error
        self._judge(response, token)
        return Answer(response)

    def GET(self, url: str, **rest: Any) -> Answer:  # noqa: N802 (the interface of kfp_server_api)
        """Reads."""
        return self.request("GET", url, **rest)

    def POST(self, url: str, **rest: Any) -> Answer:  # noqa: N802
        """Makes or changes."""
        return self.request("POST", url, **rest)

    def DELETE(self, url: str, **rest: Any) -> Answer:  # noqa: N802
        """Removes."""
        return self.request("DELETE", url, **rest)

    def _unreachable(self, error: Exception, method: str) -> EdgeError:
        cause: BaseException = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        host = f"{self._connection.host} (from {self._connection.origin})"
        if isinstance(cause, SSLError | ssl.SSLError):
            return UserError(f"the certificate of {host} must be valid: {_tls(cause)}; --ca FILE names one to trust")
        if isinstance(cause, NameResolutionError):
            return ClusterError(f"{host} cannot be found: no such name; is the address right?", passing=True)
        late = isinstance(cause, ConnectTimeoutError | ReadTimeoutError | TimeoutError)
        if late and not isinstance(cause, NewConnectionError):
            seconds = f"{self._connection.timeout_s:g} s"
            done = "" if method == "GET" else "; it may have done what it was asked for: look before you ask again"
            return ClusterError(f"{host} did not answer within {seconds} (--timeout){done}", passing=True)
        words = " ".join(str(cause).split())
        what = "connection refused" if "refused" in words.lower() else words.rpartition(": ")[2]
        return ClusterError(f"{host} cannot be reached: {what}; is the server, or the port-forward, up?", passing=True)

    def _judge(self, response: urllib3.BaseHTTPResponse, token: str | None) -> None:
        status, host = response.status, self._connection.host
        kind = response.headers.get("content-type", "")
        if 200 <= status < 300:
            if not _is_object(response.data):
                raise self._no_api(kind or "no type")
            return
        said = _said(response.data, kind)
        # A server may repeat what it was sent.
        for secret in filter(None, (token, self._connection.cookie)):
            said = said.replace(secret, "***")
        if 300 <= status < 400:
            login = urlsplit(response.headers.get("location", "")).netloc or "another page"
            raise Refused(f"{host} wants a log-in (it leads to {login}); {_credentials(token)}", status)
        if status in (401, 403):
            what = "does not know who asks" if status == 401 else "does not let this be done"
            raise Refused(f"{host} {what} ({status}{said}); {_credentials(token)}", status)
        if status == 429 or status >= 500:
            raise ClusterError(f"{host} failed ({status}{said}); its logs tell more", passing=status != 501)
        if status == 404 and "json" not in kind:
            raise self._no_api(f"404, {kind or 'no type'}")
        raise Refused(f"{host} refuses the request ({status}{said})", status)

    def _no_api(self, answer: str) -> UserError:
        return UserError(
            f"{self._connection.origin}: must be the address of the API of Kubeflow Pipelines, such as "
            f"https://kubeflow.example/pipeline, got {self._connection.host}, which answers something else ({answer})"
        )


def _is_object(data: bytes) -> bool:
    """Whether it is what the API answers with; nothing at all is right where nothing is to be told."""
    try:
        return not data or isinstance(json.loads(data), dict)
    except ValueError:
        return False


def _credentials(token: str | None) -> str:
    if token is None:
        return "no token was sent: give one by --token-file or TFX_EDGE_KFP_TOKEN"
    return "look at the token (has it expired?) and at the namespace (has its owner rights there?)"


def _said(data: bytes, kind: str) -> str:
    """What the server says, in one line, with a colon in front."""
    text = data.decode(errors="replace")
    if "json" in kind:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, dict):
            text = str(value.get("message") or value.get("error_message") or value.get("error") or "")
    elif "html" in kind:
        text = re.sub(r"<[^>]*>", " ", text)
    line = " ".join(text.split())
    return f": {line[:_MESSAGE_LENGTH]}" if line else ""


def _tls(cause: BaseException) -> str:
    words = " ".join(str(cause).split())
    found = re.search(r"certificate verify failed: (.*?)(?: \(_ssl|\)|$)", words)
    return found[1] if found else words.rpartition("] ")[2] or words


def _proxy(host: str) -> str | None:
    """The proxy that the environment names for an address."""
    parts = urlsplit(host)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
