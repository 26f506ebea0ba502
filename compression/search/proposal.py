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
_EXPLORATION = 1.5
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

    A second process learns which points complete, and those that it expects to be over a budget are left out: the best
    models stand beside the budget, and a loss made up for those beyond it would keep the first process away from there.
    """
    known = [space.vector(trial.hparams) for trial in done]
    losses = [loss(trial, metric) if trial.status is Status.COMPLETED else None for trial in done]
    open_points = np.array([space.vector(point) for point in left])
    allowed = np.arange(len(left))
    if None in losses:
        fails, _ = _predict(known, [float(value is None) for value in losses], open_points, seed)
        allowed = np.flatnonzero(fails <= 0.5) if np.any(fails <= 0.5) else allowed
    completed = [(vector, value) for vector, value in zip(known, losses, strict=True) if value is not None]
    vectors, values = zip(*completed, strict=True)
    mean, deviation = _predict(vectors, values, open_points[allowed], seed)
    return left[int(allowed[np.argmin(mean - _EXPLORATION * deviation)])]


def _predict(
    vectors: Sequence[list[float]], values: Sequence[float], at: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation at some points."""
    process = GaussianProcessRegressor(
        kernel=Matern(nu=2.5, length_scale_bounds=(0.05, 10.0)),
        alpha=_NOISE,
        normalize_y=True,
        n_restarts_optimizer=1,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # A length scale at its bound is an answer here: nothing seen so far says how far a value reaches.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(vectors, values)
        mean, deviation = process.predict(at, return_std=True)
    return mean, deviation
