import pytest
import torch

from elbolab.nets.resnet import ResidualBlock, ResNet

OPTIONS = {"dense": [6], "activation": "SiLU", "init": "torch"}


def test_a_block_adds_to_its_input():
    block, h = ResidualBlock(3, "SiLU", "torch", depth=2), torch.randn(2, 3, 5, 4)
    with torch.no_grad():
        block.layers[-1].weight.zero_()
        block.layers[-1].bias.zero_()
    assert torch.equal(block(h), h)


def test_depth_does_not_make_activations_grow():
    h = torch.randn(8, 16, 8, 8)
    deep = torch.nn.Sequential(*(ResidualBlock(16, "SiLU", "glorot", depth=40) for _ in range(40)))
    assert deep(h).std() < 3 * h.std()


def test_all_blocks_together_add_the_same_variance_at_every_depth():
    """Each of 9 blocks adds a third of what one alone would, and so a ninth of its variance."""
    h, added = torch.randn(2, 4, 5, 5), []
    for depth in (1, 9):
        torch.manual_seed(1)
        added.append(ResidualBlock(4, "SiLU", "glorot", depth)(h) - h)
    torch.testing.assert_close(added[1], added[0] / 3)


def test_too_many_stages_for_the_image():
    with pytest.raises(ValueError, match="can be halved only 3 times"):
        ResNet(((5,),), (1, 8, 8), channels=[4, 4, 4, 4], num_blocks=1, **OPTIONS)


def test_needs_blocks_and_channels():
    with pytest.raises(ValueError, match=r"net.num_blocks=\[0\]"):
        ResNet(((1, 8, 8),), (3,), channels=[4], num_blocks=0, **OPTIONS)
    with pytest.raises(ValueError, match=r"net.channels=\[0\]"):
        ResNet(((1, 8, 8),), (3,), channels=[0], num_blocks=1, **OPTIONS)
    with pytest.raises(ValueError, match=r"net.channels=\[\]: .* at least one stage"):
        ResNet(((1, 8, 8),), (3,), channels=[], num_blocks=1, **OPTIONS)
