"""What is shown of a likelihood."""

import re
from pathlib import Path

import torch
from torch.distributions import Normal

from elbolab.common.rng import isolated_rng
from elbolab.evaluation import outputs
from elbolab.evaluation.outputs import picture


class Meanless(Normal):
    @property
    def mean(self):
        raise NotImplementedError


def test_a_picture_is_the_mean_or_else_a_draw():
    loc = torch.arange(6.0).reshape(3, 2)
    assert torch.equal(picture(Normal(loc, 2.0)), loc)
    p = Meanless(loc, 2.0)
    with isolated_rng(torch.device("cpu"), 3):
        drawn = picture(p)
    with isolated_rng(torch.device("cpu"), 3):
        assert torch.equal(drawn, p.sample())


def test_figures_alone_show_pictures_and_take_no_mean_themselves():
    """A number that rested on one draw would be another at every seed, and a figure of a mean alone would not exist."""
    folder = Path(outputs.__file__).parent
    for path in folder.glob("*.py"):
        assert path == Path(outputs.__file__) or not re.search(r"\bpicture\b", path.read_text()), path.name
    for path in (folder / "figures").glob("*.py"):
        assert not re.search(r"\.mean\b(?!\()", path.read_text()), path.name
