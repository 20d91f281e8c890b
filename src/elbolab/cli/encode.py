"""`elbolab encode run=DIR data.path=new.npz`: the codes of new data, or of a split of a run's own."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from elbolab.batch import Batch
from elbolab.cli.checks import check_seed
from elbolab.cli.evaluate import choose_device
from elbolab.common.files import replacing
from elbolab.data.new_data import describe_known, read_new
from elbolab.densities.latents import Undefined
from elbolab.evaluation.likelihood import importance_log_likelihood
from elbolab.evaluation.proposals import sampling_of
from elbolab.evaluation.representation import codes
from elbolab.reading.options import check_names
from elbolab.reading.splits import Splits
from elbolab.reading.tables import Columns
from elbolab.runs.load import Run, load_run, numbers_of

Batches = Callable[[], Iterable[Batch]]
"""All batches, the same at every call."""


def encode(cfg: DictConfig) -> None:
    """The task that Hydra calls."""
    _check_options(cfg)
    run = load_run(cfg.run, choose_device(cfg.device))
    with numbers_of(run.cfg):
        batches, beside = _read_file(run, cfg) if cfg.data.path is not None else _read_split(run, cfg)
        found = codes(run.densities, batches())
        arrays = {"z": found.z.numpy(), **beside}
        if cfg.nll:
            name = "conditional_nll" if run.spec.given else "nll"
            arrays[name] = _estimate_nll(run, batches(), cfg)
    path = _name_output(run, cfg)
    with replacing(path) as place, place.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    print(f"{path}  {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}")


def _check_options(cfg: DictConfig) -> None:
    if cfg.data.ignore and cfg.data.path is None:
        raise ValueError("data.ignore is of new data: set data.path too, or leave it out")
    if cfg.split is not None and cfg.split not in Splits._fields:
        raise ValueError(f"split={cfg.split}: choose {', '.join(Splits._fields)}")
    if not cfg.nll and (cfg.num_samples, cfg.seed) != (None, None):
        raise ValueError("num_samples and seed are of the NLL: set nll=true, or leave them out")
    if cfg.num_samples is not None and cfg.num_samples < 1:
        raise ValueError(f"num_samples={cfg.num_samples}: must be at least 1")
    if cfg.seed is not None:
        check_seed(cfg.seed)
    if cfg.out is not None and Path(cfg.out).suffix != ".npz":
        raise ValueError(f"out={cfg.out}: codes are written as an .npz file")
    if None not in (cfg.out, cfg.data.path) and Path(cfg.out).resolve() == Path(cfg.data.path).resolve():
        raise ValueError(f"out={cfg.out} is the file of the data: choose another")


def _read_split(run: Run, cfg: DictConfig) -> tuple[Batches, dict[str, np.ndarray]]:
    """Batches of a split of the run's data, and the labels and factors of its rows, by name."""
    split = cfg.split or "test"
    data = run.data(cfg.data.changed)
    arrays = data.arrays(split)
    return lambda: data.batches(split, run.device), describe_known(arrays.y, arrays.factors, data.spec)


def _read_file(run: Run, cfg: DictConfig) -> tuple[Batches, dict[str, np.ndarray]]:
    """Batches of new data in the order of their file, and their labels and factors, by name."""
    if cfg.data.changed != "refuse":
        raise ValueError("data.changed is of the run's own data, and data.path names others: leave one of them out")
    options = {name: list(run.cfg.data.get(name) or []) for name in ("factors", "conditions", "ignore")}
    columns = Columns(run.cfg.data.get("labels"), options["factors"], options["conditions"], options["ignore"])
    ignore = check_names("ignore", cfg.data.ignore)
    found = read_new(Path(str(cfg.data.path)).expanduser(), cfg.split, run.intake, columns, ignore)
    size = run.cfg.data.get("eval_batch_size", 1000)
    return lambda: run.intake.batches(found.arrays, size, run.device), found.known


def _estimate_nll(run: Run, batches: Iterable[Batch], cfg: DictConfig) -> np.ndarray:
    """-log p(x), or -log p(x given c), of each datum, (N,), by importance sampling as the run was measured."""
    kept = {name: OmegaConf.select(run.cfg, f"evaluation.{name}") for name in ("num_samples", "seed", "memory")}
    kept |= {name: cfg[name] for name in ("num_samples", "seed") if cfg[name] is not None}
    for name in ("num_samples", "seed"):
        if kept[name] is None:
            raise ValueError(f"this run's evaluation has no {name}: set {name}=")
    num_corruptions = OmegaConf.select(run.cfg, "evaluation.num_corruptions", default=1)
    proposal, kept["num_samples"] = sampling_of(run.densities, kept["num_samples"], num_corruptions)
    try:
        return -importance_log_likelihood(run.densities, batches, proposal=proposal, **kept).log_px.cpu().numpy()
    except Undefined as error:
        raise ValueError(f"nll=true: {error}; leave nll out") from error


def _name_output(run: Run, cfg: DictConfig) -> Path:
    if cfg.out is not None:
        return Path(cfg.out)
    name = cfg.split or "test"
    if cfg.data.path is not None:
        name = Path(str(cfg.data.path)).stem + (f"_{cfg.split}" if cfg.split else "")
    return run.dir.path / "codes" / f"{name}.npz"
