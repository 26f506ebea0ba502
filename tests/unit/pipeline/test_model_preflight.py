"""With a search, every extreme of its space is built and asked before anything runs."""

import pytest

from pipeline.errors import UserError
from pipeline.model_preflight import check_model
from pipeline.plan import make_plan


@pytest.fixture
def searching(configs):
    text = configs.base.replace("  hparams: {filters: 16}\n", "  hparams: {filters: 4}\n  search: {trials: 2}\n")
    return configs, text


def test_every_extreme_can_take_the_steps(searching):
    configs, text = searching
    config = configs.load(text)
    check_model(config, make_plan(config))


def test_a_step_that_a_smaller_network_cannot_take(searching):
    configs, text = searching
    config = configs.load(text.replace("{sparsity: 0.8}", "{sparsity: 0.8, skip: [conv_2]}"))
    with pytest.raises(UserError) as caught:
        check_model(config, make_plan(config))
    (fault,) = str(caught.value).splitlines()
    assert "variants.pruned: prune 80%: with kernel_size 3, blocks 1, convolution full: " in fault
    assert "conv_2" in fault


def test_nothing_left_to_search(searching):
    configs, text = searching
    text = text.replace("{filters: 4}", "{filters: 4, kernel_size: 3, blocks: 2, convolution: full}")
    config = configs.load(text)
    with pytest.raises(UserError, match=r"model.search: models.digits.search_space must leave a hyper-parameter"):
        check_model(config, make_plan(config))
