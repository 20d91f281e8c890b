"""What a model is conditioned on: ``data.given``.

Shapes: B = data in a batch, C = classes, F = factors, P = pixels to predict, G = pixels seen, ``*image`` = (channels,
height, width), P + G its product, ``*event`` = one datum's shape.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod
from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Canvas, Spec
from elbolab.common.refusal import Refusal, change, choose
from elbolab.data.fetch import Condition, Rows

Pair = tuple[Tensor, tuple[Tensor, ...]]


class Given(ABC):
    """One choice of conditions."""

    @abstractmethod
    def spec(self, header: Spec, name: str) -> Spec:
        """What a model sees of data with this header, whose ``given`` are the conditions that the data bring along.

        Raises:
            ValueError: the data, which messages call ``name``, have no such conditions.
        """

    @abstractmethod
    def on(self, header: Spec, device: torch.device | str) -> Condition:
        """What adds the conditions to data on ``device``, by work of that device alone."""


@final
class Nothing(Given):
    """No conditions."""

    @override
    def spec(self, header: Spec, name: str) -> Spec:
        return header._replace(given=(), given_levels=None)

    @override
    def on(self, header: Spec, device: torch.device | str) -> Condition:
        return unconditional


@final
class Labels(Given):
    """Class labels as one-hot vectors (B, C)."""

    @override
    def spec(self, header: Spec, name: str) -> Spec:
        if header.num_classes is None:
            raise Refusal(f"data.given=labels, but {name} has no labels", change("data.given", "none"))
        return header._replace(given=((header.num_classes,),), given_levels=None, given_is_label=True)

    @override
    def on(self, header: Spec, device: torch.device | str) -> Condition:
        classes = torch.arange(len(header.classes), device=device)

        def condition(x: Tensor, rows: Rows) -> Pair:
            assert rows.y is not None
            return x, (_one_hot(rows.y, classes),)

        return condition


@final
class Factors(Given):
    """Every ground-truth factor as a one-hot vector, one behind the other in one condition (B, sum of their sizes)."""

    @override
    def spec(self, header: Spec, name: str) -> Spec:
        if not header.factors:
            ways = change("data.given", "none"), choose("data", "dsprites")
            raise Refusal(f"data.given=factors, but {name} has no factors", *ways)
        return header._replace(given=((sum(header.factors),),), given_levels=None)

    @override
    def on(self, header: Spec, device: torch.device | str) -> Condition:
        values = [torch.arange(size, device=device) for size in header.factors]

        def condition(x: Tensor, rows: Rows) -> Pair:
            assert rows.factors is not None
            return x, (torch.cat(list(map(_one_hot, rows.factors.unbind(1), values)), 1),)

        return condition


@final
class Own(Given):
    """Vectors or images that the data bring along, `Arrays.given`."""

    @override
    def spec(self, header: Spec, name: str) -> Spec:
        if not header.given:
            there = "an array given (given_train, ...) in an .npz file would, one row for every datum"
            why = f"data.given=own, but {name} brings no conditions along, as {there}"
            raise Refusal(why, change("data.given", "none"))
        return header

    @override
    def on(self, header: Spec, device: torch.device | str) -> Condition:
        def condition(x: Tensor, rows: Rows) -> Pair:
            assert rows.given is not None  # bytes are scaled to [0, 1], booleans and floats are as they are
            values = rows.given.to(torch.get_default_dtype())
            return x, (values / 255 if rows.given.dtype is torch.uint8 else values,)

        return condition


@final
class Quadrants(Given):
    """Some quarters of an image (B, G), given which the others (B, P) are the data (Sohn, Lee and Yan 2015, 5.1).

    Seen are bottom left (1), the left half (2), or all but bottom right (3). Where a side is odd, the bottom or the
    right quarter has the row or column more.
    """

    def __init__(self, quadrants: int | None) -> None:
        if isinstance(quadrants, bool) or quadrants not in (1, 2, 3):
            fix = "set data.quadrants to 1 (bottom left seen), 2 (left half) or 3 (all but bottom right)"
            raise ValueError(f"data.given=quadrants with data.quadrants={quadrants}: {fix}")
        self.quadrants = quadrants

    @override
    def spec(self, header: Spec, name: str) -> Spec:
        if len(header.x) != 3 or min(header.x[1:]) < 2:
            reason = f"only images have quarters, and a datum of {name} has shape {header.x}"
            raise Refusal(reason, change("data.given", "none"))
        if header.scaling is not None:
            reason = "a part of an image has no scale of its own"
            raise Refusal(reason, change("data.standardise", "false"), change("data.given", "none"))
        canvas = Canvas(header.x, self.quadrants)
        predicted, seen = pixel_indices(canvas)
        return header._replace(x=(len(predicted),), given=((len(seen),),), given_levels=None, canvas=canvas)

    @override
    def on(self, header: Spec, device: torch.device | str) -> Condition:
        predicted, seen = pixel_indices(Canvas(header.x, self.quadrants), device)

        def condition(x: Tensor, rows: Rows) -> Pair:
            flat = x.flatten(1)
            return flat.index_select(1, predicted), (flat.index_select(1, seen),)

        return condition


def choose_given(name: str, quadrants: int | None) -> Given:
    """The conditions of ``data.given`` and ``data.quadrants``."""
    if name == "quadrants":
        return Quadrants(quadrants)
    kinds: dict[str, Callable[[], Given]] = {"none": Nothing, "labels": Labels, "factors": Factors, "own": Own}
    if name not in kinds:
        raise ValueError(f"data.given={name}: choose {', '.join(kinds)}, quadrants")
    if quadrants is not None:
        ways = change("data.given", "quadrants"), change("data.quadrants", None)
        raise Refusal(f"data.quadrants={quadrants} has no effect", *ways)
    return kinds[name]()


def unconditional(x: Tensor, rows: Rows) -> Pair:
    """Data without conditions."""
    return x, ()


def _one_hot(numbers: Tensor, values: Tensor) -> Tensor:
    """Numbers (B,) -> one-hot vectors (B, values); `F.one_hot` would wait for the device to check its input."""
    return (numbers[:, None] == values).to(torch.get_default_dtype())


def seen_mask(canvas: Canvas) -> Tensor:
    """Which pixels are seen, (*image) booleans: bottom left (1), the left half (2), all but bottom right (3)."""
    _, height, width = canvas.image
    bottom = (torch.arange(height) >= height // 2)[:, None]
    left = (torch.arange(width) < width // 2)[None]
    seen = {1: bottom & left, 2: left, 3: left | ~bottom}[canvas.quadrants]
    return seen.expand(canvas.image)


def pixel_indices(canvas: Canvas, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Where in a flattened image the pixels to predict (P,) and the pixels seen (G,) are."""
    seen = seen_mask(canvas).flatten()
    return (~seen).nonzero().flatten().to(device), seen.nonzero().flatten().to(device)


def take_apart(canvas: Canvas, images: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, *image) -> pixels to predict (B, P) and pixels seen (B, G); `assemble` is the inverse."""
    predicted, seen = pixel_indices(canvas, images.device)
    return images.flatten(1)[:, predicted], images.flatten(1)[:, seen]


def assemble(canvas: Canvas, x: Tensor, seen: Tensor) -> Tensor:
    """Pixels that were to be predicted, ``x`` (*S, B, P), and pixels seen (B, G) -> whole images (*S, B, *image)."""
    pixels = torch.cat([x, seen.expand(*x.shape[:-1], -1)], -1)
    assert pixels.shape[-1] == prod(canvas.image)
    return pixels[..., torch.cat(pixel_indices(canvas, x.device)).argsort()].unflatten(-1, canvas.image)
