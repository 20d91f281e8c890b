"""Points in the plane.

Shapes: n = data.
"""

from collections.abc import Callable
from math import inf
from typing import Any, final

import numpy as np
from typing_extensions import override

from elbolab.batch import Spec, Support, name_by_number
from elbolab.data.module import DataModule
from elbolab.reading.options import check_number, check_whole
from elbolab.reading.splits import Arrays, Splits


@final
class Toy(DataModule):
    """Two-dimensional data with labels, drawn from a seed of their own.

    Args:
        shape: ``gaussians`` (four at (+-1, +-1)), ``moons`` (two half circles) or ``pinwheel`` (five bent arms, after
            Johnson et al. 2016); the label is the part a point belongs to.
        train_size: number of training data, and so ``val_size`` and ``test_size``.
        noise: standard deviation of the points around each part's centre or curve.
        data_seed: seed of the draws, apart from the run's seed.
        base: arguments of `DataModule`.
    """

    def __init__(
        self,
        shape: str = "gaussians",
        train_size: int = 5000,
        val_size: int = 1000,
        test_size: int = 1000,
        noise: float = 0.1,
        data_seed: int = 0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        if shape not in SHAPES:
            raise ValueError(f"data.shape={shape}: choose {', '.join(SHAPES)}")
        check_whole(1, train_size=train_size, val_size=val_size, test_size=test_size)
        check_whole(0, data_seed=data_seed)
        check_number(0, inf, noise=noise)
        self.draw, self.num_parts = SHAPES[shape]
        self.sizes, self.noise, self.data_seed = (train_size, val_size, test_size), noise, data_seed

    @override
    def header(self) -> Spec:
        return Spec((2,), Support.REAL, classes=name_by_number(self.num_parts))

    @override
    def load(self) -> Splits:
        splits = []
        for stream, size in enumerate(self.sizes):
            rng = np.random.default_rng((self.data_seed, stream))
            y = rng.integers(self.num_parts, size=size)
            splits.append(Arrays(self.draw(y, self.noise, rng).astype(np.float32), y))
        return Splits(*splits)


def draw_gaussians(y: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Labels (n,) -> points (n, 2) around the corners of a square."""
    corners = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    return corners[y] + noise * rng.standard_normal((len(y), 2))


def draw_moons(y: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Labels (n,) -> points (n, 2) on two interleaved half circles."""
    angle = np.pi * (rng.random(len(y)) + y)
    curve = np.stack([np.cos(angle) + y, np.sin(angle) + 0.5 * y], axis=1)
    return curve - np.array([0.5, 0.25]) + noise * rng.standard_normal((len(y), 2))


def draw_pinwheel(y: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Labels (n,) -> points (n, 2) on five arms, turned the further the larger their radius."""
    radius = 1 + 0.3 * rng.standard_normal(len(y))
    tangent = noise * rng.standard_normal(len(y))
    angle = 2 * np.pi * y / 5 + 0.25 * np.exp(radius)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * radius - sin * tangent, sin * radius + cos * tangent], axis=1)


SHAPES: dict[str, tuple[Callable[[np.ndarray, float, np.random.Generator], np.ndarray], int]] = {
    "gaussians": (draw_gaussians, 4),
    "moons": (draw_moons, 2),
    "pinwheel": (draw_pinwheel, 5),
}
