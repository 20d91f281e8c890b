"""What elbolab's own measures declare of their quantities; to read files that do not say it themselves."""

from elbolab.common.kind import Kind
from elbolab.evaluation import (
    aggregate,
    annealed,
    classification,
    clusters,
    conditional,
    decomposition,
    denoising,
    editing,
    few_labels,
    gaps,
    likelihood,
    parzen,
    quadrature,
    representation,
)

MEASURING = (
    *(likelihood, conditional, denoising, decomposition, aggregate, clusters, parzen, classification),
    *(representation, few_labels, editing, annealed, gaps, quadrature),
)

KINDS: dict[str, Kind] = {name: kind for module in MEASURING for name, kind in module.KINDS.items()}
