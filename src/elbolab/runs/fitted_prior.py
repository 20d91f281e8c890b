"""A prior that is fitted to the codes of a run afterwards, and the run that has it (Ghosh et al. 2020, section 4).

Shapes: N = data, D = latent dimensions, M = components.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from sklearn.mixture import GaussianMixture
from torch import Tensor

from elbolab.batch import Batch
from elbolab.common.files import write_atomically, write_json
from elbolab.common.refusal import Refusal, change, choose
from elbolab.common.rng import sklearn_seed
from elbolab.densities.base import Densities
from elbolab.densities.checks import example_terms, is_discrete
from elbolab.densities.layer import Layer
from elbolab.densities.wiring import replace_prior
from elbolab.distributions.priors import FittedMixture
from elbolab.evaluation.seeded import evaluating
from elbolab.runs.load import Run
from elbolab.runs.run_dir import RunDir, save_weights
from elbolab.runs.status import read_status, record_end, record_start

WIRING = "elbolab.densities.wiring.with_fitted_prior"
"""What builds the densities of a run whose prior was fitted."""

REGULARISATION = 1e-6
"""What is added to every variance, relative to the mean variance of the codes: some dimensions may carry nothing."""


def check_codes(densities: Densities) -> Layer:
    """The densities, if a prior can be fitted to their codes and take the place of their own.

    Raises:
        Refusal: no codes, several layers of them, codes that are discrete or no vectors, or data with conditions.
    """
    models = choose("model", "rae", "vae", "aae")
    if not isinstance(densities, Layer) or densities.posterior is None:
        raise Refusal(
            "a prior is fitted to the codes of one layer of latents, and this model has none, or several",
            models,
            choose("densities", "single_layer"),
        )
    if densities.spec.given:
        raise Refusal(
            "a prior that is fitted afterwards reads no conditions, and these data have some",
            change("data.given", "none"),
        )
    q = example_terms(densities).latents.only().q
    if q is None or is_discrete(q):
        raise Refusal(
            "a mixture of normals is no prior of discrete codes",
            choose("posterior", "diagonal_normal", settings={"prior": "standard_normal"}),
        )
    return densities


def draw_codes(densities: Densities, batches: Iterable[Batch], seed: int) -> Tensor:
    """A draw z ~ q(z | x) for each datum, (N, D) float64: of the aggregate posterior, which a prior is to match.

    Raises:
        Refusal: see `check_codes`.
    """
    layer = check_codes(densities)
    with evaluating(layer, "codes for a prior", seed):
        return torch.cat([layer.infer(batch.x).only().z for batch in batches]).double().cpu()


def fit_mixture(z: Tensor, num_components: int, seed: int) -> FittedMixture:
    """The mixture of normals that EM finds from a k-means start; one normal has the codes' mean and covariance.

    Raises:
        ValueError: more components than there are different codes, or only one code.
    """
    num = len(z.unique(dim=0))
    if num < max(num_components, 2):
        raise ValueError(
            f"components={num_components}: the {len(z)} training data have {num} different code(s), and a mixture "
            f"needs {max(num_components, 2)}" + (f"; components={num} at most" if num > 1 else "")
        )
    options = {"max_iter": 1000, "reg_covar": REGULARISATION * float(z.var(0).mean())}
    mixture = GaussianMixture(num_components, random_state=sklearn_seed("prior", seed), **options).fit(z.numpy())
    prior = FittedMixture((), z.shape[1:], num_components)
    prior.assign(*map(torch.as_tensor, (mixture.weights_, mixture.means_, mixture.covariances_)))
    return prior


def write_run(run: Run, prior: FittedMixture, out: Path, seed: int, command: list[str]) -> None:
    """Writes a run of the same model with the fitted prior into ``out``, which is new; ``run`` stays as it is."""
    new, num = RunDir(out), len(prior.probs)
    out.mkdir(parents=True)
    for kept in (run.dir.spec, run.dir.data):
        if kept.is_file():
            shutil.copy(kept, out)
    environment = json.loads(run.dir.environment.read_text(encoding="utf-8"))
    fitted = {"run": str(run.dir.path), "components": num, "seed": seed}
    write_json(new.environment, environment | {"command": ["elbolab", "fit-prior", *command], "fitted_prior": fitted})
    save_weights(new.weights, replace_prior(check_codes(run.densities), prior))
    status = read_status(run.dir.path)
    overrides = [*([] if status is None else status["overrides"]), "prior=gmm", f"components={num}"]
    record_start(out, monitor=run.cfg.monitor, mode=run.cfg.mode, epochs=None, overrides=overrides)
    write_atomically(new.config, OmegaConf.to_yaml(configure(run.cfg, num)))
    record_end(out, "finished")


def configure(cfg: DictConfig, num_components: int) -> DictConfig:
    """The configuration of a run that has such a prior."""
    prior = {"_target_": "elbolab.distributions.priors.FittedMixture", "_partial_": True}
    prior["num_components"] = num_components
    densities = {"_target_": WIRING, "_partial_": True, "densities": cfg.densities, "prior": prior}
    return OmegaConf.create({**cfg, "densities": densities})
