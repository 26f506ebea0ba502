"""What `configs/fashion_mnist.yaml` asks for, written by hand: tf_keras, tfmot and LiteRT, without a pipeline.

The arrays fit into memory, so they are trained on from there. It makes the same files from the same network in as many
epochs, batches and calibration examples, asks each for the test images, and times it. Nothing else: no statistics, no
schema, no drift, no audit, no report, nothing that could be resumed. `benchmarks.overhead` runs it beside the pipeline.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter
from tensorflow_model_optimization.python.core.api.experimental import combine

from models.fashion_mnist import build_model

BATCH = 128
CALIBRATION = 500
SPARSITY = 0.7
ROUNDS, ROUND_SECONDS = 3, 0.5
WARMUP = 50
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Epochs:
    """Passes over the train images of each training."""

    train: int = 6
    prune: int = 3
    qat: int = 2


@dataclass
class Images:
    """Pixels in [0, 1], float32 `[examples, 28, 28, 1]`, and classes `[examples]`."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


@dataclass
class Clock:
    """Seconds by what was done."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Adds what the block takes."""
        begin = time.perf_counter()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - begin


def load(path: Path) -> Images:
    """The train images but for the last twelfth, which validates, and the test images."""
    with np.load(path) as arrays:
        pixels = {part: arrays[f"x_{part}"][..., None].astype(np.float32) / 255 for part in ("train", "test")}
        labels = {part: arrays[f"y_{part}"].astype(np.int64) for part in ("train", "test")}
    cut = len(labels["train"]) * 11 // 12
    train, validation = (
        (pixels["train"][part], labels["train"][part]) for part in (slice(None, cut), slice(cut, None))
    )
    return Images(train, validation, (pixels["test"], labels["test"]))


def fit(
    model: keras.Model, images: Images, epochs: int, rate: object, callbacks: list[keras.callbacks.Callback]
) -> None:
    """Trains in place."""
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(
        *images.train,
        batch_size=BATCH,
        epochs=epochs,
        validation_data=images.validation,
        validation_batch_size=256,
        callbacks=callbacks,
        verbose=0,
    )


def trained(images: Images, epochs: int) -> keras.Model:
    """The float model."""
    model = build_model({})
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
    fit(model, images, epochs, 1e-3, [stop])
    return model


def copied(model: keras.Model) -> keras.Model:
    """The same layers and weights."""
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def steps_of(images: Images) -> int:
    """Batches in an epoch."""
    return -(-len(images.train[1]) // BATCH)


def pruned(model: keras.Model, images: Images, epochs: int) -> keras.Model:
    """70 % zeros after two thirds of the epochs."""
    steps = steps_of(images)
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, SPARSITY, 0, steps * epochs * 2 // 3, frequency=steps // 10)
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(copied(model), pruning_schedule=schedule)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps * epochs)
    fit(wrapped, images, epochs, rate, [tfmot.sparsity.keras.UpdatePruningStep()])
    return tfmot.sparsity.keras.strip_pruning(wrapped)


def aware(model: keras.Model, images: Images, epochs: int) -> keras.Model:
    """Trained on with 8-bit rounding, zeros kept (guide/combine/pqat_example)."""
    annotated = tfmot.quantization.keras.quantize_annotate_model(copied(model))
    wrapped = tfmot.quantization.keras.quantize_apply(annotated, combine.Default8BitPrunePreserveQuantizeScheme())
    fit(wrapped, images, epochs, keras.optimizers.schedules.CosineDecay(1e-4, steps_of(images) * epochs), [])
    return wrapped


def converted(model: keras.Model, mode: str, images: Images) -> bytes:
    """The TFLite file; a model that was trained with rounding brings its own ranges (mode `qat`)."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if mode != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if mode in ("int8", "int8_io"):
        converter.representative_dataset = lambda: ([image[None]] for image in images.train[0][:CALIBRATION])
    if mode == "int8_io":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def quantized(values: np.ndarray, tensor: dict) -> np.ndarray:
    """As the input wants them."""
    scale, zero = tensor["quantization"]
    return values if not scale else np.clip(np.round(values / scale) + zero, -128, 127).astype(np.int8)


def accuracy(content: bytes, images: Images) -> float:
    """On the test images, in batches."""
    interpreter = Interpreter(model_content=content, num_threads=CORES)
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], [500, 28, 28, 1])
    interpreter.allocate_tensors()
    pixels, labels = images.test
    right = 0
    for first in range(0, len(labels), 500):
        interpreter.set_tensor(source["index"], quantized(pixels[first : first + 500], source))
        interpreter.invoke()
        right += int((interpreter.get_tensor(sink["index"]).argmax(axis=1) == labels[first : first + 500]).sum())
    return right / len(labels)


def latency_ms(content: bytes, images: Images) -> float:
    """Median for one image on one thread, of the best of some rounds."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    interpreter.set_tensor(source["index"], quantized(images.test[0][:1], source))
    for _ in range(WARMUP):
        interpreter.invoke()
    medians = []
    for _ in range(ROUNDS):
        times, end = [], time.perf_counter() + ROUND_SECONDS
        while len(times) < 10_000 and time.perf_counter() < end:
            begin = time.perf_counter()
            interpreter.invoke()
            times.append(time.perf_counter() - begin)
        medians.append(float(np.median(times)))
    return min(medians) * 1e3


def main(data: Path, folder: Path, epochs: Epochs) -> None:
    """Trains, compresses, judges, and writes files and `results.json` into `folder`."""
    clock = Clock()
    keras.utils.set_random_seed(1)
    with clock.of("read the data"):
        images = load(data)
    with clock.of("train"):
        model = trained(images, epochs.train)
    with clock.of("prune"):
        sparse = pruned(model, images, epochs.prune)
    with clock.of("qat"):
        ready = aware(sparse, images, epochs.qat)
    made: dict[str, Callable[[], bytes]] = {
        "float32": lambda: converted(model, "float32", images),
        "float16": lambda: converted(model, "float16", images),
        "int8": lambda: converted(model, "int8", images),
        "int8_io": lambda: converted(model, "int8_io", images),
        "pruned_int8": lambda: converted(sparse, "int8", images),
        "pqat_int8": lambda: converted(ready, "qat", images),
    }
    rows = {}
    for name, make in made.items():
        with clock.of("convert"):
            content = make()
        (folder / f"{name}.tflite").write_bytes(content)
        row: dict[str, float] = {"size_bytes": len(content), "gzip_bytes": len(gzip.compress(content))}
        with clock.of("evaluate"):
            row["accuracy"] = accuracy(content, images)
        with clock.of("measure latency"):
            row["latency_ms"] = latency_ms(content, images)
        rows[name] = row
    (folder / "results.json").write_text(json.dumps({"variants": rows, "seconds": clock.seconds}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Epochs(1, 1, 1) if sys.argv[3:] == ["quick"] else Epochs())
