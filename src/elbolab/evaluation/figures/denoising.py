"""What a denoising model does: clean, corrupted and restored data."""

from matplotlib.figure import Figure

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Corrupting, capability
from elbolab.evaluation.figures.looks import blank, look_of
from elbolab.evaluation.outputs import picture
from elbolab.evaluation.seeded import evaluating


def restorations(densities: Densities, batch: Batch, *, seed: int) -> Figure:
    """Clean data, the same corrupted by the model's own noise, and the mean of p(x | z = code of x~).

    Raises:
        Undefined: the model corrupts nothing.
    """
    corrupting = capability(densities, Corrupting)
    look = look_of(densities.spec, batch.x.cpu())
    x, given = batch.x[: look.num_pairs], tuple(tensor[: look.num_pairs] for tensor in batch.given)
    with evaluating(densities, "restorations", seed):
        corrupted = corrupting.corrupt(x)
        restored = picture(densities.decode(densities.encode(corrupted, *given), *given))
    width, height = look.size(9, 12)
    figure = blank(width + 0.8, height + 0.3, "clean, corrupted and restored data")
    look.stages(figure.subplots(), {"clean": x.cpu(), "corrupted": corrupted.cpu(), "restored": restored.cpu()})
    return figure
