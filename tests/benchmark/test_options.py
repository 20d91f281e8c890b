import re

import pytest
import torch

from elbolab.benchmark.options import Options

GOOD = {
    "device": "cpu",
    "models": ["mlp", "conv"],
    "batches": {"mlp": [20, 128], "conv": [64]},
    "implementations": ["raw_eager", "elbolab"],
    "seconds": 2.0,
    "repeats": 5,
    "nll": {"num_samples": 5000, "images": "auto"},
    "quick": False,
    "profile": False,
    "scaling": False,
    "threads": None,
}

BAD = {
    "an unknown model": ({"models": ["mpl"]}, "models: there is no 'mpl'; choose from mlp, conv"),
    "an unknown implementation": ({"implementations": ["pythea"]}, "there is no 'pythea'; choose from raw_eager"),
    "one that is no list": ({"models": "mlp"}, "models=mlp: a list, such as models=[mlp]"),
    "one twice": ({"models": ["mlp", "mlp"]}, "name each once"),
    "nobody": ({"implementations": []}, "nothing to measure"),
    "nothing": ({"models": [], "nll": None}, "nothing to measure"),
    "a model without batch sizes": ({"batches": {"mlp": [2]}}, "batches.conv=None: a list of batch sizes"),
    "an empty batch": ({"batches": {"mlp": [0], "conv": [1]}}, "batches.mlp=0: a whole number, at least 1"),
    "a batch size that is no list": ({"batches": {"mlp": 128, "conv": [1]}}, "such as batches.mlp=[128]"),
    "no time": ({"seconds": 0}, "seconds=0: a measurement takes some time"),
    "time in words": ({"seconds": "two"}, "seconds=two: a measurement takes some time"),
    "no rounds": ({"repeats": 0}, "repeats=0: a whole number, at least 1"),
    "half a round": ({"repeats": 1.5}, "repeats=1.5"),
    "no threads": ({"threads": 0}, "threads=0: a whole number, at least 1; null leaves them as they are"),
    "no samples": ({"nll": {"num_samples": 0, "images": "auto"}}, "nll.num_samples=0.*nll=null measures none"),
    "images in words": ({"nll": {"num_samples": 9, "images": "all"}}, "nll.images=all.*auto takes what fits"),
    "an unknown device": ({"device": "gpu"}, "device=gpu: choose auto, cpu, cuda"),
    "a device that is not there": ({"device": "cuda"}, "device=auto or device=cpu"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_values_are_refused(name):
    values, message = BAD[name]
    with pytest.raises(ValueError, match="(?s)" + re.escape(message).replace(r"\.\*", ".*")):
        Options.of(**GOOD | values)


def test_good_values_are_kept():
    options = Options.of(**GOOD)
    assert (options.num_samples, options.images, options.where) == (5000, "auto", torch.device("cpu"))
    assert Options.of(**GOOD | {"nll": None}).num_samples is None
    assert Options.of(**GOOD | {"models": []}).models == []
    assert Options.of(**GOOD | {"device": "auto"}).where == torch.device("cpu")


def test_quick_is_one_model_briefly():
    quick = Options.of(**GOOD | {"quick": True})
    assert (quick.models, quick.batches, quick.seconds, quick.repeats) == (["mlp"], {"mlp": [128]}, 0.5, 3)
    shorter = Options.of(**GOOD | {"quick": True, "seconds": 0.1, "repeats": 1})
    assert (shorter.seconds, shorter.repeats) == (0.1, 1)
