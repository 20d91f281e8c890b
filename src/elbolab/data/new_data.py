"""Data that a model was not trained on, taken as its training took its own: layout, scale, binarisation, conditions.

Shapes: B = data, C = classes, ``*event`` = one datum's shape.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from elbolab.batch import Batch, Shape, Spec, Support
from elbolab.data.binarize import binarize_as_test
from elbolab.data.fetch import Finish, Rows
from elbolab.data.given import Own, Quadrants, unconditional
from elbolab.reading.labels import is_one_hot, number_known_values
from elbolab.reading.splits import Arrays
from elbolab.reading.values import WHITE, Values, measure_values, scale_deep_pixels


@final
@dataclass(frozen=True)
class Intake:
    """What a trained model accepts.

    Attributes:
        spec: its data.
        given: what ``data.given`` was, for messages.
        binarize: what grey levels become, ``data.binarize``.
        binarize_seed: seed of data that are binarised once.
        channels: where images have their channels, ``first``, ``last`` or ``auto``, as their training was told.
    """

    spec: Spec
    given: str = "none"
    binarize: str = "none"
    binarize_seed: int = 777
    channels: str = "auto"

    def take(self, x: np.ndarray, given: Sequence[np.ndarray] = (), where: str = "x") -> Arrays:
        """Data with their conditions, checked, as a split is stored.

        Args:
            x: the data, (B, *event), or as a file of them might hold images.
            given: the conditions, (B, *shape) each; class labels also as the names of their classes, (B,).
            where: what is called so in messages.

        Raises:
            ValueError: another shape, or values that are not of the kind that the model was trained on.
        """
        image = None if self.spec.canvas is None or given else arrange_axes(x, self.spec.canvas.image, self.channels)
        if image is not None:
            return self._store(image, where)
        arrays = self._store(self._arrange(x), where)
        conditions = self.conditions(given)
        for count in {len(condition) for condition in conditions} - {len(x)}:
            raise ValueError(f"{len(x)} data and {count} conditions: give one for each datum")
        return replace(arrays, given=conditions[0] if conditions else None)

    def finish(self, arrays: Arrays, device: torch.device) -> Finish:
        """What makes batches of rows of such data."""
        canvas = self.spec.canvas
        if canvas is not None and arrays.given is None:
            condition = Quadrants(canvas.quadrants).on(self.spec._replace(x=canvas.image), device)
        else:
            condition = unconditional if arrays.given is None else Own().on(self.spec, device)
        return Finish(arrays, condition, device)

    def batch(self, arrays: Arrays, device: torch.device) -> Batch:
        """All of such data as one batch."""
        return self.finish(arrays, device)(Rows.of(arrays))

    def batches(self, arrays: Arrays, size: int, device: torch.device) -> Iterator[Batch]:
        """Batches of at most ``size`` of such data, in order."""
        finish = self.finish(arrays, device)
        for start in range(0, len(arrays), size):
            yield finish(Rows.of(arrays.rows(slice(start, start + size))))

    def conditions(self, given: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Conditions in the scale that the model sees, (B, *shape) each.

        Raises:
            ValueError: another number of them, another shape, or other values.
        """
        if len(given) != len(self.spec.given):
            wanted = ", ".join(f"(B, {list_sizes(shape)})" for shape in self.spec.given)
            what_to_do = f"give them after the first argument, {wanted}" if wanted else "leave them out"
            labels = "; or class labels as the names of the classes" if self.spec.given_is_label else ""
            raise ValueError(
                f"this run has data.given={self.given}, and {len(given)} conditions were given: {what_to_do}{labels}"
            )
        return [self._condition(number, values) for number, values in enumerate(given)]

    def _arrange(self, x: np.ndarray) -> np.ndarray:
        event = self.spec.x
        if x.shape == event:
            raise ValueError(f"x has the shape {x.shape} of one datum: give a batch of it, x[None]")
        found = arrange_axes(x, event, self.channels)
        if found is None:
            raise ValueError(f"x has shape {x.shape}; this run's data have (B, {list_sizes(event)})")
        return found

    def _store(self, x: np.ndarray, where: str) -> Arrays:
        spec = self.spec
        if len(x) == 0:
            return Arrays(x.astype(np.float64))
        if spec.white is not None and x.dtype.kind == "u" and x.dtype.itemsize == 2:
            x = np.asarray(scale_deep_pixels(x))
        values = measure_values(where, Arrays(x), "these data")
        if spec.support is Support.REAL:
            return Arrays(_standardise(x, spec, where))
        if self.binarize != "none" and values.kind == "integers" and not values.binary and values.within(WHITE):
            return binarize_as_test(self.binarize, Arrays(x.astype(np.uint8), levels=WHITE + 1), self.binarize_seed)
        _check_values(values, spec)
        if values.kind == "floats" or values.kind == "booleans":
            return Arrays(x)
        assert spec.levels is not None
        return Arrays(x.astype(np.uint8), levels=spec.levels)

    def _condition(self, number: int, values: np.ndarray) -> np.ndarray:
        spec, shape = self.spec, self.spec.given[number]
        if spec.given_is_label and (values.ndim == 1 or values.shape[1:] == (1,) != shape):
            if values.dtype.kind == "f" and values.shape == shape != (2,) and is_one_hot(values[None]):
                one = f"condition {number + 1} has the shape {shape} of one datum"
                raise ValueError(f"{one}: give a batch of them, (B, {list_sizes(shape)})")
            return np.eye(len(spec.classes))[number_known_values("label", values.reshape(-1), spec.classes, "classes")]
        if self.given == "factors" and values.ndim == 2 and values.shape[1] == len(spec.factors) != sum(spec.factors):
            return self._factors(values)
        arranged = arrange_axes(values, shape, self.channels)
        if arranged is None:
            raise ValueError(
                f"condition {number + 1} has shape {values.shape}; with data.given={self.given} this run's have "
                f"(B, {list_sizes(shape)})"
            )
        values = arranged
        if len(values) == 0:
            return values.astype(np.float64)
        found = measure_values(f"condition {number + 1}", Arrays(values), "these data")
        if found.kind == "floats" or found.binary and spec.given_levels is None:
            return values.astype(np.float64)
        if found.kind == "integers" and spec.given_levels is not None and found.within(spec.given_levels - 1):
            return values.astype(np.float64) / (spec.given_levels - 1)
        raise ValueError(
            f"{found}, and this run was trained with "
            + ("levels from 0 to 255" if spec.given_levels else "zeros and ones, or floats: give these")
        )

    def _factors(self, values: np.ndarray) -> np.ndarray:
        """Values of factors (B, F), as `elbolab encode` writes them -> one-hot vectors (B, sum of their sizes)."""
        spec = self.spec
        if not spec.factor_values:
            raise ValueError(
                "this run was trained by an elbolab that did not keep the values of factors: give one-hot vectors of "
                f"{sum(spec.factors)} in a notebook, run.encode(x, given), or encode a split of its own data by split="
            )
        called = spec.factor_names or [f"factor {number}" for number in range(1, len(spec.factors) + 1)]
        columns = zip(called, values.T, spec.factor_values, strict=True)
        vectors = [np.eye(len(names))[number_known_values(name, column, names)] for name, column, names in columns]
        return np.concatenate(vectors, axis=1)


