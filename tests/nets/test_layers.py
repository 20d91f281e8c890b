import pytest
import torch
from torch import nn

from elbolab.nets.layers import ACTIVATIONS, activation_of, check_counts, dense_layers, initialise


def test_a_misspelt_activation_names_the_nearest():
    with pytest.raises(ValueError, match="net.activation=Relu: .*ReLU"):
        activation_of("Relu")
    with pytest.raises(ValueError, match="nearest: ReLU"):
        activation_of("xyzzy")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_map_element_by_element(name):
    x = torch.randn(3, 4, 5)
    torch.manual_seed(0)
    y = activation_of(name).eval()(x)
    assert y.shape == x.shape
    torch.testing.assert_close(activation_of(name).eval()(x[:1, :1, :1]), y[:1, :1, :1])


@pytest.mark.parametrize("name", ["Threshold", "MultiheadAttention", "GLU", "Softmax", "Softmin", "Softmax2d"])
def test_other_activations_are_refused(name):
    with pytest.raises(ValueError, match=f"net.activation={name}: torch.nn has no such elementwise activation"):
        activation_of(name)


def test_an_unknown_initialisation_names_the_others():
    with pytest.raises(ValueError, match="net.init=he: choose glorot, torch or small"):
        initialise(nn.Linear(2, 2), "he")


def test_small_weights_let_every_input_look_alike():
    layer = initialise(nn.Linear(300, 500), "small")
    assert (layer.bias == 0).all()
    assert layer.weight.std().item() == pytest.approx(1e-3, rel=0.02)


def test_glorot_is_uniform_with_zero_biases():
    torch.manual_seed(0)
    layer = initialise(nn.Linear(300, 500), "glorot")
    bound = (6 / 800) ** 0.5
    assert (layer.bias == 0).all()
    assert layer.weight.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)


def test_dense_layers_end_without_an_activation():
    layers = dense_layers([3, 4, 5], "Tanh", "glorot")
    assert [type(layer) for layer in layers] == [nn.Linear, nn.Tanh, nn.Linear]


def test_counts_are_at_least_1():
    with pytest.raises(ValueError, match=r"net.hidden=\[3, 0\]"):
        check_counts("net.hidden", [3, 0])
