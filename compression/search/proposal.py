"""Which point a search looks at next: a pure function of the trials so far, so that a search can be resumed.

KerasTuner's own oracles are not: on reload the grid has forgotten where it was and the Bayesian one starts its random
numbers over; on finite lists the latter also proposes points again that it has tried.
"""

import random
import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from compression.search.space import Point, Space
from compression.search.trial import Status, Trial, loss
from compression.settings import SearchSettings

POINTS_PER_TRIAL = 10
"""A search looks at this many points per trial that it may train: with a hopeless budget it would never end."""

_POOL = 2048
_EXPLORATION = 2.6
_NOISE = 1e-3


def candidates(space: Space, settings: SearchSettings, seed: int) -> list[Point]:
    """The points that a search may look at, each once, in the order of the plain algorithms.

    Args:
        space: The space.
        settings: `grid` gives the order of the lists, the others begin with the default point and go on at random.
        seed: Seed of that order.
    """
    most = min(space.size, max(_POOL, POINTS_PER_TRIAL * settings.trials))
    if settings.algorithm == "grid":
        indices: Sequence[int] = range(most)
    else:
        indices = [0, *random.Random(seed).sample(range(1, space.size), most - 1)]
    return [space.point(index) for index in indices]


def propose(
    points: Sequence[Point], done: Sequence[Trial], space: Space, settings: SearchSettings, *, metric: str, seed: int
) -> Point | None:
    """The next point, or `None` when the search is over.

    It is over when enough models were trained, or when no point is left; see also `POINTS_PER_TRIAL`.

    Args:
        points: What `candidates` gave.
        done: The trials so far.
        space: The space.
        settings: Algorithm and number of trials.
        metric: Name of the metric; gives the direction.
        seed: Seed of the Gaussian process.
    """
    if sum(trial.status is not Status.OVER_BUDGET for trial in done) >= settings.trials:
        return None
    tried = [trial.hparams for trial in done]
    left = [point for point in points if point not in tried]
    if not left or len(done) >= POINTS_PER_TRIAL * settings.trials:
        return None
    completed = sum(trial.status is Status.COMPLETED for trial in done)
    # A third of the trials, at least two, show the process what the space is like.
    if settings.algorithm != "bayesian" or completed < max(2, settings.trials // 3):
        return left[0]
    return _most_promising(left, done, space, metric=metric, seed=seed)


def _most_promising(left: Sequence[Point], done: Sequence[Trial], space: Space, *, metric: str, seed: int) -> Point:
    """The lowest confidence bound of the loss under a Gaussian process (Srinivas et al. 2010, arXiv:0912.3995).

    A point that did not complete counts as the worst that did: the process keeps away from its neighbours.
    """
    losses = [loss(trial, metric) if trial.status is Status.COMPLETED else None for trial in done]
    worst = max(value for value in losses if value is not None)
    process = GaussianProcessRegressor(
        kernel=Matern(nu=2.5), alpha=_NOISE, normalize_y=True, n_restarts_optimizer=3, random_state=seed
    )
    with warnings.catch_warnings():
        # A length scale at its bound is an answer here: the metric does not depend on anything seen so far.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(
            [space.vector(trial.hparams) for trial in done], [worst if value is None else value for value in losses]
        )
        mean, deviation = process.predict([space.vector(point) for point in left], return_std=True)
    return left[int(np.argmin(mean - _EXPLORATION * deviation))]
