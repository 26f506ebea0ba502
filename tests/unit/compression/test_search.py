"""The space of a search, the way through it, and what is best."""

import pytest

from compression.errors import CompressionError
from compression.search.best import best
from compression.search.proposal import POINTS_PER_TRIAL, candidates, propose
from compression.search.space import Space, make_space
from compression.search.trial import Status, Trial
from compression.settings import SearchSettings

SPACE = Space({"width": (4, 2, 8), "kind": ("plain", "deep"), "rate": (0.5, 0.25)})
ALGORITHMS = ["random", "grid", "bayesian"]


def searched(space, settings, status=lambda point: Status.COMPLETED, value=lambda point: 0.5, seed=1, done=()):
    """All trials of a search whose models cost no time."""
    points, done = candidates(space, settings, seed), list(done)
    while (point := propose(points, done, space, settings, metric="accuracy", seed=seed)) is not None:
        ended = status(point)
        done.append(Trial(point, ended, value=value(point) if ended is Status.COMPLETED else None))
    return done


def points_of(trials):
    return [tuple(trial.hparams.values()) for trial in trials]


def test_points_are_all_combinations_in_the_order_of_the_lists():
    points = [tuple(SPACE.point(index).values()) for index in range(SPACE.size)]
    assert SPACE.size == len(set(points)) == 12
    assert points[:5] == [
        (4, "plain", 0.5),
        (4, "plain", 0.25),
        (4, "deep", 0.5),
        (4, "deep", 0.25),
        (2, "plain", 0.5),
    ]
    assert points[-1] == (8, "deep", 0.25)


def test_extremes_differ_from_the_default_in_one_value():
    wide = Space({"width": (4, 2, 6, 8), "kind": ("plain", "deep", "odd"), "biased": (True, False)})
    assert [tuple(point.values()) for point in wide.extremes()] == [
        (4, "plain", True),
        (2, "plain", True),
        (8, "plain", True),
        (4, "deep", True),
        (4, "odd", True),
        (4, "plain", False),
    ]


def test_coordinates_are_ranks_of_numbers_and_an_axis_for_each_word():
    space = Space({"width": (16, 2, 4), "kind": ("plain", "deep"), "biased": (True, False), "only": (7,)})
    assert space.vector({"width": 16, "kind": "deep", "biased": False, "only": 7}) == [1.0, 0.0, 1.0, 0.0, 0.0]
    assert space.vector({"width": 4, "kind": "plain", "biased": True, "only": 7}) == [0.5, 1.0, 0.0, 1.0, 0.0]


def test_what_the_configuration_fixes_leaves_the_space():
    declared = {"width": [4, 8], "rate": (0, 0.5), "only": ["a"]}
    space = make_space(declared, fixed={"width", "other"})
    assert space.values == {"rate": (0.0, 0.5), "only": ("a",)}
    assert isinstance(space.values["rate"][0], float)


@pytest.mark.parametrize(
    ("declared", "fixed", "said"),
    [
        ([], (), "must return a dict from hyper-parameters to values, got list"),
        ({}, (), "got an empty dict"),
        ({3: [1, 2]}, (), "must name hyper-parameters by strings, got 3"),
        ({"width": 4}, (), "must list at least one value for width, got 4"),
        ({"width": []}, (), r"must list at least one value for width, got \[\]"),
        ({"width": "48"}, (), "must list at least one value for width, got '48'"),
        ({"width": [4, "8"]}, (), "must list values of one type for width, bool, int, float or str, got int, str"),
        ({"width": [True, 1]}, (), "got bool, int"),
        ({"width": [[4], [8]]}, (), "got list; give every choice a name"),
        ({"width": [None, 1]}, (), "got NoneType, int"),
        ({"width": [4, 8, 4]}, (), r"must list every value of width once, got \[4, 8, 4\]"),
        ({"rate": [1, 1.0]}, (), "must list every value of rate once"),
        ({"rate": [0.1, float("nan")]}, (), "must list finite numbers for rate"),
        ({"width": [4, 8], "kind": ["a"]}, ("width",), "fix all of width, kind; remove one from model.hparams"),
    ],
)
def test_a_space_that_is_none(declared, fixed, said):
    with pytest.raises(CompressionError, match=said):
        make_space(declared, fixed)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_point_comes_twice_and_a_small_space_ends_early(algorithm):
    found = points_of(searched(SPACE, SearchSettings(trials=50, algorithm=algorithm)))
    assert len(found) == len(set(found)) == SPACE.size
    assert found[0] == (4, "plain", 0.5)  # the default


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_models_over_a_budget_are_no_trials(algorithm):
    def status(point):
        return Status.OVER_BUDGET if point["width"] > 2 else Status.FAILED if point["rate"] < 0.5 else Status.COMPLETED

    trials = searched(SPACE, SearchSettings(trials=3, algorithm=algorithm), status)
    ended = [trial.status for trial in trials]
    assert sum(status is not Status.OVER_BUDGET for status in ended) == 3
    assert ended[-1] is not Status.OVER_BUDGET


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_hopeless_budget_ends_the_search(algorithm):
    large = Space({name: tuple(range(100)) for name in "abcdefgh"})
    trials = searched(large, SearchSettings(trials=3, algorithm=algorithm), lambda point: Status.OVER_BUDGET)
    assert len(trials) == 3 * POINTS_PER_TRIAL


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_search_goes_on_where_it_stopped(algorithm):
    settings = SearchSettings(trials=9, algorithm=algorithm)

    def value(point):
        return point["width"] / 10

    whole = searched(SPACE, settings, value=value)
    assert searched(SPACE, settings, value=value, done=whole[:4]) == whole
    assert searched(SPACE, settings, value=value) == whole


