"""From `runtime.beam` to Beam's flags, and every fault on the way in the words that the user reads."""

import importlib
import re

import pytest

from pipeline.beam_flags import RUNNERS, node_flags, shared_flags
from pipeline.config.beam import BEAM_NODES, OPTIONS

EXTERNAL = 'environment_type: EXTERNAL, environment_config: "pool:15000"'
FLINK = f'runner: flink, options: {{job_endpoint: "localhost:8099", parallelism: 2, {EXTERNAL}}}'
HELD = "--sdk_container_image=the-workers-hold-all"
FLINK_FLAGS = [
    "--runner=FlinkRunner", "--job_endpoint=localhost:8099", "--environment_type=EXTERNAL",
    "--environment_config=pool:15000", "--parallelism=2", HELD,
]  # fmt: skip


@pytest.fixture
def beam(configs):
    """`beam(text)`: the section behind `runtime: {beam: {text}}`."""

    def read(text: str):
        whole, _ = configs.changed("runtime: {workspace: .edge/digits}", f"runtime: {{beam: {{{text}}}}}")
        return configs.load(whole).runtime.beam

    return read


def test_without_the_section_everything_stays_in_this_process(configs):
    assert shared_flags(configs.load(configs.base).runtime.beam) == ["--runner=FnApiRunner", HELD]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("runner: local", ["--runner=FnApiRunner", HELD]),
        (FLINK, FLINK_FLAGS),
        ('runner: flink, options: {flink_master: "[local]"}', ["--runner=FlinkRunner", "--flink_master=[local]", HELD]),
        (
            'runner: flink, options: {flink_master: "f:8081", flink_submit_uber_jar: true, environment_type: DOCKER, '
            'environment_config: "registry/edge:1", experiments: [a, "b=1"]}',
            ["--runner=FlinkRunner", "--environment_type=DOCKER", "--environment_config=registry/edge:1",
             "--experiments=a", "--experiments=b=1", "--flink_master=f:8081", "--flink_submit_uber_jar",
             "--sdk_container_image=registry/edge:1"],
        ),
        (
            'runner: spark, options: {spark_master_url: "spark://s:7077", environment_type: PROCESS, '
            "environment_config: '{\"command\": \"/w\"}'}",
            ["--runner=SparkRunner", "--environment_type=PROCESS", '--environment_config={"command": "/w"}',
             "--spark_master_url=spark://s:7077", HELD],
        ),
        (
            'runner: dataflow, options: {project: p, region: r, temp_location: "gs://b/t", sdk_container_image: i, '
            "use_public_ips: false}",
            ["--runner=DataflowRunner", "--project=p", "--region=r", "--temp_location=gs://b/t",
             "--sdk_container_image=i", "--no_use_public_ips"],
        ),
    ],
    ids=["local", "flink", "embedded", "uber jar", "spark", "dataflow"],
)  # fmt: skip
def test_options_become_flags(beam, text, expected):
    assert shared_flags(beam(text)) == expected


def test_a_node_takes_its_own_options_over_those_of_its_kind_over_those_of_all(beam):
    text = f"{FLINK}, components: {{gate: {{options: {{parallelism: 1}}}}, gate-int8: {{options: {{parallelism: 7}}}}, "
    section = beam(text + "ingest: {runner: local}}")
    assert node_flags(section, "digits", "statistics") == [*FLINK_FLAGS, "--job_name=digits-statistics"]
    assert "--parallelism=1" in node_flags(section, "digits", "gate-pruned")
    assert "--parallelism=7" in node_flags(section, "digits", "gate-int8")
    assert node_flags(section, "digits", "ingest") == ["--runner=FnApiRunner", HELD]


FAULTS = [
    ("runner: flnik", 'runner: must be one of local, flink, spark, dataflow; got "flnik"; did you mean flink?'),
    ("runner: spark", "options.spark_master_url: must be given, or job_endpoint"),
    ("runner: spark", "options.environment_type: must be given, unless the engine is embedded; got nothing"),
    ("runner: flink", "options.flink_master: must be given, or job_endpoint"),
    ("options: {parallelism: 2}", "options: must be left out with runner: local, which takes none; got parallelism"),
    (FLINK.replace("parallelism", "paralelism"), "the unknown key paralelism; did you mean parallelism?"),
    (FLINK.replace("localhost:8099", "http://localhost"), "options.job_endpoint: must be an address such as"),
    (FLINK.replace(', environment_config: "pool:15000"', ""), "must be given with EXTERNAL: host:port"),
    (FLINK.replace("EXTERNAL", "LOOPBACK"), "options.environment_config: must be left out with LOOPBACK"),
    (f"{FLINK}, components: {{gaet: {{}}}}", "components.gaet: must be one of ingest, "),
    (f"{FLINK}, components: {{gate-int7: {{}}}}", "got gate-int7; did you mean gate-int8?"),
    (f"{FLINK}, components: {{gate: {{options: {{paralelism: 1}}}}}}", "components.gate.options.paralelism: must be"),
    (f"{FLINK}, components: {{gate: {{runner: spark}}}}", "components.gate.options.spark_master_url: must be given"),
    (f"{FLINK}, components: {{gate: {{rumner: spark}}}}", "components.gate.rumner: must be one of runner, options"),
    ("runner: dataflow, options: {project: p}", "options.temp_location: must be given; got nothing"),
    ('runner: spark, options: {spark_master_url: "local[2]", spark_submit_uber_jar: true}', "options.spark_rest_url"),
    ('runner: flink, options: {flink_master: "[local]", flink_submit_uber_jar: true}', "must come with flink_master"),
]


@pytest.mark.parametrize(("text", "told"), FAULTS)
def test_faults_name_their_key(configs, text, told):
    whole, line = configs.changed("runtime: {workspace: .edge/digits}", f"runtime: {{beam: {{{text}}}}}")
    faults = configs.faults(whole)
    assert any(fault.startswith(f"{line}: runtime.beam.") and told in fault for fault in faults), faults


@pytest.mark.parametrize("runner", [name for name in RUNNERS if name != "local"])
def test_every_option_is_one_of_beam_as_it_is_installed(runner):
    beam_options = importlib.import_module("apache_beam.options.pipeline_options")
    parser = beam_options._BeamArgumentParser(allow_abbrev=False)
    for cls in beam_options.PipelineOptions.__subclasses__():
        cls._add_argparse_args(parser)
    known = {name.lstrip("-") for action in parser._actions for name in action.option_strings}
    assert OPTIONS[runner].model_fields.keys() <= known
    for name, field in OPTIONS[runner].model_fields.items():
        allowed = next(action for action in parser._actions if f"--{name}" in action.option_strings).choices
        named = re.findall(r"'([^']+)'", str(field.annotation)) if "Literal" in str(field.annotation) else []
        assert not (allowed and named) or set(named) <= set(allowed), name


def test_runners_bear_the_names_that_beam_knows():
    known = importlib.import_module("apache_beam.options.pipeline_options").StandardOptions.KNOWN_RUNNER_NAMES
    assert set(RUNNERS.values()) <= set(known)
    assert OPTIONS.keys() == RUNNERS.keys()
    assert len(set(BEAM_NODES)) == 6
