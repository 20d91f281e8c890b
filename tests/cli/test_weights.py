"""Weights as they are saved: without pickle, and each once."""

import torch
from safetensors.torch import load_file
from tests.densities.registry import DENSITIES

from elbolab.cli.run_dir import load_weights, save_weights


def test_weights_that_two_parts_share_are_saved_once_and_restored_in_both(tmp_path):
    """safetensors refuses two names of one tensor, on a CPU alone."""
    torch.manual_seed(0)
    saved, loaded, x = DENSITIES["tied"](), DENSITIES["tied"](), torch.randn(3, 6)
    save_weights(tmp_path / "weights.safetensors", saved)
    assert list(load_file(tmp_path / "weights.safetensors")) == ["posterior.tied.bias", "posterior.tied.weight"]
    assert not torch.equal(saved.encode(x), loaded.encode(x))
    load_weights(tmp_path / "weights.safetensors", loaded)
    assert torch.equal(saved.encode(x), loaded.encode(x))
    assert torch.equal(saved.decode(saved.encode(x)).mean, loaded.decode(loaded.encode(x)).mean)
    assert loaded.likelihood.net.tied.weight is loaded.posterior.tied.weight
