"""The command line: what stands on which stream, exit codes, and how little gets imported."""

import ast
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import jsonschema
import pytest

from pipeline import cli
from pipeline.errors import RunFailed
from registry import Registry

REPOSITORY = Path(__file__).parents[3]
DIGITS = str(REPOSITORY / "configs" / "digits.yaml")

ALL = ", ".join(cli.COMMANDS)


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Runs a command in this process; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        code = cli.main(list(argv))
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def fake(monkeypatch):
    """Replaces the command `run` by one that does as it is told."""

    def install(execute):
        module = types.ModuleType("fake_command")
        module.HELP, module.configure, module.execute = "fake", lambda parser: None, execute
        monkeypatch.setitem(sys.modules, "fake_command", module)
        monkeypatch.setitem(cli.COMMANDS, "run", cli.Command("fake_command", "fake"))

    return install


def raiser(error):
    def execute(args, console):
        raise error

    return execute


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_table_repeats_the_help_of_every_command(name):
    path = REPOSITORY / (cli.COMMANDS[name].module.replace(".", "/") + ".py")
    # Read, not imported: some commands bring TensorFlow.
    found = {
        node.targets[0].id: node.value.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    assert cli.COMMANDS[name].help == found["HELP"]


def test_help_lists_every_command(call):
    code, out, err = call("--help")
    assert (code, err) == (0, "")
    assert all(f"  {name} " in out and command.help in out for name, command in cli.COMMANDS.items())


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            [],
            f"a command must be given ({ALL}), got none; see tfx-edge --help",
        ),
        (
            ["validat"],
            f"the command must be one of {ALL}, got validat; did you mean validate?",
        ),
        (
            ["xyz"],
            f"the command must be one of {ALL}, got xyz; see tfx-edge --help",
        ),
        (["--what", "plan"], "unrecognized option --what in front of the command; see tfx-edge --help"),
        (["validate"], "the following arguments are required: CONFIG; see tfx-edge validate --help"),
        (["validate", "a", "b"], "unrecognized arguments: b; see tfx-edge validate --help"),
        (["plan", "a", "--format", "dot"], "argument --format: invalid choice: 'dot' (choose from 'text', 'mermaid')"),
        (["runs", "--workspace"], "argument --workspace: expected one argument; see tfx-edge --help"),
        (["runs"], "CONFIG or --workspace must be given, got neither; for example: tfx-edge runs configs/digits.yaml"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(call, argv, message):
    code, out, err = call(*argv)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1
    code, out, err = call(*argv[:1], "--json", *argv[1:]) if argv[-1:] != ["--workspace"] else call("--json", *argv)
    assert json.loads(out) == {"error": {"message": err.removesuffix("\n"), "exit_code": 2}}


@pytest.mark.parametrize(
    "argv",
    [
        ["--workspace", "w", "--json", "runs"],
        ["runs", "--workspace", "w", "--json"],
        ["--json", "runs", "--workspace=w"],
    ],
)
def test_shared_options_before_and_after(call, argv):
    code, out, err = call(*argv)
    assert (code, json.loads(out), err) == (0, {"workspace": "w", "runs": []}, "")


def test_validate_tells_what_is_wrong_with_the_data(call):
    code, out, err = call("validate", DIGITS)
    assert (code, out) == (2, "")
    assert err.startswith(f"{DIGITS}:7: data.path: must be an existing folder; got data/digits, which does not exist")


def test_validate(call, tmp_path):
    (tmp_path / "data" / "digits").mkdir(parents=True)
    (tmp_path / "data" / "digits" / "a").write_text("x")
    code, out, _ = call("validate", DIGITS)
    assert (code, out) == (0, f"{DIGITS} is valid: 5 variants, 3 training steps, 1 of them shared\n")
    code, out, _ = call("validate", DIGITS, "--json", "--workspace", "w")
    result = json.loads(out)
    assert result["valid"] is True
    assert result["workspace"] == "w"
    assert result["variants"] == ["float16", "int8", "pruned_int8", "qat_int8", "pqat_int8"]
    assert call("validate", DIGITS, "--quiet") == (0, "", "")


def without_hash(text):
    """Ids of steps change with every setting in the shipped file."""
    return re.sub(r"-[0-9a-f]{8}\b", "-#", text)


def test_plan_as_tree(call):
    code, out, _ = call("plan", DIGITS)
    assert code == 0
    assert [without_hash(line.rstrip()) for line in out.splitlines()] == [
        "train  models.digits, at most 30 epochs",
        "├── prune 80%  prune-#  shared by 2 variants",
        "│   ├── qat  qat-#",
        "│   │   └── quantize int8  quantize-pqat-int8 -> pqat_int8",
        "│   └── quantize int8  quantize-pruned-int8 -> pruned_int8",
        "├── qat  qat-#",
        "│   └── quantize int8  quantize-qat-int8 -> qat_int8",
        "├── quantize float16  quantize-float16 -> float16",
        "└── quantize int8  quantize-int8 -> int8",
    ]


def test_plan_as_mermaid(call):
    _, out, _ = call("plan", DIGITS, "--format", "mermaid")
    out = without_hash(out)
    assert out.startswith('flowchart LR\n  trainer["train"]\n  trainer --> prune-#["prune 80%"]\n')
    assert '  prune-# --> qat-#["qat"]\n' in out


def test_plan_with_a_search(call, tmp_path):
    path = tmp_path / "search.yaml"
    path.write_text(
        Path(DIGITS).read_text().replace("  hparams: {filters: 16}\n", "  search: {algorithm: grid, trials: 3}\n")
    )
    _, out, _ = call("plan", str(path))
    assert out.splitlines()[0].endswith("at most 30 epochs, after a grid search of at most 3 trials")
    _, out, _ = call("plan", str(path), "--format", "mermaid")
    assert '  search["search"] --> trainer\n' in out
    _, out, _ = call("plan", str(path), "--json")
    graph = json.loads(out)
    assert graph["nodes"][0]["id"] == "search"
    assert {"from": "search", "to": "trainer"} in graph["edges"]


def test_plan_as_json(call):
    _, out, _ = call("plan", DIGITS, "--json")
    graph = json.loads(out)
    ids = [node["id"] for node in graph["nodes"]]
    assert len(ids) == len(set(ids)) == 1 + 3 + 2 * 5
    assert all(edge["from"] in ids and edge["to"] in ids for edge in graph["edges"])
    assert len(graph["edges"]) == len(ids) - 1  # a tree
    (shared,) = (node for node in graph["nodes"] if node["kind"] == "prune")
    assert shared | {"id": without_hash(shared["id"])} == {
        "id": "prune-#",
        "kind": "prune",
        "label": "prune 80%",
        "variants": ["pruned_int8", "pqat_int8"],
    }


def test_plan_with_raw_inputs(call, tmp_path):
    path = tmp_path / "raw.yaml"
    path.write_text(Path(DIGITS).read_text() + "export: {inputs: raw}\n")
    assert "quantize int8  quantize-int8 -> raw inputs  raw-int8 -> int8" in call("plan", str(path))[1]
    graph = json.loads(call("plan", str(path), "--json")[1])
    assert {"from": "quantize-int8", "to": "raw-int8"} in graph["edges"]
    assert {"id": "raw-int8", "kind": "export", "label": "raw inputs", "variants": ["int8"]} in graph["nodes"]
    assert (
        '  quantize-int8 --> raw-int8["raw inputs"] --> selector\n' in call("plan", str(path), "--format", "mermaid")[1]
    )


def test_schema(call, tmp_path):
    code, out, _ = call("schema")
    assert code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(out))
    assert json.loads(call("schema", "--json")[1]) == json.loads(out)
    assert call("schema", "-o", "s.json")[1] == "wrote s.json\n"
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads(out)
    assert call("schema", "--markdown")[1].startswith("# Keys of the configuration\n")
    code, _, err = call("schema", "-o", "none/s.json")
    assert (code, err) == (2, "none/s.json must be writable, got: No such file or directory\n")


