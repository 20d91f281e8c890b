"""How good a model's codes and reconstructions are.

Shapes: N = data, D = latent dimensions, F = factors.
"""

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch, Spec, Support
from elbolab.common.kind import MSE, Kind
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.batches import choose_data
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.quantity import Quantity, describe, in_units_of, means_of
from elbolab.evaluation.seeded import evaluating
from elbolab.metrics.activity import active_units
from elbolab.metrics.disentanglement.dci import MakeTrees, dci, random_forest
from elbolab.metrics.disentanglement.mig import mig
from elbolab.metrics.disentanglement.sap import ScoreMatrix, r_squared, sap
from elbolab.metrics.disentanglement.voting import beta_vae_score, factor_vae_score
from elbolab.metrics.images import SSIM_WINDOW, mse, psnr, ssim
from elbolab.metrics.probes import knn_accuracy, linear_probe_accuracy

ORDERED = "score, factors as ordered numbers"
"""Unit of SAP by `r_squared`: in the literature two scores that do not compare share its name."""

KINDS = {
    "active_units": Kind("dimensions", None, 170),
    "kl_per_dim": Kind("nats"),
    "class_kl": Kind("nats"),
    "mse": MSE,
    "psnr": Kind("dB", "higher"),
    "ssim": Kind("similarity", "higher"),
    "probe_accuracy": Kind("fraction", "higher", 200),
    "knn_accuracy": Kind("fraction", "higher", 210),
    "beta_vae_score": Kind("score", "higher", 270),
    "factor_vae_score": Kind("score", "higher", 280),
    "mig": Kind("score", "higher", 290),
    "dci_disentanglement": Kind("score", "higher", 300),
    "dci_completeness": Kind("score", "higher"),
    "dci_informativeness": Kind("score", "higher"),
    "sap": Kind("score", "higher", 310),
}
"""More active units are neither better nor worse: a code has as many as its model needs."""

ACTIVE_OF_LAYER = replace(KINDS["active_units"], headline=175)
"""Of active_units_1, the layer next to the data, and those above it."""

LEAST = 40
"""Data that disentanglement scores are taken of: a leaf of DCI's trees has 20, so fewer are never told apart."""

log = logging.getLogger(__name__)


class Codes(NamedTuple):
    """The codes of N data with what is known of them, on the CPU.

    Attributes:
        z: the codes, (N, D), flattened where a code has more dimensions.
        y: class labels, (N,), None where the data have none.
        factors: ground-truth factors, (N, F), None where the data have none.
    """

    z: Tensor
    y: Tensor | None
    factors: Tensor | None


class Protocol(NamedTuple):
    """How the disentanglement scores are taken; the defaults are documented with each score.

    Attributes:
        num_train: data or votes that predictors are fitted to, at most.
        num_eval: data or votes they are scored on, at most.
        trees: DCI's classifiers; `boosted_trees` for the published ones.
        score: SAP's predictors; `svm_accuracy` for the published ones.
    """

    num_train: int = 10_000
    num_eval: int = 5_000
    trees: MakeTrees = random_forest
    score: ScoreMatrix = r_squared


PROTOCOL = Protocol()


