import pytest
from tests.helpers import refused
from torch import nn

from elbolab.nets.conv import Conv

OPTIONS = {"dense": [256], "activation": "ReLU", "init": "torch"}
LOCATELLO = {"channels": [32, 32, 64, 64], "kernel_size": [4, 4, 2, 2], "up_kernel_size": 4, **OPTIONS}
LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def layers(net):
    """Kernel, inputs and outputs of every layer with weights, in order; 1 for a dense layer."""
    found = [module for module in net.modules() if isinstance(module, LAYERS)]
    return [
        (1, layer.in_features, layer.out_features)
        if isinstance(layer, nn.Linear)
        else (layer.kernel_size[0], layer.in_channels, layer.out_channels)
        for layer in found
    ]


def test_locatello_encoder():
    encoder = Conv(((1, 64, 64),), (20,), **LOCATELLO)
    convolutions = [(4, 1, 32), (4, 32, 32), (2, 32, 64), (2, 64, 64)]
    assert layers(encoder) == [*convolutions, (1, 1024, 256), (1, 256, 20)]


def test_locatello_decoder():
    decoder = Conv(((10,),), (1, 64, 64), **LOCATELLO)
    convolutions = [(4, 64, 64), (4, 64, 32), (4, 32, 32), (4, 32, 1)]
    assert layers(decoder) == [(1, 10, 256), (1, 256, 1024), *convolutions]


def test_too_many_stages_for_the_image():
    with refused(r"4 stages, but an image of 8x8 can be halved only 3 times.*net=mlp"):
        Conv(((1, 8, 8),), (3,), channels=[4, 4, 4, 4], kernel_size=4, **OPTIONS)


@pytest.mark.parametrize("kernel_size", [1, [4], [4, 0]])
def test_kernels_fit_the_stages(kernel_size):
    with pytest.raises(ValueError, match=r"net.kernel_size=.*2 entries of net.channels"):
        Conv(((1, 8, 8),), (3,), channels=[4, 4], kernel_size=kernel_size, **OPTIONS)
    with pytest.raises(ValueError, match=r"net.up_kernel_size="):
        Conv(((1, 8, 8),), (3,), channels=[4, 4], kernel_size=4, up_kernel_size=kernel_size, **OPTIONS)


def test_channels_and_widths_are_at_least_1():
    with pytest.raises(ValueError, match=r"net.channels=\[0\]"):
        Conv(((1, 8, 8),), (3,), channels=[0], kernel_size=4, **OPTIONS)
    with pytest.raises(ValueError, match=r"net.dense=\[0\]"):
        Conv(((1, 8, 8),), (3,), channels=[4], kernel_size=4, **(OPTIONS | {"dense": [0]}))