def test_the_seed_decides_a_random_order():
    settings = SearchSettings(trials=12)
    assert points_of(searched(SPACE, settings, seed=1)) != points_of(searched(SPACE, settings, seed=2))


def test_bayesian_is_better_than_random_where_quality_depends_smoothly_on_size():
    """A slope whose top stands beside the cliff that a budget is: 121 points, 9 trials, the mean over three seeds."""
    space = Space({"width": tuple(range(11)), "depth": tuple(range(11))})
    settings = {name: SearchSettings(trials=9, algorithm=name) for name in ("random", "bayesian")}

    def status(point):
        return Status.OVER_BUDGET if point["width"] + point["depth"] > 11 else Status.COMPLETED

    def value(point):
        return 1.0 - ((point["width"] - 8) / 11) ** 2 - ((point["depth"] - 3) / 11) ** 2

    found = {
        name: [best(searched(space, given, status, value, seed), given, "accuracy").value for seed in range(3)]
        for name, given in settings.items()
    }
    assert min(found["bayesian"]) > 0.98 > sum(found["random"]) / 3


def test_the_best_is_the_best_in_the_direction_of_the_metric_and_of_equals_the_smallest():
    def trial(name, value, size_bytes, status=Status.COMPLETED):
        return Trial({"name": name}, status, value=value, size_bytes=size_bytes)

    trials = [
        trial("worse", 0.8, 10),
        trial("large", 0.9, 30),
        trial("small", 0.9, 20),
        trial("same", 0.9, 20),
        trial("over", 0.99, 90, Status.OVER_BUDGET),
        trial("failed", None, None, Status.FAILED),
    ]
    assert best(trials, SearchSettings(), "accuracy").hparams == {"name": "small"}
    assert best(trials, SearchSettings(), "rmse").hparams == {"name": "worse"}


@pytest.mark.parametrize(
    ("trials", "settings", "said"),
    [
        (
            [
                Trial({"w": 8}, Status.OVER_BUDGET, size_bytes=9000, macs=70),
                Trial({"w": 4}, Status.OVER_BUDGET, size_bytes=7312, macs=80),
            ],
            SearchSettings(max_size_bytes=5000, max_macs=60),
            "a search must complete at least one trial, got 2 over a budget; max_size_bytes is 5,000, the least seen "
            "is 7,312 bytes (w 4); max_macs is 60, the least seen is 70 multiply-accumulates (w 8); raise the budget, "
            "or add smaller values to search_space",
        ),
        (
            [Trial({"w": 8}, Status.OVER_BUDGET, size_bytes=90, gzip_bytes=80, macs=50)],
            SearchSettings(max_size_bytes=100, max_gzip_bytes=70),
            "a search must complete at least one trial, got 1 over a budget; max_gzip_bytes is 70, the least seen is "
            "80 bytes after gzip (w 8); raise the budget, or add smaller values to search_space",
        ),
        (
            [Trial({"w": 8}, Status.FAILED, reason="it broke"), Trial({"w": 4}, Status.FAILED, reason="so did this")],
            SearchSettings(max_size_bytes=5000),
            "a search must complete at least one trial, got 2 that failed and 0 over a budget; w 8 failed: it broke",
        ),
        (
            [Trial({"w": 8}, Status.OVER_BUDGET, size_bytes=90, not_measured={"macs": "WHILE: unknown"})],
            SearchSettings(max_macs=60),
            "a search must complete at least one trial, got 1 over a budget; max_macs is 60, and nothing was measured: "
            "WHILE: unknown; raise the budget, or add smaller values to search_space",
        ),
    ],
)
def test_no_trial_completed(trials, settings, said):
    with pytest.raises(CompressionError) as caught:
        best(trials, settings, "accuracy")
    assert str(caught.value) == said
