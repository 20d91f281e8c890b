"""What is shown of p(x | z): its mean, or a draw."""

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.distributions import Distribution

from elbolab.common.refusal import Refusal, change


def picture(p: Distribution) -> Tensor:
    """What a figure shows of a likelihood, (*batch, *event): its mean, or a draw where it has none.

    It is for looking at only: no number should be computed from one draw of many.
    """
    try:
        return p.mean
    except NotImplementedError:
        return p.sample()


OUTPUTS: Mapping[str, Callable[[Distribution], Tensor]] = {"mean": lambda p: p.mean, "sample": lambda p: p.sample()}
"""The values of ``what``."""


def output_of(what: str) -> Callable[[Distribution], Tensor]:
    """The function that makes the output called ``what``, (*batch, *event): "mean" or "sample".

    Raises:
        Refusal: it is no such word; or, in the function, the distribution has none.
    """
    if what not in OUTPUTS:
        raise Refusal(f"what={what}: there is no such output", change("what", *OUTPUTS))

    def show(p: Distribution) -> Tensor:
        try:
            return OUTPUTS[what](p)
        except NotImplementedError as error:
            lacks = f"what={what}: {type(p).__name__} " + ("has no mean" if what == "mean" else "cannot be drawn from")
            raise Refusal(lacks, change("what", *(OUTPUTS.keys() - {what}))) from error

    return show
