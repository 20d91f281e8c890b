"""Quarters of images as Sohn, Lee and Yan (2015) see them."""

from math import prod

import pytest
import torch

from elbolab.batch import Canvas
from elbolab.data.given import assemble, pixel_indices, seen_mask, take_apart

SIZES = [(1, 28, 28), (3, 4, 6), (1, 5, 7), (2, 3, 2)]
CANVASES = [Canvas(image, quadrants) for image in SIZES for quadrants in (1, 2, 3)]


@pytest.mark.parametrize(
    ("quadrants", "seen"),
    [
        (1, [[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]),
        (2, [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]),
        (3, [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]),
    ],
)
def test_the_quarters_of_the_paper(quadrants, seen):
    assert seen_mask(Canvas((1, 4, 4), quadrants)).int().tolist() == [seen]


@pytest.mark.parametrize("quadrants", [1, 2, 3])
def test_every_channel_is_cut_alike(quadrants):
    mask = seen_mask(Canvas((3, 6, 5), quadrants))
    assert mask.shape == (3, 6, 5)
    assert torch.equal(mask, mask[:1].expand(3, 6, 5))


def test_the_middle_of_an_odd_side_belongs_to_the_bottom_and_the_right():
    assert seen_mask(Canvas((1, 3, 3), 1)).int().tolist() == [[[0, 0, 0], [1, 0, 0], [1, 0, 0]]]
    assert seen_mask(Canvas((1, 3, 3), 3)).int().tolist() == [[[1, 1, 1], [1, 0, 0], [1, 0, 0]]]


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
def test_every_pixel_is_either_seen_or_predicted(canvas):
    assert sorted(torch.cat(pixel_indices(canvas)).tolist()) == list(range(prod(canvas.image)))


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
def test_taking_apart_and_assembling_are_inverse(canvas):
    images = torch.randn(4, *canvas.image)
    x, seen = take_apart(canvas, images)
    assert torch.equal(seen, images[:, seen_mask(canvas)])
    assert torch.equal(assemble(canvas, x, seen), images)


def test_many_predictions_share_what_is_seen():
    canvas = Canvas((1, 4, 4), 1)
    x, seen = torch.randn(5, 2, 3, 12), torch.randn(3, 4)
    images = assemble(canvas, x, seen)
    assert images.shape == (5, 2, 3, 1, 4, 4)
    for index in [(0, 0, 0), (4, 1, 2)]:
        assert torch.equal(images[index], assemble(canvas, x[index][None], seen[index[2]][None])[0])
