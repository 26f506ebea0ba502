"""What a confidence statement is: an estimate between two one-sided bounds."""

from dataclasses import dataclass
from statistics import NormalDist

# Below so few examples no bootstrap bound is trusted (docs/gate-statistics.md).
MIN_EXAMPLES = 50


@dataclass(frozen=True)
class Bounds:
    """An estimate with a lower and an upper confidence bound, each one-sided at `confidence`.

    Together the two are a two-sided interval at `2 * confidence - 1`.

    Attributes:
        estimate: The sample's value; NaN where the sample does not define it.
        lower: Lower bound; `-inf` where nothing can be said.
        upper: Upper bound; `inf` where nothing can be said.
        confidence: One-sided confidence of each bound, in (0, 1).
        examples: Number of examples that the statement rests on (for recall the positives, for AUC the rarer class).
        invalid: Number of predictions, of any of the compared models, that are not finite.
    """

    estimate: float
    lower: float
    upper: float
    confidence: float
    examples: int
    invalid: int = 0


def normal_quantile(confidence: float) -> float:
    """The standard normal quantile.

    >>> round(normal_quantile(0.95), 4)
    1.6449
    """
    return NormalDist().inv_cdf(confidence)


def unseen_share(examples: int, confidence: float) -> float:
    """Largest share in [0, 1] of a kind of example that `examples` draws can have missed altogether.

    The exact form of the "rule of three": `1 - (1 - confidence) ** (1 / examples)` (Clopper and Pearson 1934 at zero).

    >>> round(unseen_share(100, 0.95), 4)
    0.0295
    """
    return 1.0 if examples < 1 else 1.0 - (1.0 - confidence) ** (1.0 / examples)