@pytest.mark.parametrize("json_mode", [False, True])
@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RunFailed("node prune failed"), 1, "node prune failed"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyError("x"), 1, "KeyError: 'x'; this is a bug in tfx-edge; TFX_EDGE_TRACEBACK=1 shows where"),
        (ValueError("two\nlines"), 1, "ValueError: two lines; this is a bug in tfx-edge; TFX_EDGE_TRACEBACK=1 shows"),
    ],
)
def test_errors_of_commands(call, fake, monkeypatch, json_mode, error, code, message):
    monkeypatch.delenv("TFX_EDGE_TRACEBACK", raising=False)
    fake(raiser(error))
    found, out, err = call("run", *(["--json"] if json_mode else []))
    assert found == code
    assert err.startswith(message)
    assert "Traceback" not in err
    if json_mode:
        assert json.loads(out) == {"error": {"message": err.removesuffix("\n"), "exit_code": code}}
    else:
        assert out == ""


def test_traceback_on_request(call, fake, monkeypatch):
    monkeypatch.setenv("TFX_EDGE_TRACEBACK", "1")
    fake(raiser(KeyError("x")))
    assert "Traceback" in call("run")[2]


def test_one_object_also_when_a_command_fails_after_its_result(call, fake):
    def execute(args, console):
        console.say("not in JSON")
        console.result({"status": "failed"})
        raise RunFailed("node prune failed")

    fake(execute)
    code, out, err = call("run", "--json")
    assert (code, json.loads(out), err) == (1, {"status": "failed"}, "node prune failed\n")


def test_environment_is_set_before_the_command(call, fake, monkeypatch):
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")

    def execute(args, console):
        assert os.environ["TF_USE_LEGACY_KERAS"] == "1"
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
        assert str(Path.cwd()) in sys.path
        return 7

    fake(execute)
    assert call("run")[0] == 7


HEAVY = """
import sys
from pipeline.__main__ import main
code = main(sys.argv[1:])
loaded = {name.split(".")[0] for name in sys.modules}
heavy = sorted(loaded & {"tensorflow", "tfx", "apache_beam", "keras", "tf_keras", "numpy"})
sys.stderr.write(f"code {code} heavy {heavy}")
"""


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["validate", DIGITS],
        ["plan", DIGITS],
        ["schema"],
        ["schema", "--markdown"],
        ["runs", DIGITS],
        ["report", DIGITS],
        ["completion", "bash"],
        ["registry", "list", DIGITS],
        ["registry", "show", DIGITS, "1"],
        ["data-schema", "show", DIGITS],
    ],
    ids=lambda argv: argv[0],
)
def test_looking_imports_nothing_heavy(tmp_path, argv):
    (tmp_path / "data" / "digits").mkdir(parents=True)
    (tmp_path / "data" / "digits" / "a").write_text("x")
    (tmp_path / "model.tflite").write_bytes(b"TFL3")
    Registry(tmp_path / ".edge" / "digits" / "registry").push(tmp_path / "model.tflite", {"identity": "a"})
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", HEAVY, *argv], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == "code 0 heavy []"


def test_a_reader_that_leaves_is_no_error(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "pipeline", "schema"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_the_end_of_the_process_does_all_that_is_registered_for_it():
    code = "import atexit; from pipeline.__main__ import leave; atexit.register(print, 'last'); print('said'); leave(3)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\nlast\n", "")
