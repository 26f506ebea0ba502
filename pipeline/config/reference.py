"""The reference of all keys, which is `configs/README.md`; made from the schema, so that it cannot be wrong."""

import json
from collections.abc import Iterator
from typing import Any

from pipeline.config.names import WORDS
from pipeline.config.schema import json_schema
from pipeline.config.variants import settings_class
from pipeline.steps import STEPS

EXAMPLE = """\
name: shapes                   # becomes part of paths
seed: 1                        # same seed and data, same bytes in the pushed model
data:
  format: npz                  # or tfrecord, with `path` a folder and no `arrays`
  path: data/shapes-{SPAN}.npz # a file for each span of data; without placeholders one file
  window: {spans: 3}           # of the newest spans; or all
  eval_on: newest              # the gate judges by the newest span alone; or window
  label: label
  arrays: {image: "x_{split}", label: "y_{split}"}
  splits:                      # or three weights: {train: 8, validation: 1, eval: 1}, and no {split} in `arrays`
    train: {from: train, buckets: 9}
    validation: {from: train, buckets: 1}
    eval: test
  group_by: camera             # no camera stands on both sides; leave it out to let each example fall by itself
  limits: {examples: 1000000}
  schema: shapes.pbtxt         # leave it out to have the schema inferred from the train split
  guard: {drift: {notice: 0.1, stop: 0.4}}   # between spans; or skew
  label_names: [circle, square, triangle]
model:
  module: models.shapes        # models/shapes.py; or, without `train`, pretrained: shapes.keras (.h5, a SavedModel)
  task: multiclass
  hparams: {filters: [8, 16], dropout: 0.2}
  search: {trials: 20, max_size_bytes: 30000}   # for what search_space lists and hparams leaves open
train:
  epochs: 20
  batch_size: 64
  learning_rate: 1e-3
  learning_rate_schedule: cosine
  early_stopping_patience: 4
  cache: auto                  # where decoded examples stay between epochs; or memory, disk, none
  shuffle_bytes: 268435456     # larger splits are shuffled by file first
  class_weights: {circle: 1, square: 2.5}   # or balanced
  warm_start: champion         # go on from the float model behind the registry's current version
variants:
  float16:                     # long form and short form of a list mean the same
    - quantize: {mode: float16}
  pruned_int8: [prune: {sparsity: 0.8, epochs: 6}, quantize: {mode: int8}]
  pqat_int8: [prune: {sparsity: 0.8, epochs: 6}, qat, quantize: {mode: int8}]   # a bare `qat` has all its defaults
gate:
  metric: accuracy
  max_drop: 0.03               # or max_drop_percent
  max_drop_vs_champion: 0.02   # against the registry's current version, on the same new examples
  min_value: 0.9               # max_value for rmse and mae
  confidence: 0.95             # a list of such rules: all must hold, variants are shown and chosen by the first
  slices:
    - {by: [writer], max_drop: 0.1, min_examples: 30}
    - {where: {label: 1}}      # no thresholds: reported, not judged
export: {inputs: raw}         # the device feeds features as the data hold them
edge: {profile: cpu, max_size_bytes: 60000, max_latency_ms: 5}
select: smallest
push: {to: "s3://models/shapes", keep: 5, sign_key_env: SHAPES_KEY, verify_key: keys/shapes.pem}   # or a folder
card:                          # for the model card beside the pushed model
  intended_use: Sorts photographs of parts on a belt.
  license: Apache-2.0
cycle: {schedule: "0 3 * * *", time_zone: Europe/Berlin, max_failures: 3}   # for `cycle --watch`
hooks:
  pushed: [{command: [./deploy.sh]}]
  failed: [{webhook: "https://example.org/edge", header_env: EDGE_TOKEN}]   # or blocked, drift
kubeflow:                      # for `python -m kubeflow compile`, `submit` and `schedule`
  host: https://kubeflow.example/pipeline
  namespace: vision
  experiment: shapes
  schedule: "0 0 2 * * *"      # six fields, second first
  root: s3://models/shapes-runs
  image: registry.example/tfx-edge:0.1
  env: {AWS_ENDPOINT_URL: "http://minio.example:9000"}
  secrets:
    - {name: minio, env: {AWS_ACCESS_KEY_ID: accesskey, AWS_SECRET_ACCESS_KEY: secretkey}}
    - {name: signing, env: {SHAPES_KEY: key.pem}}
  volumes: [{pvc: shapes, mount_path: /mnt/shapes}]
  labels: {team: vision}
  steps:
    default: {cpu: 1, memory: 4Gi, memory_limit: 8Gi, retries: 3}
    qat: {cpu: 4}              # every node of that kind
    trainer: {accelerator: {type: nvidia.com/gpu, count: 1}, time_limit_seconds: 7200}
runtime:
  workspace: .edge/shapes
  keep_runs: 20
  parallel_nodes: 2            # independent nodes side by side; 1: one after the other
  tensorboard: true
  beam:                        # leave it out: everything in this process
    runner: flink
    options:
      job_endpoint: localhost:8099
      parallelism: 4
      environment_type: EXTERNAL   # a pool beside each of Flink's workers: python -m components.beam_worker
      environment_config: localhost:15000
    components:
      statistics: {options: {parallelism: 8}}
      gate: {runner: local}    # all gates; or the id of one node
"""

