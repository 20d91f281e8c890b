"""`elbolab fit-prior run=DIR`: a prior for the codes of a run, fitted afterwards, in a run of its own."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from elbolab.cli.checks import check_seed
from elbolab.cli.evaluate import choose_device
from elbolab.runs.fitted_prior import draw_codes, fit_mixture, write_run
from elbolab.runs.load import load_run, numbers_of


def fit_prior(cfg: DictConfig) -> None:
    """The task that Hydra calls."""
    if cfg.components < 1:
        raise ValueError(f"components={cfg.components}: a mixture has at least one")
    seed, run = check_seed(cfg.seed), load_run(cfg.run, choose_device(cfg.device))
    out = Path(cfg.out or f"{run.dir.path}_gmm{cfg.components}").absolute()
    if out.exists():
        raise ValueError(f"{out} is there already: choose another folder, out=DIR, or remove it")
    with numbers_of(run.cfg):
        data = run.data(cfg.data.changed)
        prior = fit_mixture(draw_codes(run.densities, data.batches("train", run.device), seed), cfg.components, seed)
        write_run(run, prior, out, seed, list(HydraConfig.get().overrides.task))
    print(out, f"  elbolab evaluate run={out}", f"  elbolab sample run={out}", sep="\n")
