"""Simulation study of the gate's statistics: coverage, false passes, eight variants at once, power.

Run as `python -m benchmarks.statistics` (by path, this file's name would hide the standard library's `statistics`).
"""

import numpy as np
from scipy.special import ndtr

from benchmarks.results import finish, goal, quick
from compression.statistics import bootstrap, exact, score
from compression.statistics.bounds import MIN_EXAMPLES
from compression.statistics.decision import per_variant_confidence
from compression.statistics.intervals import Interval, bootstrap_interval
from compression.statistics.paired import default_method
from compression.statistics.power import passing_probability
from compression.statistics.weights import poisson_weights, unique_ids

Row = dict[str, str | int | float]

SETS = 1_000 if quick() else 10_000
RUNS = 100 if quick() else 500
CONFIDENCE = 0.95
# n, true share of differing answers, true drop. The gate's allowed drop is set at the true one: the hardest case.
ACCURACY_CASES = [(60, 0.1, 0.0), (60, 0.1, 0.05), (200, 0.03, 0.03), (200, 0.05, 0.0), (540, 0.05, 0.03)]
LARGE_CASES = [(5_000, 0.05, 0.01), (20_000, 0.05, 0.01)]
POWER_DIFFERING = [0.0, 0.01, 0.02, 0.05, 0.1]


def row(study: str, case: str, method: str, n: int, confidence: float, rate: float, sets: int) -> Row:
    """One line of the table; `sets` simulated samples (0: computed) gave the rate."""
    head: Row = {"study": study, "case": case, "method": method, "n": n}
    return {**head, "confidence": confidence, "rate": rate, "sets": sets}


def tables(rng: np.random.Generator, n: int, differing: float, drop: float, sets: int) -> np.ndarray:
    """Counts `[sets, 2]`: only the baseline right, only the candidate right."""
    p10, p01 = (differing + drop) / 2, (differing - drop) / 2
    return rng.multinomial(n, [p10, p01, 1 - p10 - p01], size=sets)[:, :2]


def upper_bounds(method: str, n: int, drawn: np.ndarray, confidence: float) -> np.ndarray:
    """Upper bounds of the drop; equal tables are computed once."""
    unique, place = np.unique(drawn, axis=0, return_inverse=True)
    if method == "score":
        return score.upper_bound(n, unique[:, 0], unique[:, 1], confidence)[place.ravel()]
    return np.array([exact.upper_bound(n, int(b), int(c), confidence) for b, c in unique])[place.ravel()]


def accuracy_coverage(rng: np.random.Generator) -> list[Row]:
    """How often the upper bound is at least the true drop; the rest are passes at a `max_drop` of just that."""
    rows = []
    for method, cases in (("exact", ACCURACY_CASES), ("score", ACCURACY_CASES + LARGE_CASES)):
        for n, differing, drop in cases:
            drawn = tables(rng, n, differing, drop, SETS)
            covered = upper_bounds(method, n, drawn, CONFIDENCE) >= drop
            case = f"accuracy, differing {differing:g}, drop {drop:g}"
            rows.append(row("coverage", case, method, n, CONFIDENCE, float(np.mean(covered)), SETS))
    return rows


