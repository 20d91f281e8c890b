"""`elbolab sample run=DIR`: draws from a run, as pictures and as arrays."""

from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from elbolab.cli.checks import check_seed
from elbolab.cli.evaluate import choose_device
from elbolab.cli.load import Run, load_run, numbers_of
from elbolab.data.module import DataModule
from elbolab.evaluation.figures.drawing import draw_all, sample_arrays, write_figures


def sample(cfg: DictConfig) -> None:
    """The task that Hydra calls.

    Raises:
        ValueError: fewer draws than one, a seed that is none, or a label that the run does not know.
    """
    if cfg.num < 1:
        raise ValueError(f"num={cfg.num}: draw at least one sample")
    run = load_run(cfg.run, choose_device(cfg.device))
    with numbers_of(run.cfg):
        _draw(run, run.data(cfg.data.changed), Path(cfg.out), cfg.num, check_seed(cfg.seed), cfg.label)


def _draw(run: Run, data: DataModule, folder: Path, num: int, seed: int, label: str | int | None) -> None:
    batches = data.batches("test", device=run.device)
    arrays = sample_arrays(run.densities, batches, num=num, seed=seed, label=label)
    written = write_figures(draw_all(run.densities, batches, seed=seed, label=label), folder)
    np.savez(folder / "samples.npz", **arrays)  # type: ignore[arg-type]
    shapes = ", ".join(f"{name} {values.shape}" for name, values in arrays.items())
    print(f"{folder / 'samples.npz'}  {shapes}", *written, sep="\n")