def arrange_axes(x: np.ndarray, event: Shape, channels: str) -> np.ndarray | None:
    """Data with rows of shape ``event``, whose channels may have come last or, where there is one, not at all.

    With ``channels=auto`` they come where they fit, first where both do.
    """
    last = np.moveaxis(x, -1, 1) if x.ndim > 3 else x
    ways = {"first": [x], "last": [last, x], "auto": [x, last]}[channels]
    if x.ndim == len(event) and event[0] == 1 and len(event) > 2:
        ways.append(x[:, None])
    return next((way for way in ways if way.shape[1:] == event and way.ndim > len(event)), None)


def _standardise(x: np.ndarray, spec: Spec, where: str) -> np.ndarray:
    """Real numbers in the type that models see, which holds them, standardised where the training data were."""
    numbers = spec.standardise(torch.from_numpy(x.astype(np.float64))).to(torch.get_default_dtype()).numpy()
    wrong = ~np.isfinite(numbers).reshape(len(x), -1).all(1)
    if wrong.any():
        raise ValueError(f"{where} has numbers beyond {numbers.dtype} in row {wrong.argmax()} (counted from 0)")
    return numbers


def _check_values(values: Values, spec: Spec) -> None:
    """Raises ValueError unless values are of the kind, and on the scale, of the data of ``spec``."""
    if spec.support is Support.BINARY:
        is_right, wanted = values.binary, "zeros and ones"
    elif spec.levels is None:
        is_right = values.within(1) and values.kind != "integers"
        deep = "uint16 pixels of 16 bits or " * (spec.white is not None)
        wanted = f"{deep}floats from 0 to 1: give x / 255 of pixels of 8 bits, x / 65535 of 16"
    else:
        top = spec.levels - 1
        is_right = values.within(top if values.kind == "integers" else 1)
        wanted = f"{spec.levels} levels: give integers from 0 to {top}, or floats from 0 to 1, which x / {top} are"
    if not is_right:
        raise ValueError(f"{values}, and this run's data are {wanted}")


def as_array(values: Tensor | np.ndarray | Sequence) -> np.ndarray:
    """Numbers of a notebook as an array, on the CPU."""
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.dtype is torch.bfloat16 else values).numpy()


def list_sizes(shape: Shape) -> str:
    """``1, 28, 28``."""
    return ", ".join(map(str, shape))
