import pytest
import torch

from elbolab.nets.gated import GatedDense, GatedMLP


def test_a_gate_is_a_sigmoid_times_a_linear_map():
    layer, h = GatedDense(3, 4, "torch"), torch.randn(6, 3)
    value, gate = (h @ part.weight.T + part.bias for part in (layer.value, layer.gate))
    assert torch.allclose(layer(h), value / (1 + (-gate).exp()))


def test_widths_are_at_least_1():
    with pytest.raises(ValueError, match="net.hidden"):
        GatedMLP(((3,),), (4,), hidden=[-1], init="torch")
