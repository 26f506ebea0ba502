"""How the client reaches a server, and the one line that each kind of failure gets."""

import datetime
import ipaddress
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

REPOSITORY = Path(__file__).parents[3]

SECRET = "top-secret-token"


def refused(tool, *options):
    """The exit code and the one line on standard error of a command that failed."""
    code, out, err = tool("schedule", "--list", *options)
    assert (out, err.count("\n")) == ("", 1)
    return code, err.rstrip()


def certificate(folder, address):
    """A self-signed certificate for an address; gives the server's side and the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stub")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "ca.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kinds = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, *kinds))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public


def test_connection_refused(tool):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    host = f"http://127.0.0.1:{port}"
    assert refused(tool, "--host", host) == (
        1,
        f"{host} (from --host) cannot be reached: connection refused; is the server, or the port-forward, up?",
    )


def test_a_name_that_is_none(tool):
    code, line = refused(tool, "--host", "http://no-such-host.invalid")
    assert (code, line) == (
        1,
        "http://no-such-host.invalid (from --host) cannot be found: no such name; is the address right?",
    )


def test_an_answer_that_does_not_come(stub, tool):
    stub.wrong = lambda method, path: "hang"
    code, line = refused(tool, "--host", stub.url, "--timeout", "0.1")
    assert (code, line) == (1, f"{stub.url} (from --host) did not answer within 0.1 s (--timeout)")


def test_what_was_asked_may_be_done_although_no_answer_came(stub, tool):
    stub.wrong = lambda method, path: "hang" if method == "POST" else None
    code, _, err = tool("submit", "--host", stub.url, "--timeout", "0.1")
    assert code == 1
    assert err.endswith("it may have done what it was asked for: look before you ask again\n")


def test_a_connection_that_breaks(stub, tool):
    stub.wrong = lambda method, path: "close"
    code, line = refused(tool, "--host", stub.url)
    assert code == 1
    assert line.startswith(f"{stub.url} (from --host) cannot be reached: ")


def test_what_makes_something_is_sent_once(stub, tool):
    sent = []
    stub.wrong = lambda method, path: sent.append(path) or "close" if method == "POST" else None
    assert tool("submit", "--host", stub.url)[0] == 1
    assert len(sent) == 1


def test_a_certificate_is_checked(serve, tool, tmp_path, monkeypatch):
    context, public = certificate(tmp_path, "127.0.0.1")
    stub = serve(context)
    code, line = refused(tool, "--host", stub.url)
    assert code == 2
    assert line.startswith(f"the certificate of {stub.url} (from --host) must be valid: self-signed certificate")
    assert tool("schedule", "--list", "--host", stub.url, "--ca", public)[0] == 0
    monkeypatch.setenv("TFX_EDGE_KFP_CA", str(public))
    assert tool("schedule", "--list", "--host", stub.url)[0] == 0
    assert refused(tool, "--host", stub.url, "--ca", tmp_path / "none.pem")[0] == 2


def test_a_certificate_for_another_address_is_refused(serve, tool, tmp_path):
    context, public = certificate(tmp_path, "127.0.0.2")
    stub = serve(context)
    code, line = refused(tool, "--host", stub.url, "--ca", public)
    assert (code, "127.0.0.1" in line, len(stub.requests)) == (2, True, 0)


@pytest.mark.parametrize(
    ("status", "said", "code", "words"),
    [
        (401, "no", 2, "does not know who asks (401: no); no token was sent"),
        (403, "no rights", 2, "does not let this be done (403: no rights); no token was sent"),
        (404, "nothing here", 2, "refuses the request (404: nothing here)"),
        (429, "slow down", 1, "failed (429: slow down); its logs tell more"),
        (500, "boom", 1, "failed (500: boom)"),
        (503, "", 1, "failed (503); its logs tell more"),
    ],
)
def test_each_status_has_its_line(stub, tool, status, said, code, words):
    stub.wrong = lambda method, path: (status, {"message": said, "code": 1}, "application/json")
    found, line = refused(tool, "--host", stub.url)
    assert found == code
    assert f"{stub.url} {words}" in line


def test_a_page_of_a_proxy_is_shown_as_text(stub, tool):
    stub.wrong = lambda method, path: (502, "<html><h1>Bad\nGateway</h1></html>", "text/html")
    assert refused(tool, "--host", stub.url)[1] == f"{stub.url} failed (502: Bad Gateway); its logs tell more"


@pytest.mark.parametrize("asked", ["/experiments", "/upload_version"])
def test_a_log_in_page_is_not_followed(stub, tool, asked):
    stub.wrong = lambda method, path: (302, "", "text/html") if path.endswith(asked) else None
    code, _, err = tool("submit", "--host", stub.url)
    assert code == 2
    assert err.startswith(f"{stub.url} wants a log-in (it leads to login.example); no token was sent")


@pytest.mark.parametrize("status", [200, 404])
def test_a_page_that_is_no_api(stub, tool, status):
    stub.wrong = lambda method, path: (status, "<html></html>", "text/html")
    code, line = refused(tool, "--host", stub.url)
    assert code == 2
    assert line.startswith("--host: must be the address of the API of Kubeflow Pipelines")


def test_json_that_is_none(stub, tool):
    stub.wrong = lambda method, path: (200, "{", "application/json")
    code, line = refused(tool, "--host", stub.url)
    assert (code, line.startswith("--host: must be the address of the API")) == (2, True)


@pytest.mark.parametrize("way", ["option", "variable", "file variable", "kfp variable"])
def test_the_token_is_sent_and_never_shown(stub, tool, tmp_path, monkeypatch, way):
    path, options = tmp_path / "token", ()
    path.write_text(f"{SECRET}\n")
    stub.token = SECRET
    if way == "option":
        options = ("--token-file", path)
        monkeypatch.setenv("TFX_EDGE_KFP_TOKEN", "another")
    elif way == "variable":
        monkeypatch.setenv("TFX_EDGE_KFP_TOKEN", SECRET)
    else:
        monkeypatch.setenv({"f": "TFX_EDGE_KFP_TOKEN_FILE", "k": "KF_PIPELINES_SA_TOKEN_PATH"}[way[0]], str(path))
    assert tool("schedule", "--list", "--host", stub.url, *options)[0] == 0
    stub.token = "changed"
    code, line = refused(tool, "--host", stub.url, *options)
    assert code == 2
    assert "does not know who asks (401: who is Bearer ***?); look at the token" in line


def test_a_token_file_is_read_anew_for_each_request(stub, tool, tmp_path):
    path = tmp_path / "token"
    path.write_text("first")
    stub.token = "first"

    def turn(method, path_asked):
        if path_asked.endswith("/pipelines"):
            path.write_text("second")
            stub.wrong = after

    def after(method, path_asked):
        stub.token = "second"

    stub.wrong = turn
    assert tool("submit", "--host", stub.url, "--no-wait", "--token-file", path)[0] == 0
    assert {each.get("authorization") for each in stub.headers} == {"Bearer first", "Bearer second"}


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), (b"\n", "which is empty"), (b"\xff", "no text")])
def test_a_token_file_that_holds_none(stub, tool, tmp_path, content, why):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    code, line = refused(tool, "--host", stub.url, "--token-file", path)
    assert code == 2
    assert line.startswith(f"--token-file: must be a file with a token, got {path}")
    assert why in line


def test_a_token_without_encryption_is_warned_of(tool, monkeypatch):
    monkeypatch.setenv("TFX_EDGE_KFP_TOKEN", SECRET)
    _, _, err = tool("schedule", "--list", "--host", "http://no-such-host.invalid")
    assert err.startswith("warning: the token goes to http://no-such-host.invalid without encryption; use https\n")
    assert SECRET not in err


def test_a_cookie_goes_along(stub, tool, monkeypatch):
    monkeypatch.setenv("TFX_EDGE_KFP_COOKIE", "session=1")
    tool("schedule", "--list", "--host", stub.url)
    assert stub.headers[0]["cookie"] == "session=1"
    stub.wrong = lambda method, path: (403, {"message": "no rights with session=1"}, "application/json")
    assert "(403: no rights with ***)" in refused(tool, "--host", stub.url)[1]


def test_who_names_the_host(stub, tool, monkeypatch):
    """The option comes before the environment, the environment before the file, and kfp's own variable is last."""
    nowhere = "http://127.0.0.1:1"
    assert refused(tool) == (
        2,
        "the address of Kubeflow Pipelines must be given by --host, TFX_EDGE_KFP_HOST, KF_PIPELINES_ENDPOINT or the "
        "key kubeflow.host, got none of them",
    )
    steps = [
        lambda url: monkeypatch.setenv("KF_PIPELINES_ENDPOINT", url),
        lambda url: tool.set("host", url),
        lambda url: monkeypatch.setenv("TFX_EDGE_KFP_HOST", url),
    ]
    for step in steps:
        step(f"{stub.url}/")
        assert tool("schedule", "--list")[0] == 0
        step(nowhere)
        assert tool("schedule", "--list")[0] == 1
    assert tool("schedule", "--list", "--host", stub.url)[0] == 0


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("kubeflow.example", "it begins with http:// or https://"),
        ("ftp://kubeflow.example", "it begins with http:// or https://"),
        ("https://me:secret@kubeflow.example", "an address with credentials"),
        ("https://kubeflow.example:port", "Port could not be cast"),
        ("https://kubeflow.example/?x=1", "leave out what follows ? or #"),
    ],
)
def test_a_host_that_is_none(tool, host, message):
    code, line = refused(tool, "--host", host)
    assert code == 2
    assert line.startswith("--host: must be the address of Kubeflow Pipelines such as")
    assert message in line
    assert "secret" not in line


