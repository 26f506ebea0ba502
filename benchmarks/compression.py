"""Compression side by side: today's recipes and ours from the same float model, judged on the finished file.

`make bench-compression` trains a float network on Fashion-MNIST for three seeds and compresses each by every recipe.
What the goals look at is chosen by the accuracy on validation; test images are for the table alone. `QUICK=1` takes one
seed, a quarter of the images and few epochs: it shows that everything runs, not how good it is.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tf_keras as keras
from rich.console import Console

from benchmarks import naive_recipes, our_recipes
from benchmarks.fashion import load_images
from benchmarks.fashion_file import data_file
from benchmarks.file_latency import interleaved_medians
from benchmarks.measured_file import Measured, measure, structure_of, summarized
from benchmarks.model_cache import ModelCache
from benchmarks.results import finish, goal, quick
from compression.determinism import seed_everything
from compression.kernels import kernels
from compression.quantize import convert
from compression.settings import QuantizeSettings
from compression.structure import Keep
from compression.training import train
from models.fashion_mnist import build_model

FLOAT = "float32"
TIMES_SMALLER, SMALL_DROP = 20, 0.5
TIMES_FASTER, FAST_DROP = 3, 1.0
"""How much smaller and faster than the float file, and the points of accuracy that this may cost."""


class Bench:
    """All recipes for one seed."""

    def __init__(self, seed: int, cache: ModelCache, console: Console) -> None:
        self._images = load_images(seed, keep_one_in=4 if quick() else 1)
        self._seed = seed
        self._cache = cache
        self._console = console
        self._origin: list[Any] = ["quick" if quick() else "full", seed]
        self._float = self._trained()
        self._files: dict[str, bytes] = {}

    def run(self) -> list[Measured]:
        """Every recipe, measured; the float model first."""
        rows = [self._ours(FLOAT, (), "baseline", FLOAT)]
        rows += [self._naive(name, recipe) for name, recipe in naive_recipes.RECIPES.items()]
        rows += [self._ours(*recipe) for recipe in our_recipes.recipes(quick=quick())]
        features, _ = self._images.test.take_arrays(50)
        times = interleaved_medians(
            self._files, features, repeats=3 if quick() else 15, seconds=0.1 if quick() else 0.3
        )
        return [replace(row, latency_ms=times[f"{row.kind} {row.recipe}"]) for row in rows]

    def _trained(self) -> keras.Model:
        settings = our_recipes.train_settings(quick=quick())

        def make() -> keras.Model:
            self._say("train the float model")
            seed_everything(self._seed)
            model = build_model({})
            train(model, self._images.training, settings)
            return model

        return self._cache.model([*self._origin, settings.model_dump(mode="json")], make)

    def _naive(self, name: str, recipe: naive_recipes.Recipe) -> Measured:
        def make() -> bytes:
            self._say(f"naive: {name}")
            seed_everything(self._seed)
            return recipe.make(self._float, self._images.training)

        content = self._cache.file([*self._origin, "naive", name], make)
        weights = kernels(self._float)
        if recipe.aware:
            weights = [replace(kernel, scope=f"quant_{kernel.layer}") for kernel in weights]
        return self._measured(content, "naive", name, recipe.mode, weights, recipe.promises(weights))

    def _ours(self, name: str, chain: our_recipes.Chain, kind: str = "ours", mode: str = "int8") -> Measured:
        model = structure = self._float
        keep = Keep()
        origin = [*self._origin, "ours"]
        for settings in chain:
            origin.append([type(settings).__name__, settings.model_dump(mode="json")])

            def make(settings: Any = settings, model: keras.Model = model, keep: Keep = keep) -> keras.Model:  # noqa: ANN401
                self._say(f"ours: {type(settings).__name__.removesuffix('Settings')}, {settings.epochs} epochs, {name}")
                return our_recipes.apply(settings, model, self._images.training, self._float, keep)

            model = self._cache.model(origin, make)
            keep = our_recipes.kept_after(settings, keep)
            structure = structure if our_recipes.is_aware(settings) else model
        content = convert(model, QuantizeSettings.model_validate({"mode": mode}), self._images.training.train)
        per = "tensor" if chain and our_recipes.is_aware(chain[-1]) else "channel"
        return self._measured(content, kind, name, mode, kernels(model), structure_of(structure, per))

    def _measured(self, content: bytes, kind: str, name: str, mode: str, weights: Any, promises: Any) -> Measured:  # noqa: ANN401
        self._files[f"{kind} {name}"] = content
        return measure(content, self._images, kind=kind, recipe=name, mode=mode, weights=weights, promises=promises)

    def _say(self, what: str) -> None:
        self._console.print(f"[dim]{time.strftime('%H:%M:%S')}[/]  seed {self._seed}  {what}", highlight=False)


def goals(table: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Both goals, each for the recipe that validation prefers among those that are small or fast enough.

    Recipes are compared with each other, not with the float model: its best epoch was chosen by validation, which
    flatters it there.
    """
    ours = [row for row in table if row["kind"] == "ours" and row["audit"] == "kept"]
    by_name = {row["recipe"]: row for row in ours}
    small = [row for row in ours if row["smaller"] >= TIMES_SMALLER] or [max(ours, key=lambda row: row["smaller"])]
    smallest = max(small, key=lambda row: row["val %"])
    structured = [row for row in ours if row["recipe"].startswith("half") and row["recipe"].endswith("int8")]
    fast = [row for row in structured if row["faster"] >= TIMES_FASTER] or structured
    fastest = max(fast, key=lambda row: row["val %"])
    slim, plain = by_name[our_recipes.SLIM_FLOAT], by_name[our_recipes.PLAIN]
    return [
        goal(f"times smaller after gzip: {smallest['recipe']}", smallest["smaller"], TIMES_SMALLER, at_least=True),
        goal(f"its drop in points: {smallest['recipe']}", smallest["drop"], SMALL_DROP, at_least=False),
        goal(f"times faster: {fastest['recipe']}", fastest["faster"], TIMES_FASTER, at_least=True),
        goal(f"its drop in points: {fastest['recipe']}", fastest["drop"], FAST_DROP, at_least=False),
        goal("beside it, times faster: structured float against float", slim["faster"], 1, at_least=True),
        goal("beside it, times faster: structured int8 against int8", plain["us"] / fastest["us"], 1, at_least=True),
    ]


def main() -> None:
    """Prints the table, the promises that files broke, and the goals."""
    console = Console()
    cache = ModelCache(("benchmarks.naive_recipes", "benchmarks.our_recipes", "models.fashion_mnist"), data_file())
    seeds = [Bench(seed, cache, console).run() for seed in ((1,) if quick() else (1, 2, 3))]
    baselines = [rows[0] for rows in seeds]
    table = [summarized(list(rows), baselines) for rows in zip(*seeds, strict=True)]
    for row in table:
        for text in row["broken"]:
            console.print(f"{row['kind']}, {row['recipe']}: {text}", highlight=False)
    finish("compression", table, goals(table), hidden=("broken",))


if __name__ == "__main__":
    main()