@final
@dataclass(frozen=True)
class Representation(Measure):
    """Everything there is to say of the codes of the data; what does not exist is absent.

    active_units, of several layers also active_units_1 of the lowest and so on, kl_per_dim (a list, nats), class_kl,
    mse, psnr, ssim; with labels of at least two classes probe_accuracy and knn_accuracy; with factors mig,
    dci_disentanglement, dci_completeness, dci_informativeness, sap, beta_vae_score, factor_vae_score. A model without
    latents has mse, psnr and ssim alone; a class in the code is no dimension that could be active, and one datum has no
    active units.

    Args:
        probe_limit: training data of the probes, at most; a seeded choice of them where there are more.
        num_neighbours: voters of the nearest-neighbour probe.
        protocol: how the disentanglement scores are taken.
    """

    counts: ClassVar[tuple[str, ...]] = ("probe_limit", "num_neighbours")
    probe_limit: int = 50_000
    num_neighbours: int = 5
    protocol: Protocol = PROTOCOL

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        batches = data.measured(split)
        quantities = reconstruction_quantities(densities, batches, seed=seed)
        if prod(densities.latent_shape) == 0:
            return quantities
        test = codes(densities, batches)
        if densities.code_dim > 0 and len(test.z) > 1:
            active = active_units(test.z[:, : densities.code_dim])
            quantities["active_units"] = _number(active, test.z, seed, KINDS["active_units"])
            for name, z in _layers(densities, test.z).items():
                quantities[name] = _number(active_units(z), z, seed, ACTIVE_OF_LAYER)
        quantities |= kl_quantities(densities, batches, seed=seed)
        if test.y is not None:
            train = codes(densities, choose_data(data.batches("train"), self.probe_limit, seed))
            quantities |= probe_quantities(train, test, seed=seed, num_neighbours=self.num_neighbours)
        return quantities | disentanglement_quantities(test, seed=seed, protocol=self.protocol)


def codes(densities: Densities, batches: Iterable[Batch]) -> Codes:
    """The codes of all data."""
    with evaluating(densities, "codes", 0):
        rows = [(densities.encode(batch.x, *batch.given).flatten(1).cpu(), batch.y, batch.factors) for batch in batches]
    z, y, factors = zip(*rows, strict=True)
    return Codes(torch.cat(z), _join_rows(y), _join_rows(factors))


def kl_quantities(densities: Densities, batches: Iterable[Batch], *, seed: int) -> dict[str, Quantity]:
    """KLs averaged over data, in nats: of each dimension, kl_per_dim, and of a class, which is one latent, class_kl.

    kl_per_dim is KL(q(z_d | x) || p(z_d)), layers concatenated top first; where q(z | x, y) knows the class y, it is
    that at one draw of y, and of several layers it is that at one draw of them. Absent where there is no prior or where
    prior or posterior do not factorise.
    """
    with evaluating(densities, "kl", seed):
        rows = [_kl(densities, batch) for batch in batches]
    kl = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    return means_of(kl, KINDS, k=1 if len(densities.code_shapes) > 1 else None, seed=seed)


def reconstruction_quantities(densities: Densities, batches: Iterable[Batch], *, seed: int) -> dict[str, Quantity]:
    """mse, and psnr and ssim of images in [0, 1], between x and the mean of p(x | z) at the code z of x.

    mse is per element, of standardised data as they are; psnr is the mean over images of their dB. ssim is absent for
    images smaller than its window, and all are where codes are not decoded (a classifier).
    """
    measures, kinds = {"mse": mse}, KINDS | {"mse": in_units_of(densities.spec, MSE)}
    if is_image(densities.spec):
        measures["psnr"] = psnr
        if min(densities.spec.x[1:]) >= SSIM_WINDOW:
            measures["ssim"] = ssim
    with evaluating(densities, "reconstruction", seed):
        try:
            pairs = ((b.x, densities.decode(densities.encode(b.x, *b.given), *b.given).mean) for b in batches)
            rows = [[measure(x, mean).cpu() for measure in measures.values()] for x, mean in pairs]
        except Undefined:
            return {}
    columns = {name: torch.cat(values) for name, values in zip(measures, zip(*rows, strict=True), strict=True)}
    return means_of(columns, kinds, k=None, seed=seed)


def probe_quantities(train: Codes, test: Codes, *, seed: int, num_neighbours: int) -> dict[str, Quantity]:
    """probe_accuracy and knn_accuracy: the share of test data whose class is read from the code.

    Both are absent where the training codes are of one class: nothing is to be told apart.

    Raises:
        ValueError: one of the sets has no labels.
    """
    if train.y is None or test.y is None:
        raise ValueError("probes need labels in the training and in the test data")
    if len(train.y.unique()) < 2:
        log.warning("the training data are of one class: probe_accuracy and knn_accuracy are left out")
        return {}
    arrays = (train.z.numpy(), train.y.numpy(), test.z.numpy(), test.y.numpy())
    correct = {
        "probe_accuracy": linear_probe_accuracy(*arrays),
        "knn_accuracy": knn_accuracy(*arrays, num_neighbours=num_neighbours),
    }
    rows = {name: torch.from_numpy(of_data) for name, of_data in correct.items()}
    return means_of(rows, KINDS, k=None, seed=seed, dtype=test.z.dtype)


