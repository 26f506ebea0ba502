"""The section `kubeflow`, and which configurations can run on a cluster at all."""

import re
from pathlib import Path

import pytest
import yaml

from kubeflow.refusals import refuse, warnings
from pipeline.config import load
from pipeline.config.kubeflow import amount
from pipeline.errors import UserError

REPOSITORY = Path(__file__).parents[3]
PAGE = REPOSITORY / "docs" / "kubeflow.md"
DIGITS = (REPOSITORY / "configs" / "digits_kubeflow.yaml").read_text()

NAMED = "must be the name of an image such as registry.example/team/tfx-edge:1.4"
ROOT = "must be a folder on an object store: s3://, minio:// or gs://, a bucket, and names between single /"
QUANTITY = "must be a quantity above 0 such as 2, 500m or 4Gi"
PLACE = "must be on an object store (s3://, gs://) or below the mount path of one of kubeflow.volumes"
IMAGE = "  image: registry.example/tfx-edge:0.1.0"
SECRET = (
    "    - {name: mlpipeline-minio-artifact, env: {AWS_ACCESS_KEY_ID: accesskey, AWS_SECRET_ACCESS_KEY: secretkey}}"
)
TRAINER = "    trainer: {cpu: 2, retries: 1}"


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Loads the shipped file with one line replaced."""
    monkeypatch.chdir(REPOSITORY)

    def make(old="", new=""):
        assert old in DIGITS
        path = tmp_path / "edge.yaml"
        path.write_text(DIGITS.replace(old, new, 1))
        return load(path)

    return make


def message(call, tmp_path):
    with pytest.raises(UserError) as caught:
        call()
    return str(caught.value).replace(f"{tmp_path}/edge.yaml", "F")


@pytest.mark.parametrize(
    ("old", "new", "faults"),
    [
        ("  root: s3://edge/digits/runs", "", ["root: must be given; got nothing"]),
        ("s3://edge/digits/runs", "runs", [f'root: {ROOT}; got "runs"; Kubeflow\'s pods share no disk']),
        ("s3://edge/digits/runs", "s3://", [f'root: {ROOT}; got "s3://"; Kubeflow\'s pods share no disk']),
        ("s3://edge/digits/runs", "s3://a//b", [f'root: {ROOT}; got "s3://a//b"; Kubeflow\'s pods share no disk']),
        (
            "s3://edge/digits/runs",
            '"s3://k:s@edge/runs"',
            ["root: must hold no credentials and no parameters: they belong into the environment"],
        ),
        (IMAGE, "", ["image: must be given; got nothing"]),
        (IMAGE, "  image: Tfx Edge:1", [f'image: {NAMED}; got "Tfx Edge:1"']),
        (
            IMAGE,
            "  image: registry.example:5000/tfx-edge",
            ['image: must have a tag other than latest, or a digest; got "registry.example:5000/tfx-edge"'],
        ),
        (
            IMAGE,
            "  image: tfx-edge:latest",
            ['image: must have a tag other than latest, or a digest; got "tfx-edge:latest"'],
        ),
        (
            IMAGE,
            IMAGE + "\n  imagee: x",
            ["imagee: must be one of host, namespace, experiment, schedule, root, image, image_pull_secrets"],
        ),
        (TRAINER, "    trainer: {cpus: 2}", ["steps.trainer.cpus: must be one of cpu, memory,"]),
        (TRAINER, "    trainer: 3", ["steps.trainer: must be a mapping; got 3"]),
        (TRAINER, "    trainer: {cpu: 0}", [f"steps.trainer.cpu: {QUANTITY}; got 0"]),
        (TRAINER, "    trainer: {memory: 4GB}", [f'steps.trainer.memory: {QUANTITY}; got "4GB"']),
        (
            TRAINER,
            "    trainer: {cpu: 2, cpu_limit: 1500m}",
            ["steps.trainer.cpu: must be at most cpu_limit; got 2 with the limit 1500m"],
        ),
        (TRAINER, "    trainer: {retries: 11}", ["steps.trainer.retries: must be at most 10; got 11"]),
        (TRAINER, "    trainer: {time_limit_seconds: 1}", ["steps.trainer.time_limit_seconds: must be at least 60"]),
        (
            TRAINER,
            "    trainer: {tolerations: [{operator: Exists, value: x}, {value: y}]}",
            [
                'steps.trainer.tolerations[0].value: must be left out with operator: Exists; got "x"',
                "steps.trainer.tolerations[1].key: must be given with operator: Equal; got nothing",
            ],
        ),
        (SECRET, "    - {name: Minio, env: {A: a}}", ["secrets[0].name: must be a name of at most 63 lower-case"]),
        (SECRET, "    - {name: minio}", ["secrets[0]: must hold env or mount_path; got neither"]),
        (
            SECRET,
            "    - {name: minio, env: {A-B: a}}",
            ["secrets[0].env.A-B: must be the name of an environment variable"],
        ),
        (SECRET, "    - {name: minio, env: {A: a/b}}", ["secrets[0].env.A: must be a key of a secret, of letters"]),
        (
            SECRET,
            "    - {name: minio, env: {KFP_POD_NAME: a}}",
            ["secrets[0].env.KFP_POD_NAME: must not begin with KFP_, which is set for you"],
        ),
        (
            SECRET,
            SECRET + "\n    - {name: other, env: {AWS_ENDPOINT_URL: a}}",
            ["secrets[1].env.AWS_ENDPOINT_URL: must be set once; got AWS_ENDPOINT_URL again"],
        ),
        (
            "AWS_ENDPOINT_URL: ",
            "AWS_SECRET_ACCESS_KEY: x, AWS_ENDPOINT_URL: ",
            ["env.AWS_SECRET_ACCESS_KEY: must hold nothing secret; got a value in the open; name a Secret"],
        ),
        (
            "http://minio",
            "http://me:pw@minio",
            ["env.AWS_ENDPOINT_URL: must hold nothing secret; got a value in the open"],
        ),
        (
            IMAGE,
            IMAGE + "\n  volumes: [{pvc: a, mount_path: mnt}, {pvc: b.c, mount_path: /s3/x}]",
            [
                'volumes[0].mount_path: must be an absolute path without .. and :, below /; got "mnt"',
                "volumes[1].pvc: must be a name of at most 63 lower-case letters, digits and -",
                'volumes[1].mount_path: must not stand in /s3, which Kubeflow or the steps use; got "/s3/x"',
            ],
        ),
        (
            IMAGE,
            IMAGE + "\n  volumes: [{pvc: a, mount_path: /m}, {pvc: a, mount_path: /m/}]",
            [
                "volumes[1].pvc: must be mounted once; got a again",
                "volumes[1].mount_path: must be taken once; got /m again",
            ],
        ),
        ("app.kubernetes.io/part-of: digits", '"a b": c', ["labels.a b: must be the key of a label"]),
    ],
)
def test_faults_of_the_section(loaded, tmp_path, old, new, faults):
    found = message(lambda: loaded(old, new), tmp_path)
    for line, fault in zip(found.splitlines(), faults, strict=True):
        assert f"kubeflow.{fault}" in line


@pytest.mark.parametrize(
    "image",
    [
        "tfx-edge:1",
        "registry.example:5000/team/tfx-edge:0.1.0",
        "registry.example/tfx-edge@sha256:" + "0" * 64,
        "registry.example/tfx-edge:1@sha256:" + "0" * 64,
    ],
)
def test_images_with_a_tag_or_a_digest(loaded, image):
    assert loaded("registry.example/tfx-edge:0.1.0", image).kubeflow.image == image


@pytest.mark.parametrize(
    "name", ["TOKENIZERS_PARALLELISM", "AWS_WEB_IDENTITY_TOKEN_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "AWS_REGION"]
)
def test_variables_that_only_sound_secret(loaded, name):
    assert name in loaded("AWS_ENDPOINT_URL: ", f"{name}: x, AWS_ENDPOINT_URL: ").kubeflow.env


@pytest.mark.parametrize("name", ["HF_TOKEN", "DB_PASSWORD", "CLIENT_SECRET", "APIKEY", "SIGNING_PRIVATE_KEY"])
def test_variables_that_are_secret(loaded, tmp_path, name):
    found = message(lambda: loaded("AWS_ENDPOINT_URL: ", f"{name}: x, AWS_ENDPOINT_URL: "), tmp_path)
    assert f"kubeflow.env.{name}: must hold nothing secret" in found


def test_quantities():
    values = [amount(text) for text in ("2", "0.5", "500m", "1k", "4Gi", "1Ti")]
    assert values == [2, 0.5, 0.5, 1000, 4 * 1024**3, 1024**4]


def test_where_it_runs_is_no_part_of_what_it_is(loaded):
    assert loaded().sha256 == loaded(IMAGE, "  image: other:2").sha256


def test_the_shipped_file_can_run_on_a_cluster(loaded):
    config = loaded()
    assert refuse(config) is config.kubeflow
    assert warnings(config, config.kubeflow) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            "  path: s3://edge/digits/data/span-{SPAN}",
            "  path: data/span-{SPAN}",
            f"8: data.path: {PLACE}; got data/span",
        ),
        ("  path: s3://edge/digits", "  path: /data", f"8: data.path: {PLACE}; got /data/data/span"),
        ("  path: s3://", "  path: minio://", "write s3:// and set AWS_ENDPOINT_URL under kubeflow.env"),
        ('to: "s3://edge/digits/models", ', "", f"push.to: {PLACE}; got nothing, which means a folder of this machine"),
        ("s3://edge/digits/models", "registry", f"push.to: {PLACE}; got registry"),
        ("module: models.digits", "module: models.gone", "model.module: must name a Python module"),
        (
            "keep: 10",
            "sign_key_env: KEY",
            "push.sign_key_env: must name an environment variable of one of kubeflow.secrets",
        ),
        (
            "AWS_ACCESS_KEY_ID: accesskey, ",
            "",
            "kubeflow.secrets[0].env: must set AWS_ACCESS_KEY_ID too; got AWS_SECRET_ACCESS_KEY beside",
        ),
        ("min_value: 0.8", "min_value: 0.8\nedge: {profile: gone}", "edge.profile: must be one of"),
        (
            "  label: label",
            "  label: label\n  schema: gone.pbtxt",
            "data.schema: must be an existing file; got gone.pbtxt",
        ),
    ],
)
def test_what_cannot_run_on_a_cluster(loaded, tmp_path, old, new, fault):
    assert fault in message(lambda: refuse(loaded(old, new)), tmp_path)


def test_without_the_section(tmp_path):
    config = load(REPOSITORY / "configs" / "digits.yaml")
    with pytest.raises(UserError, match=r"digits.yaml:3: kubeflow: must be given to run on a cluster; got nothing"):
        refuse(config)


def test_places_below_a_volume_are_shared(loaded, tmp_path):
    volume = IMAGE + "\n  volumes: [{pvc: digits, mount_path: /mnt/digits}]"

    def with_places(data, registry):
        text = DIGITS.replace(IMAGE, volume).replace("s3://edge/digits/data", data)
        path = tmp_path / "edge.yaml"
        path.write_text(text.replace("s3://edge/digits/models", registry))
        return load(path)

    refuse(with_places("/mnt/digits/data", "/mnt/digits/models"))
    for place in ("/mnt/digits2/models", "/mnt/digits/../models", "mnt/digits/models"):
        assert f"got {place}" in message(lambda place=place: refuse(with_places("/mnt/digits/data", place)), tmp_path)


def test_a_pretrained_model_must_be_in_the_image(loaded, tmp_path):
    lines = [line for line in DIGITS.splitlines() if not line.startswith(("train:", "  hparams:"))]
    path = tmp_path / "edge.yaml"
    path.write_text("\n".join(lines).replace("  module: models.digits", f"  pretrained: {tmp_path}/a.keras"))
    must = (
        "model.pretrained: must be a path from the working directory, which the image holds too, or below a mount path"
    )
    assert must in message(lambda: refuse(load(path)), tmp_path)


def test_what_a_cluster_leaves_out_is_said(loaded, tmp_path):
    hooked = loaded("push:", "hooks: {failed: [{command: [echo]}]}\npush:")
    found = warnings(hooked, hooked.kubeflow)
    assert [line.partition("edge.yaml:")[2] for line in found] == [
        "29: hooks: hooks are called by local runs alone; on a cluster nobody is told"
    ]
    engine = "beam: {runner: flink, options: {job_endpoint: 'jobs:8099', environment_type: LOOPBACK}}"
    elsewhere = loaded("push:", f"runtime: {{{engine}}}\npush:")
    (said,) = warnings(elsewhere, elsewhere.kubeflow)
    assert said.partition("edge.yaml:")[2].startswith("29: runtime: runtime.beam (flink) holds for local runs alone")
    both = loaded("push:", f"runtime: {{{engine}}}\npush:").model_copy()
    given = both.kubeflow.model_copy(update={"beam": both.runtime.beam})
    assert warnings(both, given) == []
    unarmed = loaded("  secrets:\n" + SECRET, "")
    assert "with the rights of their node alone" in warnings(unarmed, unarmed.kubeflow)[0]
    trusted = loaded("  secrets:\n" + SECRET, "  service_account: runner")
    assert warnings(trusted, trusted.kubeflow) == []


def test_the_section_that_the_page_shows_can_run(tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    shown = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)[0])
    whole = yaml.safe_load(DIGITS)
    whole["data"] |= shown.pop("data")
    path = tmp_path / "edge.yaml"
    path.write_text(yaml.safe_dump(whole | shown))
    config = load(path)
    assert refuse(config).root == "minio://mlpipeline/digits"
    assert warnings(config, config.kubeflow) == []
