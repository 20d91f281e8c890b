import pytest
import torch

from elbolab.nets.mlp import MLP


def test_no_hidden_layer_is_a_linear_map():
    net = MLP(((3,), (2,)), (4,), hidden=[], activation="ReLU", init="torch")
    (layer,) = net.layers
    x, c = torch.randn(6, 3), torch.randn(6, 2)
    assert torch.allclose(net(x, c), torch.cat([x, c], 1) @ layer.weight.T + layer.bias)


def test_widths_are_at_least_1():
    with pytest.raises(ValueError, match="net.hidden"):
        MLP(((3,),), (4,), hidden=[0], activation="ReLU", init="torch")
