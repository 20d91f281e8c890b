"""What travels between data and models.

Shapes: B = data in a batch, ``*event`` = one datum's shape, C = classes, F = factors.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from math import log, prod
from typing import NamedTuple, NoReturn, Self

import torch
from torch import Tensor, nn

from elbolab.common.refusal import Refusal, change, choose

Shape = tuple[int, ...]
MOST_NAMES = 10
"""Names that a line lists."""
LONGEST = 40
"""Characters of a name that a line shows."""
Net = Callable[[tuple[Shape, ...], Shape], nn.Module]
"""A recipe for a network: (shapes of its inputs, shape of its output) -> module; every YAML of ``conf/net`` is one."""


class Support(StrEnum):
    """Where a datum's elements live; it decides which likelihoods are likelihoods of the data."""

    BINARY = "binary"
    UNIT = "unit"
    REAL = "real"

    @property
    def words(self) -> str:
        """What such data are called in messages."""
        return {"binary": "binary data", "unit": "grey values in [0, 1]", "real": "real numbers"}[self]


class Canvas(NamedTuple):
    """The image that a datum and its one condition are parts of: what is to be predicted, and what is seen.

    Attributes:
        image: shape of the whole image, (channels, height, width).
        quadrants: how many quarters of it are seen, 1, 2 or 3.
    """

    image: Shape
    quadrants: int


class Scaling(NamedTuple):
    """How data were standardised: (x - shift) / scale, for every column of vectors or every channel of images.

    Attributes:
        shift: means of the training data.
        scale: their standard deviations.
    """

    shift: tuple[float, ...]
    scale: tuple[float, ...]


