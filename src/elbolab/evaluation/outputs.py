"""What is shown of p(x | z): its mean, or a draw."""

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.distributions import Distribution

from elbolab.common.refusal import Refusal, change


def mean_of(p: Distribution) -> Tensor:
    """The mean, (*batch, *event).

    Raises:
        Refusal: ``p`` has none.
    """
    try:
        return p.mean
    except NotImplementedError as error:
        raise Refusal(f"what=mean: {type(p).__name__} has no mean", change("what", "sample")) from error


def draw_of(p: Distribution) -> Tensor:
    """A draw, (*batch, *event).

    Raises:
        Refusal: ``p`` cannot be drawn from.
    """
    try:
        return p.sample()
    except NotImplementedError as error:
        raise Refusal(f"what=sample: {type(p).__name__} cannot be drawn from", change("what", "mean")) from error


def picture(p: Distribution) -> Tensor:
    """What a figure shows of a likelihood, (*batch, *event): its mean, or a draw where it has none.

    It is for looking at only: no number should be computed from one draw of many.
    """
    try:
        return p.mean
    except NotImplementedError:
        return p.sample()


Output = Callable[[Distribution], Tensor]

OUTPUTS: Mapping[str, Output] = {"mean": mean_of, "sample": draw_of}
"""The values of ``what``."""


def output_of(what: str) -> Output:
    """The function that makes the output called ``what``: "mean" or "sample".

    Raises:
        Refusal: it is no such word.
    """
    if what not in OUTPUTS:
        raise Refusal(f"what={what}: there is no such output", change("what", *OUTPUTS))
    return OUTPUTS[what]