def disentanglement_quantities(test: Codes, *, seed: int, protocol: Protocol = PROTOCOL) -> dict[str, Quantity]:
    """The five scores, absent without factors, of too few data, and where none varies; some need two that vary."""
    if test.factors is None or len(test.z) < 2:
        return {}
    num_varying = int((test.factors != test.factors[0]).any(0).sum())
    if num_varying == 0 or len(test.z) < LEAST:
        why = "no factor varies" if num_varying == 0 else f"they need {LEAST} data"
        log.warning("disentanglement scores of %d data are left out: %s", len(test.z), why)
        return {}
    z, factors = test.z.double().numpy(), test.factors.numpy()
    num_train, num_eval, trees, score = protocol
    fitted: dict[str, int] = {"seed": seed, "num_train": num_train}
    importance = dci(z, factors, **fitted, num_test=num_eval, trees=trees)
    scores: dict[str, float] = {f"dci_{name}": value for name, value in importance._asdict().items()}
    scores |= {"mig": mig(z, factors), "sap": sap(z, factors, **fitted, num_test=num_eval, score=score)}
    if num_varying > 1:
        scores["beta_vae_score"] = beta_vae_score(z, factors, **fitted, num_eval=num_eval)
        scores["factor_vae_score"] = factor_vae_score(z, factors, **fitted, num_eval=num_eval)
    kinds = KINDS | ({"sap": replace(KINDS["sap"], unit=ORDERED)} if protocol.score is r_squared else {})
    return {name: _number(value, test.z, seed, kinds[name]) for name, value in scores.items()}


def is_image(spec: Spec) -> bool:
    """Whether a datum is (channels, height, width) with values in [0, 1]."""
    return len(spec.x) == 3 and spec.support is not Support.REAL


def _layers(densities: Densities, z: Tensor) -> dict[str, Tensor]:
    """The part of each layer in codes (N, D), a class excepted; none where there is one layer."""
    sizes = [prod(shape) for shape in reversed(densities.code_shapes)][: -1 if densities.class_dim else None]
    if len(sizes) < 2:
        return {}
    parts = z[:, : densities.code_dim].split(sizes, dim=1)
    return {f"active_units_{number}": part for number, part in enumerate(parts, 1)}


def _kl(densities: Densities, batch: Batch) -> dict[str, Tensor]:
    """What exists of kl_per_dim (B, D) and class_kl (B,)."""
    found = {}
    with suppress(Undefined):
        latents = densities.infer(batch.x, *batch.given)
        classes = [latent for latent in latents if latent.is_class]
        dimensions = [latent for latent in latents if not latent.is_class]
        if classes:
            found["class_kl"] = torch.stack([latent.kl for latent in classes]).sum(0).cpu()
        kl_per_dim = [latent.kl_per_dim for latent in dimensions]
        if sum(kl.shape[1] for kl in kl_per_dim) > 0:
            found["kl_per_dim"] = torch.cat(kl_per_dim, dim=1).cpu()
    return found


def _join_rows(rows: tuple[Tensor | None, ...]) -> Tensor | None:
    """The rows of all batches on the CPU; None where a batch has none."""
    present = [row.cpu() for row in rows if row is not None]
    return torch.cat(present) if len(present) == len(rows) else None


def _number(value: float, z: Tensor, seed: int, kind: Kind) -> Quantity:
    """A quantity that is no mean over data."""
    return Quantity(value, None, len(z), None, seed, describe(z.dtype), kind)