class Spec(NamedTuple):
    """What a model must know of its data, and nothing more; written to the run directory as JSON.

    Attributes:
        x: shape of one datum, ``(D,)`` for a vector or ``(channels, height, width)`` for an image.
        support: where its elements live.
        levels: number of equally spaced values k / (levels - 1) an element takes, or None when it is continuous.
        given: shapes of the conditions, none for an unconditional model.
        classes: names of the classes that ``y`` numbers from 0, none without labels.
        factors: sizes of the ground-truth factors, empty without factors.
        canvas: the image that a datum and its condition are parts of; None where a datum is whole.
        given_is_label: whether the one condition is the class label as a one-hot vector.
        given_levels: number of equally spaced values that the condition takes, as ``levels``; None otherwise.
        scaling: how real-valued data were standardised; None where models see the numbers that the user gave.
        columns: names of the elements of a datum that is a row of a table, else none.
        factor_values: names of the values that each factor numbers from 0, as many as ``factors`` says; none without
            factors, and in runs of before they were kept.
        factor_names: names of the factors, none where they have no names.
        num_train: number of training data, N; None where they have not been read, and in runs of before it was kept.
        white: the whole number that stands for 1 where pixels of 16 bits were given, 65,535; None for other data.
    """

    x: Shape
    support: Support
    levels: int | None = None
    given: tuple[Shape, ...] = ()
    classes: tuple[str, ...] = ()
    factors: tuple[int, ...] = ()
    canvas: Canvas | None = None
    given_is_label: bool = False
    given_levels: int | None = None
    scaling: Scaling | None = None
    columns: tuple[str, ...] = ()
    factor_values: tuple[tuple[str, ...], ...] = ()
    factor_names: tuple[str, ...] = ()
    white: int | None = None
    num_train: int | None = None

    @property
    def log_scale(self) -> float:
        """Log of the volume of the user's units in which a unit cube of what models see lies, 0 without scaling.

        log p(data) = log p(what models see) - log_scale, by the change of variables.
        """
        if self.scaling is None:
            return 0.0
        return prod(self.x[1:]) * sum(map(log, self.scaling.scale))

    def standardise(self, x: Tensor) -> Tensor:
        """Data (*S, *event) in the user's units -> what models see; the same where there is no scaling."""
        if self.scaling is None:
            return x
        shift, scale = self._by_column(x)
        return ((x.double() - shift) / scale).to(torch.get_default_dtype())

    def restore(self, x: Tensor) -> Tensor:
        """The inverse of `standardise`, in float64: columns of large numbers may differ little."""
        if self.scaling is None:
            return x
        shift, scale = self._by_column(x)
        return x.double() * scale + shift

    def _by_column(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale in a shape that broadcasts with data."""
        assert self.scaling is not None
        shape = (-1, *(1 for _ in self.x[1:]))
        shift, scale = (torch.tensor(part, dtype=torch.float64, device=x.device).view(shape) for part in self.scaling)
        return shift, scale

    @property
    def num_classes(self) -> int | None:
        """Number of classes, or None without labels."""
        return len(self.classes) or None

    @property
    def class_list(self) -> str:
        """The classes for people: "0 to 9" where these are their names, else the names, at most ten of them."""
        num = len(self.classes)
        if num > 1 and self.classes == name_by_number(num):
            return f"0 to {num - 1}"
        return shorten(self.classes)

    def class_index(self, label: str | int) -> int:
        """Index of the class whose name is ``label``; a YAML's ``true`` is the class True, or true.

        Raises:
            ValueError: there is no such class.
        """
        for name in (str(label), str(label).lower()) if isinstance(label, bool) else (str(label),):
            if name in self.classes:
                return self.classes.index(name)
        raise ValueError(f"label={label}: this run has the classes {self.class_list}")

    def to_json(self) -> dict:
        """A dictionary of plain JSON types."""
        canvas = None if self.canvas is None else self.canvas._asdict()
        scaling = None if self.scaling is None else self.scaling._asdict()
        return self._asdict() | {"support": str(self.support), "canvas": canvas, "scaling": scaling}

    @classmethod
    def from_json(cls, values: dict) -> Self:
        """The inverse of `to_json`."""
        given = tuple(tuple(shape) for shape in values["given"])
        tuples = {"x": tuple(values["x"]), "given": given, "factors": tuple(values["factors"])}
        for name in ("columns", "factor_names"):  # specs of before there were tables have none
            tuples[name] = tuple(values.get(name, ()))
        tuples["factor_values"] = tuple(map(tuple, values.get("factor_values", ())))
        canvas = values.get("canvas")  # specs of before there were conditional parts have none
        parts = None if canvas is None else Canvas(tuple(canvas["image"]), canvas["quadrants"])
        scaling = values.get("scaling")
        how = None if scaling is None else Scaling(tuple(scaling["shift"]), tuple(scaling["scale"]))
        num_classes = values.get("num_classes")  # specs of before classes had names say their number
        classes = tuple(values["classes"]) if "classes" in values else name_by_number(num_classes or 0)
        is_label = values.get("given_is_label", given == ((len(classes),),))  # specs of before conditional parts too
        found = {"support": Support(values["support"]), "canvas": parts, "classes": classes, "given_is_label": is_label}
        found["scaling"] = how
        known = {name: value for name, value in values.items() if name != "num_classes"}
        return cls(**(known | tuples | found))


def name_by_number(num: int) -> tuple[str, ...]:
    """Names of classes that are called by their numbers, from 0."""
    return tuple(map(str, range(num)))


def shorten(names: Sequence[str]) -> str:
    """At most ten names for people, on one line."""
    lines = [" ".join(name.split()) for name in names[:MOST_NAMES]]
    short = [line if len(line) <= LONGEST else f"{line[:LONGEST]}..." for line in lines]
    return ", ".join(short) + (f", ... ({len(names)} in all)" if len(names) > MOST_NAMES else "")


class Batch(NamedTuple):
    """B data with what is known of them.

    Attributes:
        x: the data, (B, *event), in torch's default dtype.
        given: the conditions, each (B, *shape).
        y: class labels, (B,) int64.
        factors: ground-truth factors, (B, F) int64.
    """

    x: Tensor
    given: tuple[Tensor, ...] = ()
    y: Tensor | None = None
    factors: Tensor | None = None


def refuse_labels() -> Refusal:
    """What a model says that gets a semi-supervised batch and takes data one by one."""
    return Refusal(
        "data.num_labelled is set, and this model does not look at labels",
        change("data.num_labelled", None),
        choose("model", "m1", "m2", "classifier", "aae_semi"),
        choose("model", "aae", settings={"model.label_informed": "true"}),
    )


def ask_for_labels() -> Refusal:
    """What a semi-supervised model says of data without labels."""
    return Refusal("semi-supervised training needs some labels", change("data.num_labelled", 100))


class Semi(NamedTuple):
    """A semi-supervised batch: L labelled data and B data whose labels are not looked at.

    Attributes:
        labelled: data with labels.
        unlabelled: data drawn from all of the training set, the labelled ones included; no labels.
        share: labelled data per training datum, N_lab / N, once for every labelled datum, (L,).
            ``mean(unlabelled) + labelled_mean(share * labelled)`` is the whole objective divided by N.
        weight: of each labelled datum in a mean over labelled data, (L,): 1, and in a part of a batch what makes the
            parts' means, weighted by the sizes of the parts, add up to that of the batch.
    """

    labelled: Batch
    unlabelled: Batch
    share: Tensor
    weight: Tensor

    @classmethod
    def of(cls, labelled: Batch, unlabelled: Batch, share: float) -> Self:
        """A whole batch, ``share`` being N_lab / N."""
        weight = labelled.x.new_ones(len(labelled.x))
        return cls(labelled, unlabelled, share * weight, weight)

    def labelled_mean(self, cost: Tensor) -> Tensor:
        """The mean of a cost of the labelled data, (L,) -> ()."""
        return (self.weight * cost).mean()

    @property
    def x(self) -> NoReturn:
        """Raises a Refusal: a model that asks for it takes data one by one, and would not look at labels."""
        raise refuse_labels()


def rows_of(batch: Batch | Semi) -> Batch:
    """All data of a batch, without labels where only some have one."""
    return batch.unlabelled if isinstance(batch, Semi) else batch


class Pace(NamedTuple):
    """How training asks for its data; the trainer sets it on the data module before loaders are made.

    Attributes:
        block: batches a block holds, K.
        limit_train: batches an epoch has at most, None for all.
        limit_val: validation batches, None for all.
    """

    block: int = 50
    limit_train: int | None = None
    limit_val: int | None = None
