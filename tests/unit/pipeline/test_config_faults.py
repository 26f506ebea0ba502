"""Every fault of a configuration, in the exact words in which the user reads it."""

from pathlib import Path

import pytest

from pipeline.config import Config, load
from pipeline.errors import UserError

TOP = (
    "must be one of name, seed, data, model, train, variants, gate, export, edge, select, push, card, cycle, hooks, "
    "kubeflow, runtime"
)
DATA = (
    "must be one of format, path, window, eval_on, label, arrays, columns, fill, ignore, delimiter, images, audio, "
    "group_by, limits, splits, schema, guard, label_names"
)
SPLITS = "splits: {train: 6, validation: 1, eval: 3}"
INT8 = "int8: [quantize: {mode: int8}]"
WORDS = "lower-case letters and digits, with single underscores between, starting with a letter"
TRAIN = "train: {epochs: 20, batch_size: 64}"
NPZ = "format: npz\narrays: "
STEPS = "must be one of distill, prune, prune_channels, cluster, qat, quantize"
SLICE = "must be one of max_drop, max_drop_percent, min_value, max_value, by, where, min_examples"
CARD = (
    "must be one of intended_use, intended_users, out_of_scope, factors, data_description, ethical_considerations, "
    "caveats, license, owners"
)
EDGE = "must be one of profile, threads, max_size_bytes, max_gzip_bytes, max_latency_ms, max_arena_bytes, max_macs"
MODES = "must be one of float32, float16, dynamic, int8, int8_io, int16x8, int4"
QUANTIZE = (
    "must be one of mode, calibration_examples, time_limit_s, layers, max_validation_drop, keep, ranking_examples"
)

