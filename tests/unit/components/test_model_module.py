"""What a model module says about its search space."""

import importlib

import pytest

from components import model_module
from components.errors import InputError
from compression.determinism import seed_everything
from compression.search.space import make_space

MODULE = "def preprocessing_fn(inputs): ...\n\n\ndef build_model(hparams): ...\n\n\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """`module(text)`: a model module with some more functions, loaded."""

    def load(text):
        (tmp_path / "searched.py").write_text(MODULE + text)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(importlib.sys.modules, "searched", raising=False)
        return model_module.load("searched")

    return load


def test_the_space_without_what_is_fixed(module):
    searched = module("def search_space():\n    return {'width': [4, 8], 'depth': [1, 2]}\n")
    assert searched.space(fixed={"width"}).values == {"depth": (1, 2)}


def test_a_module_may_change_train_batches(module):
    assert module("").augment is None
    changed = module("def augment(features, seed):\n    return features\n")
    assert changed.augment({"x": 1}, 0) == {"x": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "model module searched must define search_space for a search; models/digits.py shows it"),
        ("def search_space():\n    return 1 / 0\n", r"raised ZeroDivisionError: division by zero at .*searched.py:8"),
    ],
)
def test_no_space(module, text, said):
    with pytest.raises(InputError, match=said):
        module(text).space(fixed=())


def test_the_first_values_of_the_digits_are_the_defaults_of_its_model():
    digits = importlib.import_module("models.digits")
    space = make_space(digits.search_space(), ())

    def build(hparams):
        seed_everything(1)
        return digits.build_model(hparams)

    assert build(space.point(0)).get_config() == build({}).get_config()
    # Every value makes another network.
    sizes = {tuple(weight.shape for weight in build(point).get_weights()) for point in space.extremes()}
    assert len(sizes) == len(space.extremes())