@pytest.mark.parametrize("seconds", ["0", "x", "4000", "nan", "-1", "inf"])
def test_a_time_out_must_be_one(tool, seconds):
    code, line = refused(tool, "--host", "http://127.0.0.1:1", "--timeout", seconds)
    assert (code, "seconds" in line, f"got {seconds}" in line) == (2, True, True)


def test_a_limit_must_be_one(tool):
    code, _, err = tool("submit", "--wait-at-most", "x")
    assert (code, "must be a number of seconds from 0 on, got x" in err) == (2, True)


def test_the_tool_itself_says_one_line_and_no_warnings_of_libraries(tool):
    command = [sys.executable, "-m", "kubeflow", "schedule", "--list", tool.file, "--host", "http://127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("http://127.0.0.1:1 (from --host) cannot be reached: connection refused")
    assert done.stderr.count("\n") == 1


def test_a_proxy_of_the_environment_is_used_and_bypassed(stub, tool, monkeypatch):
    monkeypatch.setenv("http_proxy", stub.url)
    monkeypatch.setenv("no_proxy", "")
    assert refused(tool, "--host", "http://kubeflow.example")[0] == 2
    assert stub.requests == [("GET", "http://kubeflow.example/apis/v2beta1/recurringruns")]
    stub.violations.clear()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert tool("schedule", "--list", "--host", stub.url)[0] == 0
    assert stub.requests[-1] == ("GET", "/apis/v2beta1/recurringruns")