# One line of the base, what replaces it, and the faults at the replacement: `+N` is the Nth line after its first.
CASES = [
    ("seed: 1", "sede: 1", [f"sede: {TOP}; got the unknown key sede; did you mean seed?"]),
    ("seed: 1", "zebra: 1", [f"zebra: {TOP}; got the unknown key zebra"]),
    ("seed: 1", 'seed: "1"', ['seed: must be an integer; got "1"; remove the quotes']),
    ("seed: 1", "seed: 1.0", ["seed: must be an integer; got 1.0"]),
    ("seed: 1", "seed: true", ["seed: must be an integer; got true"]),
    ("seed: 1", "seed: yes", ['seed: must be an integer; got "yes"']),
    ("seed: 1", "seed:", ["seed: must be an integer; got null"]),
    ("seed: 1", "seed: -1", ["seed: must be at least 0; got -1"]),
    ("seed: 1", "seed: 1\nseed: 2", ["+1 seed: must be given once; got it again after line 2"]),
    ("seed: 1", "seed: !!int one", ["seed: must be readable as !!int; got one"]),
    ("seed: 1", "seed: !python/name:os.system x", [
        "seed: must be without a tag of its own; got !python/name:os.system; remove the tag"
    ]),
    ("seed: 1", "seed: 1\n3: x", ["= must have strings as keys; got the key 3; put the key in quotes"]),
    ("name: digits", "name: Digits", [
        'name: must be lower-case letters and digits, with single dashes between, starting with a letter; got "Digits"'
    ]),
    ("name: digits", "name: ../up", [
        'name: must be lower-case letters and digits, with single dashes between, starting with a letter; got "../up"'
    ]),
    ("name: digits", f"name: {'d' * 41}", [
        f'name: must be at most 40 characters long; got "{"d" * 41}"; the name becomes part of paths'
    ]),
    ("name: digits", "name: 7", ["name: must be a string; got 7; put it in quotes"]),
    ("select: smallest", "select: smalest", [
        'select: must be one of smallest, fastest, most_accurate; got "smalest"; did you mean smallest?'
    ]),
    ("runtime: {workspace: .edge/digits}", 'runtime: {workspace: ""}', [
        'runtime.workspace: must be a path in one line, not empty; got ""'
    ]),
    ("runtime: {workspace: .edge/digits}", "runtime: here", ['runtime: must be a mapping; got "here"']),
    ("select: smallest", "card: {licence: MIT}", [
        f"card.licence: {CARD}; got the unknown key licence; did you mean license?"
    ]),
    ("select: smallest", "card: {owners: me}", ['card.owners: must be a list; got "me"']),
    ("select: smallest", 'card: {intended_use: ""}', [
        'card.intended_use: must not be empty; got ""'
    ]),
    ("select: smallest", "card: {caveats: [one, two]}", [
        'card.caveats: must be a string; got ["one", "two"]'
    ]),
    ("runtime: {workspace: .edge/digits}", "runtime: {tensorboard: 1}", [
        "runtime.tensorboard: must be true or false; got 1"
    ]),
    ("runtime: {workspace: .edge/digits}", "runtime: {parallel_nodes: 0}", [
        "runtime.parallel_nodes: must be at least 1; got 0"
    ]),
    ("select: smallest", "cycle: {trigger: drift}", [
        "cycle.trigger: must come with data.guard.drift.notice, which says how much drift is a reason to train; got "
        "drift without it"
    ]),
    # push
    ("select: smallest", 'push: {to: "s3://key:secret@bucket/models"}', [
        "push.to: must hold no credentials and no parameters: they belong into the environment; got a URI with @, ? or "
        "&; see docs/registry.md"
    ]),
    ("select: smallest", 'push: {to: "simplecache::s3://key:secret@bucket/models"}', [
        "push.to: must be one folder or one URI, with no other inside it; got a chain with ::; see docs/registry.md"
    ]),
    ("select: smallest", "push: {sign_key_env: 'a key'}", [
        'push.sign_key_env: must be the name of an environment variable; got "a key"'
    ]),
    ("select: smallest", "push: {keep: 0}", ["push.keep: must be at least 1; got 0"]),
    # data
    ("path: data/digits", 'path: "s3://key:secret@bucket/data"', [
        "data.path: must hold no credentials and no parameters: they belong into the environment; got a URI with @, ? "
        "or &; see docs/registry.md"
    ]),
    ("path: data/digits", "path: data/{SPAM}", [
        'data.path: must hold no placeholders but {SPAN}, {VERSION}, {YYYY}, {MM}, {DD}; got "data/{SPAM}"'
    ]),
    ("path: data/digits", "path: data/digits\nwindow: {spans: 3}", [
        "+1 data.window: must be left out unless path holds {SPAN} or a date; got {spans: 3}; see docs/spans.md"
    ]),
    ("path: data/digits", "path: data/{SPAN}\nwindow: some", [
        '+1 data.window: must be all or {spans: N}; got "some"'
    ]),
    ("format: tfrecord", "format: tfrecords", [
        "data.format: must be one of tfrecord, npz, csv, parquet, images, audio; "
        'got "tfrecords"; did you mean tfrecord?'
    ]),
    ("format: tfrecord", "fromat: tfrecord", [
        f"data.fromat: {DATA}; got the unknown key fromat; did you mean format?"
    ]),
    ("label: label", "schema: s.pbtxt", ["^ data.label: must be given; got nothing"]),
    ("label: label", 'label: "a b"', [
        "data.label: must be a feature name of letters, digits, _ . / and -, starting with a letter or _; got \"a b\""
    ]),
    ("label: label", "label: label\nlabel_names: [a]", [
        '+1 data.label_names: must hold at least 2 entries; got ["a"]'
    ]),
    ("label: label", "label: label\nlabel_names: a", ['+1 data.label_names: must be a list; got "a"']),
    ("label: label", "label: label\nlabel_names: [zero, 1]", [
        "+1 data.label_names[1]: must be a string; got 1; put it in quotes"
    ]),
    ("label: label", "label: label\nlabel_names: [a, b, a]", [
        '+1 data.label_names: must name every class differently; got "a" twice'
    ]),
    ("format: tfrecord", "format: npz", [
        "^ data.arrays: must be given when format is npz; got nothing; "
        'write for example {image: "x_{split}", label: "y_{split}"}'
    ]),
    ("format: tfrecord", "format: tfrecord\narrays: {image: x, label: y}", [
        "+1 data.arrays: must be left out unless format is npz; got format tfrecord; remove arrays"
    ]),
    ("format: tfrecord", NPZ + "{image: x, lable: y}", [
        "+1 data.arrays: must hold the label label; got the features image, lable; did you mean lable?"
    ]),
    ("format: tfrecord", NPZ + '{image: "x_{split}", label: y}', [
        '+1 data.arrays.image: must not hold {split} when splits are weights; got "x_{split}"'
    ]),
    ("format: tfrecord", NPZ + "{image: ../x, label: y}", [
        '+1 data.arrays.image: must be the name of an array, not empty and without / or \\; got "../x"'
    ]),
    (SPLITS, "splits: {train: 6, validation: 1}", ["data.splits.eval: must be given; got nothing"]),
    (SPLITS, "splits: {train: 6, validation: 1, test: 3, eval: 1}", [
        "data.splits.test: must be one of train, validation, eval; got the unknown key test"
    ]),
    (SPLITS, "splits: {train: 6, validation: 0, eval: 3}", [
        "data.splits.validation: must be a weight from 1 to 1000; got 0"
    ]),
    (SPLITS, "splits: {train: 6, validation: 1, eval: 0.5}", [
        "data.splits.eval: must be a weight, the name of a source, or {from: NAME, buckets: N}; got 0.5"
    ]),
    (SPLITS, "splits: {train: 6, validation: 1, eval: test}", [
        "data.splits: must be three weights or three sources, not a mixture; got train: 6, validation: 1, eval: test"
    ]),
    (SPLITS, "splits: {train: ../x, validation: b, eval: c}", [
        'data.splits.train: must be the name of a source, without / and not starting with .; got "../x"'
    ]),
    (SPLITS, "splits: {train: a, validation: a, eval: c}", [
        "data.splits.validation: must share no examples with train; got a, which train takes; "
        "write {from: a, buckets: N} for both"
    ]),
    (SPLITS, "splits: {train: a, validation: {from: a, buckets: 1}, eval: c}", [
        "data.splits.validation: must share no examples with train; got a, which train takes; "
        "write {from: a, buckets: N} for both"
    ]),
    (SPLITS, "splits: {train: {from: a, bucket: 3}, validation: b, eval: c}", [
        "data.splits.train.bucket: must be one of from, buckets; got the unknown key bucket; did you mean buckets?"
    ]),
    (SPLITS, "splits: {train: {from: a}, validation: b, eval: c}", [
        "data.splits.train.buckets: must be given; got nothing"
    ]),
    # model
    ("module: models.digits", "module: models/digits.py", [
        'model.module: must be a dotted module name such as models.digits; got "models/digits.py"'
    ]),
    ("task: multiclass", "task: classification", [
        'model.task: must be one of multiclass, binary, regression; got "classification"'
    ]),
    ("hparams: {filters: 16}", "hparams: {filters: {a: 1}}", [
        'model.hparams.filters: must be a scalar or a list of scalars; got {"a": 1}'
    ]),
    ("hparams: {filters: 16}", "hparams: {rate: .inf}", ["model.hparams.rate: must be a finite number; got Infinity"]),
    ("hparams: {filters: 16}", "hparams: [16]", ["model.hparams: must be a mapping; got [16]"]),
    # train
    (TRAIN, "train: {epoch: 20}", [
        "train.epoch: must be one of epochs, batch_size, learning_rate, learning_rate_schedule, "
        "early_stopping_patience, cache, shuffle_bytes, class_weights, warm_start; "
        "got the unknown key epoch; did you mean epochs?"
    ]),
    (TRAIN, "train: {epochs: 0}", ["train.epochs: must be at least 1; got 0"]),
    (TRAIN, "train: {learning_rate: fast}", ['train.learning_rate: must be a number; got "fast"']),
    (TRAIN, "train: {learning_rate: 0}", ["train.learning_rate: must be greater than 0; got 0"]),
    (TRAIN, "train: {batch_size: 100000}", ["train.batch_size: must be at most 65536; got 100000"]),
    # variants
    (INT8, "Int8: [quantize: {mode: int8}]", [
        f'variants.Int8: must have a name of {WORDS}, at most 40 characters; got "Int8"'
    ]),
    (INT8, "a/b: [quantize: {mode: int8}]", [
        f'variants.a/b: must have a name of {WORDS}, at most 40 characters; got "a/b"'
    ]),
    (INT8, "int8: []", ["variants.int8: must be a list of steps that ends in quantize; got []"]),
    (INT8, "int8: {quantize: {mode: int8}}", [
        'variants.int8: must be a list of steps that ends in quantize; got {"quantize": {"mode": "int8"}}; '
        "start every step with a dash"
    ]),
    (INT8, "int8: [{quantize: {mode: int8}, qat: {}}]", [
        "variants.int8[0]: must be one step, written `kind: {settings}`; got a mapping with the keys quantize, qat; "
        "start every step with a dash"
    ]),
    (INT8, "int8: [3]", [
        "variants.int8[0]: must be one step, written `kind: {settings}`; got 3; start every step with a dash"
    ]),
    (INT8, "int8: [quantise: {mode: int8}]", [
        f'variants.int8[0].quantise: {STEPS}; got "quantise"; did you mean quantize?'
    ]),
    (INT8, "int8: [qta, quantize: {mode: int8}]", [f'variants.int8[0].qta: {STEPS}; got "qta"; did you mean qat?']),
    (INT8, "int8: [quantize: {mode: int9}]", [
        f'variants.int8[0].quantize.mode: {MODES}; got "int9"; did you mean int8?'
    ]),
    (INT8, "int8: [quantize]", ["variants.int8[0].quantize.mode: must be given; got nothing"]),
    (INT8, "int8: [quantize: int8]", ['variants.int8[0].quantize: must be a mapping; got "int8"']),
    (INT8, "int8: [quantize: {mode: int8, calibration: 5}]", [
        f"variants.int8[0].quantize.calibration: {QUANTIZE}; "
        "got the unknown key calibration; did you mean calibration_examples?"
    ]),
    (INT8, "baseline: [quantize: {mode: int8}]", [
        'variants.baseline: must not be named baseline, as the float model is; got "baseline"'
    ]),
    (INT8, "int8: [qat]", [
        "variants.int8: must end in quantize; got qat as the last step; add quantize: {mode: int8}"
    ]),
    (INT8, "int8: [quantize: {mode: int8}, qat]", [
        "variants.int8[0]: must have quantize as the last step; got qat after it"
    ]),
    (INT8, "int8: [qat, qat, quantize: {mode: int8}]", [
        "variants.int8[1]: must hold every kind of step once; got qat again"
    ]),
    (INT8, "int8: [qat, prune: {sparsity: 0.5}, quantize: {mode: int8}]", [
        "variants.int8[1]: must stand after distill or prune_channels, or first; got prune after qat"
    ]),
    (INT8, "int8: [cluster, distill, quantize: {mode: int8}]", [
        "variants.int8[1]: must be the first step; got distill after cluster"
    ]),
    (INT8, "int8: [prune: {m_by_n: [2, 4]}, prune_channels: {ratio: 0.5}, quantize: {mode: int8}]", [
        "variants.int8[1]: must stand before a prune step with m_by_n or block_size, whose pattern it would break; "
        "got prune_channels after prune"
    ]),
    (INT8, "int8: [prune_channels: {ratio: 1.0}, quantize: {mode: int8}]", [
        "variants.int8[0].prune_channels.ratio: must be less than 1; got 1.0"
    ]),
    (INT8, "int8: [prune_channels: {ratio: 0.5, layers: {conv: -1.0}}, quantize: {mode: int8}]", [
        "variants.int8[0].prune_channels.layers.conv: must be at least 0; got -1.0"
    ]),
    (INT8, "int8: [prune: {epochs: 2}, quantize: {mode: int8}]", [
        "variants.int8[0].prune: either sparsity or m_by_n must be given; got neither; write for example sparsity: 0.8"
    ]),
    (INT8, "int8: [prune: {m_by_n: [2, 4], distribution: lamp}, quantize: {mode: int8}]", [
        "variants.int8[0].prune: distribution must be left out with m_by_n, which fixes the pattern; got distribution"
    ]),
    (INT8, "int8: [cluster: {temperature: 3.0}, quantize: {mode: int8}]", [
        "variants.int8[0].cluster: temperature must come with a teacher; got none; add `teacher: baseline`"
    ]),
    (INT8, "int8: [cluster: {clusters: 1}, quantize: {mode: int8}]", [
        "variants.int8[0].cluster.clusters: must be at least 2; got 1"
    ]),
    (INT8, "int8: [qat, quantize: {mode: float16}]", [
        "variants.int8[1].quantize.mode: must be one of int8, int8_io after qat, which trains for 8 bits; "
        'got "float16"'
    ]),
    (INT8, "int8:\n- qat\n- quantize:\n    mode: int8_io\n    layers: {conv: float32}\n    max_validation_drop: 0.01", [
        "+4 variants.int8[1].quantize.layers: must be left out after qat, which trains every layer for the range it "
        'has; got {"conv": "float32"}; name layers in the skip of qat instead',
        "+5 variants.int8[1].quantize.max_validation_drop: must be left out after qat, which trains every layer for "
        "the range it has; got 0.01; name layers in the skip of qat instead",
    ]),
    (INT8, "int8:\n- quantize:\n    mode: int16x8\n    layers:\n      conv: int4\n    keep: int8", [
        "+3 variants.int8[0].quantize.layers: must hold float32, int16x8, int8 with mode int16x8; got conv: int4",
        "+5 variants.int8[0].quantize.keep: must be float32 with mode int16x8; got int8",
    ]),
    (INT8, "int8: [quantize: {mode: float16, layers: {conv: int8}}]", [
        "variants.int8[0].quantize.layers: must be left out with mode float16; got conv: int8; "
        "choose mode dynamic, int8, int8_io, int16x8, int4"
    ]),
    (INT8, "int8: [quantize: {mode: int8, layers: {conv: int7}}]", [
        "variants.int8[0].quantize.layers.conv: must be one of float32, int16x8, int8, int4; "
        'got "int7"; did you mean int8?'
    ]),
    (INT8, "int8: [quantize: {mode: dynamic, max_validation_drop: 0.01}]", [
        "variants.int8[0].quantize.max_validation_drop: must be left out with mode dynamic; got 0.01; "
        "choose mode int8, int8_io, int16x8, int4"
    ]),
    (INT8, "int8: [quantize: {mode: int8, max_validation_drop: -0.01, keep: float32}]", [
        "variants.int8[0].quantize.max_validation_drop: must be at least 0; got -0.01"
    ]),
    (INT8, "int8: [quantize: {mode: int8, keep: float32, ranking_examples: 100}]", [
        "variants.int8[0].quantize.keep: must be left out without max_validation_drop; got float32; give both or none",
        "variants.int8[0].quantize.ranking_examples: must be left out without max_validation_drop; got 100; "
        "give both or none",
    ]),
    (INT8, "int8: [quantize: {mode: int8}]\nsame: [quantize: {mode: int8, calibration_examples: 500}]", [
        "+1 variants.same: must differ from every other variant; got the same steps as int8"
    ]),
    (INT8, "int8: [prune: {sparsity: 0.5, initial_sparsity: 0.7}, quantize: {mode: int8}]", [
        "variants.int8[0].prune: initial_sparsity must be at most sparsity (0.5); got 0.7; lower it"
    ]),
    (INT8, "int8: [prune: {sparsity: 1}, quantize: {mode: int8}]", [
        "variants.int8[0].prune.sparsity: must be less than 1; got 1"
    ]),
    (INT8, "int8: [prune: {sparsity: 0.5, skip: conv}, quantize: {mode: int8}]", [
        'variants.int8[0].prune.skip: must be a list; got "conv"'
    ]),
    # gate
    ("metric: accuracy", "metric: acuracy", [
        "gate.metric: must be one of accuracy, auc, precision, recall, f1, rmse, mae; "
        'got "acuracy"; did you mean accuracy?'
    ]),
    ("metric: accuracy", "metric: rmse", [
        'gate.metric: must be one of accuracy for the task multiclass; got "rmse"'
    ]),
    ("metric: accuracy", "metric: accuracy\nmax_value: 1", [
        "+1 gate.max_value: must be left out for accuracy, where higher is better; got 1.0; use min_value"
    ]),
    ("metric: accuracy", "metric: mae\nmin_value: 1", [
        "gate.metric: must be one of accuracy for the task multiclass; got \"mae\"",
        "+1 gate.min_value: must be left out for mae, where lower is better; got 1.0; use max_value",
    ]),
    ("max_drop: 0.03", "min_value: 0.9", ["^ gate: must hold max_drop or max_drop_percent; got neither"]),
    ("max_drop: 0.03", "max_drop: 0.03\nmax_drop_percent: 3", [
        "+1 gate.max_drop_percent: must be the only one of max_drop and max_drop_percent; got both (0.03 and 3.0)"
    ]),
    ("max_drop: 0.03", "max_drop: -0.03", ["gate.max_drop: must be at least 0; got -0.03"]),
    ("max_drop: 0.03", "max_drop: .nan", ["gate.max_drop: must be a finite number; got NaN"]),
    ("max_drop: 0.03", "max_drop: 3", [
        "gate.max_drop: must be at most 1 for accuracy; got 3.0; for percent of the baseline write max_drop_percent"
    ]),
    ("max_drop: 0.03", "max_drop: 0.03\nmax_drop_vs_champion: 2", [
        "+1 gate.max_drop_vs_champion: must be at most 1 for accuracy; got 2.0"
    ]),
    ("max_drop: 0.03", "max_drop_vs_champion: 0.02", [
        "^ gate: must hold max_drop or max_drop_percent; got neither"
    ]),
    ("max_drop: 0.03", "max_dorp: 0.03", [
        "gate.max_dorp: must be one of max_drop, max_drop_percent, min_value, max_value, output, metric, "
        "max_drop_vs_champion, confidence, slices; got the unknown key max_dorp; did you mean max_drop?"
    ]),
    ("max_drop: 0.03", "max_drop: 0.03\nconfidence: 1", ["+1 gate.confidence: must be less than 1; got 1"]),
    ("max_drop: 0.03", "max_drop: 0.03\nconfidence: 0.5", ["+1 gate.confidence: must be greater than 0.5; got 0.5"]),
    ("max_drop: 0.03", 'max_drop: 0.03\nconfidence: "0.95"', [
        '+1 gate.confidence: must be a number; got "0.95"; remove the quotes'
    ]),
    # slices
    *(
        ("max_drop: 0.03", f"max_drop: 0.03\nslices: {given}", [f"+1 gate.slices{fault}"])
        for given, fault in [
            ("{by: [a]}", ': must be a list; got {"by": ["a"]}'),
            ("[a]", '[0]: must be a mapping; got "a"'),
            ("[{}]", "[0]: must name columns in by or where; got neither"),
            ("[{by: [], max_drop: 0.1}]", "[0]: must name columns in by or where; got neither"),
            ("[{bye: [a]}]", f"[0].bye: {SLICE}; got the unknown key bye; did you mean by?"),
            ("[{by: [a], confidence: 0.9}]", f"[0].confidence: {SLICE}; got the unknown key confidence"),
            ("[{by: a}]", '[0].by: must be a list; got "a"'),
            ("[{by: [3]}]", "[0].by[0]: must be a string; got 3; put it in quotes"),
            ("[{by: [a, a]}]", '[0]: must name every column once; got "a" twice'),
            ("[{by: [a], where: {a: 1}}]", '[0]: must name every column once; got "a" twice'),
            ("[{where: [a]}]", '[0].where: must be a mapping; got ["a"]'),
            ("[{where: {a: [1, 2]}}]", "[0].where.a: must be a string or a finite number; got [1, 2]"),
            ("[{where: {a: true}}]", "[0].where.a: must be a string or a finite number; got true; write 0 or 1"),
            ("[{where: {a: .nan}}]", "[0].where.a: must be a string or a finite number; got NaN"),
            ("[{by: [a], min_examples: 0}]", "[0].min_examples: must be at least 1; got 0"),
            ("[{by: [a], max_drop: -1}]", "[0].max_drop: must be at least 0; got -1"),
            ("[{by: [a], min_value: 2}]", "[0].min_value: must be at most 1; got 2"),
            ("[{by: [a]}, {by: [b], max_drop: 3}]", "[1].max_drop: must be at most 1 for accuracy; got 3.0; "
             "for percent of the baseline write max_drop_percent"),
            ("[{by: [a], max_value: 1}]", "[0].max_value: must be left out for accuracy, where higher is better; "
             "got 1.0; use min_value"),
            ("[{by: [a], max_drop: 0.1, max_drop_percent: 1}]", "[0].max_drop_percent: must be the only one of "
             "max_drop and max_drop_percent; got both (0.1 and 1.0)"),
        ]
    ),
    ("max_drop: 0.03", "min_value: 0.9\nslices: [{by: [a], max_drop: 0.1}]", [
        "^ gate: must hold max_drop or max_drop_percent; got neither"
    ]),
    # export
    *(
        ("select: smallest", f"select: smallest\nexport: {given}", [f"+1 export{fault}" for fault in found])
        for given, *found in [
            ("raw", ': must be a mapping; got "raw"'),
            ("{inputs: row}", '.inputs: must be one of transformed, raw; got "row"; did you mean raw?'),
            ("{input: raw}", ".input: must be one of inputs; got the unknown key input; did you mean inputs?"),
        ]
    ),
    # edge
    *(
        ("select: smallest", f"select: smallest\nedge: {given}", [f"+1 edge{fault}" for fault in found])
        for given, *found in [
            ("cpu", ': must be a mapping; got "cpu"'),
            ("{profil: cpu}", f".profil: {EDGE}; got the unknown key profil; did you mean profile?"),
            ("{profile: ../x}", '.profile: must be the name of a profile, of lower-case letters, digits, - and _; '
             'got "../x"'),
            ("{max_size_bytes: -1}", ".max_size_bytes: must be at least 1; got -1"),
            ("{max_size_bytes: 60k}", '.max_size_bytes: must be an integer; got "60k"'),
            ("{max_latency_ms: 0}", ".max_latency_ms: must be greater than 0; got 0"),
            ("{max_latency_ms: .inf}", ".max_latency_ms: must be a finite number; got Infinity"),
            ("{max_gzip_bytes: 0, max_macs: -3}", ".max_gzip_bytes: must be at least 1; got 0",
             ".max_macs: must be at least 1; got -3"),
            ("{max_arena_bytes: 1.5, threads: 0}", ".threads: must be at least 1; got 0",
             ".max_arena_bytes: must be an integer; got 1.5"),
        ]
    ),
    ("select: smallest", "select: fast", [
        'select: must be one of smallest, fastest, most_accurate; got "fast"; did you mean fastest?'
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CASES, ids=[case[1].replace("\n", " ; ")[:70] for case in CASES])
def test_message(configs, old, new, expected):
    text, line = configs.changed(old, new)
    above = 3 if line in range(4, 8) else 16
    placed = []
    for message in expected:
        mark, rest = message.split(" ", 1)
        if mark.startswith("+"):
            placed.append(f"{line + int(mark[1:])}: {rest}")
        elif mark == "^":
            placed.append(f"{above}: {rest}")
        elif mark == "=":
            placed.append(f"{line + 1}: {rest}")
        else:
            placed.append(f"{line}: {message}")
    assert configs.faults(text) == placed


@pytest.mark.parametrize(
    ("model", "more", "expected"),
    [
        ("{task: multiclass}", "", "8: model: must hold module (to train a model) or pretrained; got neither"),
        (
            "{pretrained: m.keras, task: multiclass}",
            "train: {epochs: 3}",
            "9: train: must be left out with model.pretrained, which is not trained; got settings of a training",
        ),
        (
            "{pretrained: m.keras, module: models.digits, task: multiclass, search: {trials: 2}}",
            "",
            "8: model.search: must be left out with pretrained, which builds no model; got a search",
        ),
        (
            "{pretrained: m.keras, module: models.digits, task: multiclass, hparams: {filters: 8}}",
            "",
            "8: model.hparams: must be left out with pretrained, unless a variant distills into build_student; "
            'got {"filters": 8}',
        ),
        (
            '{pretrained: "", task: multiclass}',
            "",
            '8: model.pretrained: must be a path in one line, not empty; got ""',
        ),
    ],
)
def test_a_pretrained_model(configs, model, more, expected):
    start, end = configs.base.index("model:"), configs.base.index("variants:")
    text = f"{configs.base[:start]}model: {model}\n{more}\n{configs.base[end:]}"
    assert configs.faults(text) == [expected]


def test_a_student_beside_a_pretrained_model_needs_a_module(configs):
    start, end = configs.base.index("model:"), configs.base.index("variants:")
    student = configs.base[end:].replace("prune: {sparsity: 0.8}", "distill: {epochs: 2}")
    text = "{}model: {{pretrained: m.keras, task: multiclass}}\n{}"
    assert configs.faults(text.format(configs.base[:start], student)) == [
        "8: model.module: must be given, because a variant distills into its build_student; got nothing; "
        "or set student: same"
    ]
    configs.load(text.format(configs.base[:start], student.replace("epochs: 2", "student: same")))
    text = text.replace("m.keras", "m.keras, module: models.digits, hparams: {{filters: 8}}")
    configs.load(text.format(configs.base[:start], student))


def test_many_faults_at_once_sorted_by_line(configs):
    text = """\
nmae: digits
seed: -1
data:
  formt: tfrecord
  path: data/digits
  splits: {train: 6, validation: 1, eval: 3}
model: {module: models.digits, task: multi}
train: {epochs: "3", epochs: 4}
variants:
  a: [prun: {sparsity: 0.5}, quantize: {mode: int8}]
  b: [prune: {sparsity: 80}, quantize: {mode: int9}]
gate: {metric: accuracy}
"""
    assert (
        "\n".join(configs.faults(text))
        == f"""\
1: nmae: {TOP}; got the unknown key nmae; did you mean name?
2: seed: must be at least 0; got -1
3: data.label: must be given; got nothing
4: data.formt: {DATA}; got the unknown key formt; did you mean format?
7: model.task: must be one of multiclass, binary, regression; got "multi"; did you mean multiclass?
8: train.epochs: must be given once; got it again after line 8
8: train.epochs: must be an integer; got "3"; remove the quotes
10: variants.a[0].prun: {STEPS}; got "prun"; did you mean prune?
11: variants.b[0].prune.sparsity: must be less than 1; got 80
11: variants.b[1].quantize.mode: {MODES}; got "int9"; did you mean int8?
12: gate: must hold max_drop or max_drop_percent; got neither"""
    )


def test_what_stands_beside_an_unknown_key_is_checked_too(configs):
    text, line = configs.changed("train: {epochs: 20, batch_size: 64}", "train: {epoch: 0, zebra: 1, batch_size: 0}")
    faults = configs.faults(text)
    assert [fault.split("; got")[0].split(": must")[0] for fault in faults] == [
        f"{line}: train.epoch",
        f"{line}: train.zebra",
        f"{line}: train.epoch",
        f"{line}: train.batch_size",
    ]
    assert faults[2] == f"{line}: train.epoch: must be at least 1; got 0"


def _leaves(node: object, path: tuple = ()) -> list[tuple]:
    if isinstance(node, dict):
        return [leaf for key, value in node.items() for leaf in _leaves(value, (*path, key))]
    if isinstance(node, list) and node and isinstance(node[0], dict):
        return [leaf for index, value in enumerate(node) for leaf in _leaves(value, (*path, index))]
    return [path]


def _blocks(node: object, broken: tuple, path: tuple = (), indent: int = 0) -> list[tuple[str, tuple]]:
    """Block-style YAML, one key a line, each line with its path; the value at `broken` is one that fits nowhere."""
    pad, rows = "  " * indent, []
    if isinstance(node, dict):
        for key, value in node.items():
            here = (*path, key)
            nested = isinstance(value, dict | list) and value and here != broken
            scalar = "{broken: {broken: 1}}" if here == broken else "" if nested else _scalar(value)
            rows.append((f"{pad}{key}: {scalar}".rstrip(), here))
            if nested:
                rows += _blocks(value, broken, here, indent + 1)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            rows.append((f"{pad}-", (*path, index)))
            if isinstance(value, dict):
                rows += _blocks(value, broken, (*path, index), indent + 1)
            else:
                rows[-1] = (f"{pad}- {_scalar(value)}", (*path, index))
    return rows


def _scalar(value: object) -> str:
    return "null" if value is None else f'"{value}"' if isinstance(value, str) else str(value).replace("[]", "[]")


def _full_config() -> Config:
    return load(Path(__file__).parents[3] / "configs" / "digits.yaml")


@pytest.mark.parametrize("leaf", _leaves(_full_config().canonical()), ids=lambda leaf: ".".join(map(str, leaf)))
def test_a_fault_in_any_leaf_names_its_line(configs, leaf):
    canonical = _full_config().canonical()
    rows = _blocks(canonical, leaf)
    text = "\n".join(row for row, _ in rows) + "\n"
    expected = next(number for number, (_, path) in enumerate(rows, 1) if path == leaf)
    faults = configs.faults(text)
    assert f"{expected}" in {fault.split(":")[0] for fault in faults}
    assert not any("pydantic" in fault or "http" in fault for fault in faults)


def test_the_canonical_form_is_a_file_that_means_the_same(configs):
    config = _full_config()
    text = "\n".join(row for row, _ in _blocks(config.canonical(), ())) + "\n"
    assert configs.load(text).sha256 == config.sha256


def test_no_more_faults_than_one_reads(configs):
    names = "\n".join(f"k{number}: 1" for number in range(80))
    faults = configs.faults(configs.base + names)
    assert len(faults) == 51
    assert faults[-1] == "... and 30 more faults"


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="must be a readable YAML file; got no file of that name"):
        load(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="must be a readable YAML file; got a folder"):
        load(tmp_path)
