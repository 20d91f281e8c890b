"""The contract of every network, over a registry: adding a line adds its tests."""

from functools import partial

import pytest
import torch

from elbolab.nets.conv import Conv
from elbolab.nets.gated import GatedMLP
from elbolab.nets.mlp import MLP
from elbolab.nets.precision import autocast_nets, run
from elbolab.nets.resnet import ResNet

DENSE = {"activation": "Tanh", "init": "glorot"}
NETS = {
    "mlp": partial(MLP, hidden=[6, 5], **DENSE),
    "linear": partial(MLP, hidden=[], **DENSE),
    "gated_mlp": partial(GatedMLP, hidden=[6, 5], init="torch"),
    "conv": partial(Conv, channels=[3, 4], kernel_size=4, dense=[6], **DENSE),
    "conv_3": partial(Conv, channels=[3, 4], kernel_size=3, dense=[6], **DENSE),
    "conv_mixed": partial(Conv, channels=[3, 4, 4], kernel_size=[5, 2, 3], up_kernel_size=4, dense=[], **DENSE),
    "resnet": partial(ResNet, channels=[3, 4], num_blocks=2, dense=[6], **DENSE),
}
IMAGE, ODD = (1, 12, 12), (3, 11, 9)
SHAPES = {
    "image_to_vector": ((IMAGE,), (7,)),
    "vector_to_image": (((5,),), IMAGE),
    "vectors_to_odd_image": (((5,), (2,)), ODD),
    "image_and_vectors_to_vector": ((ODD, (2,), (3,)), (7,)),
    "image_and_vectors_to_image": ((IMAGE, (2,), (3,)), ODD),
    "images_to_image": ((IMAGE, ODD), (2, 8, 13)),
    "vectors_to_vector": (((5,), (2,)), (7,)),
}
nets = pytest.mark.parametrize("net", NETS.values(), ids=NETS)


def inputs_of(shapes, num=4):
    return [torch.randn(num, *shape) for shape in shapes]


@nets
@pytest.mark.parametrize(("in_shapes", "out_shape"), SHAPES.values(), ids=SHAPES)
def test_shapes_and_a_gradient_for_every_parameter(net, in_shapes, out_shape):
    module, inputs = net(in_shapes, out_shape), inputs_of(in_shapes)
    out = module(*inputs)
    assert out.shape == (4, *out_shape)
    out.square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad != 0).any(), name


@nets
@pytest.mark.parametrize("size", [8, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_usual_sizes(net, size, channels):
    image = (channels, size, size)
    assert net((image,), (4,))(torch.randn(2, *image)).shape == (2, 4)
    assert net(((4,),), image)(torch.randn(2, 4)).shape == (2, *image)


@nets
def test_rows_do_not_mix(net):
    module, inputs = net((IMAGE, (2,)), ODD), inputs_of((IMAGE, (2,)))
    assert torch.allclose(module(*inputs)[1:2], module(*(x[1:2] for x in inputs)), atol=1e-6)


@nets
def test_every_input_is_read(net):
    module, (x, c) = net((IMAGE, (2,)), (7,)), inputs_of((IMAGE, (2,)))
    out = module(x, c)
    assert not torch.allclose(out, module(x, c + 1))
    assert not torch.allclose(out, module(x + 1, c))


@nets
@pytest.mark.parametrize(("in_shapes", "out_shape"), SHAPES.values(), ids=SHAPES)
def test_autocast_is_close_and_returns_the_inputs_dtype(net, in_shapes, out_shape):
    module, inputs = net(in_shapes, out_shape), inputs_of(in_shapes)
    with autocast_nets(torch.bfloat16):
        reduced = run(module, *inputs)
    assert reduced.dtype is torch.float32
    full = module(*inputs)
    assert (reduced - full).square().mean() < 2e-3 * full.square().mean()


@nets
@pytest.mark.parametrize("out_shape", [(7,), ODD])
def test_no_activation_bounds_the_output(net, out_shape):
    # Tanh would keep it inside 1.
    wide = net(((5,),), out_shape)
    with torch.no_grad():
        for parameter in wide.parameters():
            parameter.mul_(100)
    assert wide(torch.randn(4, 5)).abs().max() > 2


@nets
def test_float64(net):
    module = net((IMAGE, (2,)), ODD).double()
    assert module(*(x.double() for x in inputs_of((IMAGE, (2,))))).dtype is torch.float64