_INTRODUCTION = """\
# Keys of the configuration

One YAML file describes one pipeline. `tfx-edge validate CONFIG` checks it and what its keys point to, and reports all
faults at once. Unknown keys and keys given twice are errors.
Scalars follow YAML 1.2: `1e-3` is a number, `no` is a string.
`tfx-edge schema -o config.schema.json` writes a JSON Schema for editors.

This page is generated: `.venv/bin/python -m pipeline schema --markdown > configs/README.md`.
"""

_SECTIONS = {
    "data": "DataSection",
    "data.window": "WindowSize",
    "data.guard": "GuardSection",
    "data.guard.drift, .skew": "Limits",
    "data.splits.train, .validation, .eval": "SplitSource",
    "data.splits (by a column)": "ColumnSplits",
    "data.images": "ImagesSection",
    "data.audio": "AudioSection",
    "data.limits": "LimitsSection",
    "model": "ModelSection",
    "model.search": "SearchSettings",
    "train": "TrainSection",
    "gate": "GateSection",
    "gate.slices[]": "SliceSection",
    "export": "ExportSection",
    "edge": "EdgeSettings",
    "push": "PushSection",
    "card": "CardSection",
    "cycle": "CycleSection",
    "hooks": "HooksSection",
    "hooks.pushed[], .blocked[], .failed[], .drift[]": "Hook",
    "kubeflow": "KubeflowSection",
    "kubeflow.secrets[]": "Secret",
    "kubeflow.volumes[]": "Volume",
    "kubeflow.steps.NAME": "StepNeeds",
    "kubeflow.steps.NAME.accelerator": "Accelerator",
    "kubeflow.steps.NAME.tolerations[]": "Toleration",
    "runtime": "RuntimeSection",
    "runtime.beam, kubeflow.beam": "BeamSection",
    "runtime.beam.components.NAME": "ComponentEngine",
    "runtime.beam.options (flink)": "FlinkOptions",
    "runtime.beam.options (spark)": "SparkOptions",
    "runtime.beam.options (dataflow)": "DataflowOptions",
}


def reference_markdown() -> str:
    """Every key with type, default, allowed values and description, and a complete example."""
    schema = json_schema()
    parts = [_INTRODUCTION, "## Example\n", f"```yaml\n{EXAMPLE}```\n", "## Top level\n", *_table(schema, schema)]
    for title, definition in _SECTIONS.items():
        section = schema["$defs"][definition]
        parts += [f"## `{title}`\n", f"{section['description']}\n", *_table(section, schema)]
    parts += ["## `variants`\n", _variants_text()]
    for kind, row in STEPS.items():
        section = schema["$defs"][settings_class(kind).__name__]
        parts += [f"### `{kind}`\n", f"{row.doc[0].upper()}{row.doc[1:]}. {section['description']}\n"]
        parts += _table(section, schema)
    return "\n".join(parts).rstrip() + "\n"


def _variants_text() -> str:
    return (
        "A mapping from names (" + next(words for pattern, words in WORDS.items() if "_[a-z0-9]" in pattern) + ")\n"
        f"to lists of steps. Steps stand in the order {', '.join(f'`{kind}`' for kind in STEPS)}, each at most once, "
        "`quantize` in every list.\nA step is `kind: {settings}`; the kind alone means all defaults. "
        "After `qat` the mode is `int8` or `int8_io`.\nLists that begin alike share the work.\n"
    )


def _table(section: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    yield "| key | type | default | allowed | meaning |\n|---|---|---|---|---|"
    required = section.get("required", [])
    for key, entry in section["properties"].items():
        found = schema["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {})
        description = entry.get("description") or found.get("description", "")
        meaning = " ".join(description.split("\n\n")[0].split()).replace("|", "\\|")
        default = "required" if key in required else _default(entry.get("default"))
        yield f"| `{key}` | {_type(entry)} | {default} | {_allowed(entry)} | {meaning} |"
    yield ""


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict | list) and not value:
        return "empty"
    if isinstance(value, dict) and len(value) > 3:
        return "see below"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _alternatives(entry: dict[str, Any]) -> list[dict[str, Any]]:
    parts = entry.get("anyOf") or entry.get("oneOf")
    if parts is None:
        return [] if entry.get("type") == "null" else [entry]
    return [inner for part in parts for inner in _alternatives(part)]


def _type(entry: dict[str, Any]) -> str:
    names = {"object": "mapping", "array": "list"}
    kinds = [names.get(part.get("type", "object"), part.get("type", "mapping")) for part in _alternatives(entry)]
    return " or ".join(dict.fromkeys(kinds))


def _allowed(entry: dict[str, Any]) -> str:
    texts = []
    for part in _alternatives(entry):
        if "enum" in part:
            texts.append(", ".join(f"`{value}`" for value in part["enum"]))
        if part.get("pattern") in WORDS:
            texts.append(WORDS[part["pattern"]] + (f"; at most {part['maxLength']}" if "maxLength" in part else ""))
        bounds = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
        numbers = [f"{words} {part[bound]:,.10g}" for bound, words in bounds.items() if bound in part]
        if numbers:
            texts.append(", ".join(numbers))
        if "minItems" in part or "minProperties" in part:
            texts.append(f"at least {part.get('minItems', part.get('minProperties'))} entries")
    return "; ".join(texts).replace("|", "\\|")