def scores(rng: np.random.Generator, n: int, sets: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels `[n, sets]`, 30 % of them 1, and two models' probabilities `[2, n, sets]`; the second is noisier."""
    label = (rng.random((n, sets)) < 0.3).astype(np.float32)
    logit = rng.normal(size=(n, sets)) + 2 * label - 1
    both = np.stack([logit, logit + 0.5 * rng.normal(size=(n, sets)) - 0.1])
    return label, 1 / (1 + np.exp(-both))


def numbers(rng: np.random.Generator, n: int, sets: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for a regression whose errors have heavy tails (Student's t with 5 degrees of freedom)."""
    label = rng.normal(size=(n, sets))
    first = label + 0.5 * rng.standard_t(5, size=(n, sets))
    return label, np.stack([first, first + 0.2 * rng.normal(size=(n, sets))])


def weight_table(n: int, replicates: int, seed: int) -> np.ndarray:
    """The gate's own weights `[1 + replicates, n]`, the sample first; one table serves all simulated sets."""
    weights = poisson_weights(unique_ids(np.arange(n, dtype=np.uint64)), replicates, seed).T
    return np.concatenate([np.ones((1, n)), weights]).astype(np.float32)


def drops(metric: str, label: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Drops `[sets, 1 + replicates]` by the gate's own functions, for sets `[n, sets]`."""
    metric_row = bootstrap.METRIC_SUMS[metric]
    parts = metric_row.parts(label[None], answers).astype(np.float32)
    sums = np.tensordot(parts, weights, axes=(2, 1)).astype(np.float64)
    per_set = []
    for index in range(label.shape[1]):
        found = bootstrap.Replicates(
            metric, 0, 0, np.zeros(2, int), np.zeros(2), np.zeros((2, 0)), sums[:, :, index], seed=1
        )
        values = bootstrap.pair_values(found, 0, 1)
        per_set.append(values[0] - values[1] if metric_row.higher_is_better else values[1] - values[0])
    return np.stack(per_set)


def true_drop(rng: np.random.Generator, metric: str) -> float:
    """From 4 million examples: its own error is far below that of a set of 1,000."""
    metric_row = bootstrap.METRIC_SUMS[metric]
    draw = scores if metric_row.bounded else numbers
    total = np.zeros(())
    for _ in range(4):
        label, answers = draw(rng, 1_000_000, 1)
        total = total + metric_row.parts(label[None], answers).sum(axis=2)
    values = metric_row.value(total)[:, 0]
    return float(values[0] - values[1] if metric_row.higher_is_better else values[1] - values[0])


def bootstrap_coverage(rng: np.random.Generator, metric: str, n: int, kinds: tuple[Interval, ...]) -> list[Row]:
    """Coverage of upper bounds for a metric made of sums."""
    truth = true_drop(rng, metric)
    draw = scores if bootstrap.METRIC_SUMS[metric].bounded else numbers
    # 30 % of the labels are 1; about as many are called so.
    relevant = round(0.3 * n) if bootstrap.METRIC_SUMS[metric].bounded else n
    covered = dict.fromkeys(kinds, 0)
    chunk = 250
    # Quantiles of 10,000 x 1,000 replicates are slow, and other kinds than ours are for comparison only.
    sets = SETS if kinds == ("wider",) else SETS // 4
    for start in range(0, sets, chunk):
        label, answers = draw(rng, n, chunk)
        lost = drops(metric, label, answers, weight_table(n, 500, seed=start))
        for kind in kinds:
            upper = bootstrap_interval(lost[:, 0], lost[:, 1:], CONFIDENCE, relevant, kind)[1]
            covered[kind] += int(np.sum(upper >= truth))
    return [row("coverage", metric, f"bootstrap {kind}", n, CONFIDENCE, covered[kind] / sets, sets) for kind in kinds]


def auc_coverage(rng: np.random.Generator, positives: int, negatives: int) -> Row:
    """Coverage for AUC, whose true value is known: two normal logits at distance 2."""
    truth = float(ndtr(2 / np.sqrt(2)) - ndtr(2 / np.sqrt(2 + 2 * 0.25)))
    weights = weight_table(positives + negatives, 300, seed=3)
    w_pos, w_neg = weights[:, :positives], weights[:, positives:]
    pairs = w_pos.sum(axis=1) * w_neg.sum(axis=1)
    covered, chunk = 0, 100
    for _ in range(0, SETS, chunk):
        pos = rng.normal(1, 1, (chunk, positives)).astype(np.float32)
        neg = rng.normal(-1, 1, (chunk, negatives)).astype(np.float32)
        areas = []
        for noise in (0.0, 0.5):
            one, other = (x + noise * rng.normal(size=x.shape).astype(np.float32) for x in (pos, neg))
            wins = (one[:, None, :] > other[:, :, None]).astype(np.float32)
            areas.append(np.sum(np.matmul(w_neg, wins) * w_pos, axis=2) / pairs)
        lost = areas[0] - areas[1]
        covered += int(
            np.sum(bootstrap_interval(lost[:, 0], lost[:, 1:], CONFIDENCE, min(positives, negatives))[1] >= truth)
        )
    return row("coverage", "auc", "bootstrap wider", positives + negatives, CONFIDENCE, covered / SETS, SETS)


def passes(method: str, n: int, drawn: np.ndarray, max_drop: float, confidence: float) -> np.ndarray:
    """Whether each table passes; the exact bound is computed only near the limit."""
    bounds = upper_bounds("score", n, drawn, confidence)
    if method == "exact":
        # The two bounds differ by less than half a standard error where n is 500 or more (docs/gate-statistics.md).
        unit = np.sqrt(np.maximum(drawn.sum(axis=1), 1)) / n
        close = np.abs(bounds - max_drop) < 0.5 * unit
        if close.any():
            bounds[close] = upper_bounds("exact", n, drawn[close], confidence)
    return bounds <= max_drop


def eight_variants(rng: np.random.Generator) -> Row:
    """Share of runs in which any of eight variants passes, all as bad as `max_drop` exactly allows."""
    n, max_drop, wrong_to_right = 540, 0.03, 0.3
    confidence, method = per_variant_confidence(CONFIDENCE, 8), default_method(540)
    drawn = np.zeros((RUNS, 8, 2), int)
    for run in range(RUNS):
        # All variants err against one baseline, right on 95 %, so that they are as dependent as in a real run.
        right = rng.random(n) < 0.95
        lose = (max_drop + 0.05 * wrong_to_right) / 0.95
        drawn[run, :, 0] = (right & (rng.random((8, n)) < lose)).sum(axis=1)
        drawn[run, :, 1] = (~right & (rng.random((8, n)) < wrong_to_right)).sum(axis=1)
    passed = passes(method, n, drawn.reshape(-1, 2), max_drop, confidence).reshape(RUNS, 8)
    return row("8 bad variants", "any is pushed", method, n, CONFIDENCE, float(np.mean(passed.any(axis=1))), RUNS)


def power(rng: np.random.Generator) -> list[Row]:
    """How often good models pass `max_drop` 0.03, alone and as one of five variants."""
    rows = []
    sets = 200 if quick() else 1_000
    for n in (500, 5_000):
        for variants in (1, 5):
            confidence = per_variant_confidence(CONFIDENCE, variants)
            for drop, differing in [(0.0, rate) for rate in POWER_DIFFERING] + [(0.005, 0.02), (0.01, 0.02)]:
                case = f"{variants} variants, differing {differing:g}, drop {drop:g}"
                exactly = passes("exact", n, tables(rng, n, differing, drop, sets), 0.03, confidence)
                by_score = passing_probability(n, drop, differing, 0.03, confidence)
                rows.append(row("power", case, "exact", n, confidence, float(np.mean(exactly)), sets))
                rows.append(row("power", case, "score", n, confidence, by_score, 0))
    return rows


def standard_errors_short(line: Row) -> float:
    """By how many standard errors of the simulation a coverage falls short of what was promised."""
    confidence = float(line["confidence"])
    return (confidence - float(line["rate"])) / float(np.sqrt(confidence * (1 - confidence) / int(line["sets"])))


def score_size() -> list[Row]:
    """The score bound's largest chance of a false pass over shares of differing answers; computed, not simulated."""
    rows = []
    for n in (200, 540, 5_000, 20_001, 100_000):
        for variants in (1, 8):
            confidence = per_variant_confidence(CONFIDENCE, variants)
            shares = 0.03 + np.geomspace(1e-6, 0.6, 40)
            worst = max(passing_probability(n, 0.03, share, 0.03, confidence) for share in shares)
            rows.append(row("worst size", f"{variants} variants, drop 0.03", "score", n, confidence, worst, 0))
    return rows


def goals(rows: list[Row]) -> list[dict[str, object]]:
    """What the study must show; the tolerance stands in each name."""
    coverage = [line for line in rows if line["study"] == "coverage"]
    rates = {name: [float(r["rate"]) for r in coverage if r["method"] == name] for name in ("score", "bootstrap wider")}
    defaults = [r for r in coverage if r["method"] in ("bootstrap wider", default_method(int(r["n"])))]
    exactly = max(standard_errors_short(line) for line in coverage if line["method"] == "exact")
    runs = next(float(r["rate"]) for r in rows if r["study"] == "8 bad variants")
    case = "5 variants, differing 0.02, drop 0"
    equal = next(float(r["rate"]) for r in rows if (r["study"], r["method"], r["case"]) == ("power", "exact", case))
    # With 1,000 sets the simulation's own error is as large as the tolerance of 1.5 points.
    near = 0.015 + (3 * float(np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / SETS)) if quick() else 0)
    pushed = 0.05 + 3 * float(np.sqrt(0.05 * 0.95 / RUNS))
    false_passes = max(standard_errors_short(line) for line in defaults)
    return [
        goal("exact coverage, standard errors below nominal", exactly, 3, at_least=False),
        goal("score coverage, nominal less 1.5 points", min(rates["score"]), CONFIDENCE - near, at_least=True),
        goal("bootstrap coverage, nominal less 1.5 points", min(rates["bootstrap wider"]), 0.95 - near, at_least=True),
        goal("bootstrap coverage, nominal and 1.5 points", max(rates["bootstrap wider"]), 0.95 + near, at_least=False),
        goal("false passes by default, standard errors above 1 - confidence", false_passes, 3, at_least=False),
        goal("runs that push one of 8 bad variants, 0.05 and 3 standard errors", runs, pushed, at_least=False),
        goal("an equal model passes: n 500, 5 variants, 2 % differ", equal, 0.9, at_least=True),
    ]


def main() -> None:
    """Runs all parts from one seed."""
    rng = np.random.default_rng(20_240_601)
    rows = accuracy_coverage(rng)
    for metric in ("precision", "recall", "f1", "rmse", "mae"):
        rows += bootstrap_coverage(rng, metric, 1_000, ("wider",))
    for metric in ("recall", "f1", "rmse"):
        rows += bootstrap_coverage(
            rng, metric, 4 * MIN_EXAMPLES, ("percentile", "basic", "bias_corrected", "student", "wider")
        )
    rows.append(auc_coverage(rng, 60, 140))
    rows.append(eight_variants(rng))
    rows += score_size()
    rows += power(rng)
    finish("statistics", rows, goals(rows))


if __name__ == "__main__":
    main()
