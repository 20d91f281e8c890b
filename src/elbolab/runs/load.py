"""A finished run, ready to use in a notebook or by another command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch import Tensor

from elbolab.batch import Batch, Spec
from elbolab.common.rng import isolated_rng, seed_of
from elbolab.config.arguments import find_run
from elbolab.config.build import build_data, build_densities
from elbolab.data.module import DataModule
from elbolab.data.new_data import Intake, as_array, describe_known, order_columns
from elbolab.densities.base import Densities
from elbolab.evaluation.figures.classes import generate_of_class
from elbolab.evaluation.outputs import output_of
from elbolab.evaluation.representation import Codes, codes
from elbolab.runs.run_dir import RunDir, load_weights, read_config, read_spec
from elbolab.runs.same_data import WAYS_OUT, accept_changes, check_unchanged
from elbolab.runs.stages import build_stages, load_stages

Values = Tensor | NDArray
"""Data or conditions as a notebook has them; data may be a table of pandas, polars or pyarrow, or a dict of columns."""

TAKEN = ("given", "binarize", "binarize_seed", "channels")
"""Options of data sets that say how data are taken."""


@final
class Run:
    """A run with its best weights, in evaluation mode.

    Attributes:
        dir: its paths.
        cfg: its configuration.
        spec: what it knows of its data.
        densities: the model.
    """

    def __init__(self, dir: RunDir, cfg: DictConfig, spec: Spec, densities: Densities) -> None:
        self.dir, self.cfg, self.spec, self.densities = dir, cfg, spec, densities

    def __repr__(self) -> str:
        parts = {name: str(self.cfg[name]._target_).rpartition(".")[2] for name in ("model", "data")}
        sizes = f"x {self.spec.x}, codes {self.densities.latent_shape}"
        return f"Run({str(self.dir.path)!r}: {parts['model']} of {parts['data']}, {sizes}, on {self.device})"

    def batch(self, x: Values, *given: Values) -> Batch:
        """Data and conditions as the model sees them, on its device.

        What training accepted is accepted: images in any of the layouts that files may have, grey levels as integers,
        real numbers in the units of the file where they were standardised, grey levels that were binarised (as the test
        data are), class labels and factors by their values, tables by the names of their columns. Data of `data` are in
        the model's scale already, which is another where ``data.standardise=true``: `codes` has their codes.

        Raises:
            ValueError: another shape, another scale, no numbers, or conditions that are missing.
        """
        with numbers_of(self.cfg):
            rows = order_columns(x, self.spec)
            rows = as_array(x) if rows is None else rows
            arrays = self.intake.take(rows, [as_array(condition) for condition in given])
            return self.intake.batch(arrays, self.device)

    @torch.no_grad()
    def encode(self, x: Values, *given: Values) -> Tensor:
        """The codes (B, D) of x (B, *event); see `batch`."""
        x, conditions, *_ = self.batch(x, *given)
        return self.densities.encode(x, *conditions)

    @torch.no_grad()
    def sample(
        self,
        num: int,
        *given: Values,
        seed: int | None = None,
        what: str = "mean",
        label: str | int | None = None,
    ) -> Tensor:
        """Data at draws from the prior: (num, *event), or (num, B, *event) with conditions (B, *shape).

        Standardised data are given in the units of the file.

        Args:
            num: draws.
            given: conditions, as those of `batch`.
            seed: of the draws; None: of the generator as it is.
            what: ``mean`` for the mean of p(x | z, c), ``sample`` for a draw of x itself.
            label: name of the class of all draws, which is the condition or a latent.

        Raises:
            ValueError: another ``what``, or a likelihood without it; a label, and the model draws by no class, or there
                is no such class, or conditions beside it.
            Undefined: the model has no prior.
        """
        show = output_of(what)
        with numbers_of(self.cfg), isolated_rng(self.device, None if seed is None else seed_of("samples", seed)):
            if label is not None and given:
                raise ValueError(f"label={label}: it is the condition of all draws, so leave conditions out")
            if label is not None:
                p = generate_of_class(self.densities, num, label, self.device)
            else:
                conditions = self.intake.conditions([as_array(condition) for condition in given])
                tensors = [torch.tensor(c, dtype=torch.get_default_dtype(), device=self.device) for c in conditions]
                p = self.densities.generate(num, *tensors)
            return self.spec.restore(show(p))

    @torch.no_grad()
    def reconstruct(self, x: Values, *given: Values) -> Tensor:
        """Means p(x | z = code of x), (B, *event), standardised data in the units of the file; see `batch`."""
        x, conditions, *_ = self.batch(x, *given)
        return self.spec.restore(self.densities.decode(self.densities.encode(x, *conditions), *conditions).mean)

    def codes(self, split: str = "test", changed: str = "refuse") -> Codes:
        """The codes of all data of a split with their labels and factors, in order, on the CPU.

        Labels and factors are indices, as metrics take them; `known` has the values of the file that they stand for.

        Args:
            split: ``train``, ``val`` or ``test``.
            changed: as that of `data`.
        """
        with numbers_of(self.cfg):
            return codes(self.densities, self.data(changed).batches(split, self.device))

    def known(self, codes: Codes) -> dict[str, NDArray]:
        """What is known of the data of `codes`, in the values of their file: the arrays that `elbolab encode` writes.

        Returns:
            ``y``, ``factors`` and ``factor_names``, those that there are; ``factor_indices`` instead of ``factors`` in
            runs of before the values of factors were kept.
        """
        y, factors = (None if part is None else part.numpy() for part in (codes.y, codes.factors))
        return describe_known(y, factors, self.spec)

    @property
    def intake(self) -> Intake:
        """What it accepts."""
        options = {name: self.cfg.data[name] for name in TAKEN if name in self.cfg.data}
        return Intake(self.spec, **options)

    def data(self, changed: str = "refuse") -> DataModule:
        """The data that it was trained on, read again.

        Args:
            changed: ``accept`` takes, with a warning, data that are no longer those of its training.

        Raises:
            ValueError: they have changed; or their file cannot be read.
        """
        if changed not in ("refuse", "accept"):
            raise ValueError(f"data.changed={changed}: choose refuse or accept")
        with numbers_of(self.cfg):
            data = build_data(self.cfg)
            if changed == "accept":
                accept_changes(self.dir, data)
            else:
                check_unchanged(self.dir, data, WAYS_OUT)
        return data

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.densities.parameters()).device


@contextmanager
def numbers_of(cfg: DictConfig) -> Iterator[None]:
    """The default dtype of a run, float64 under ``trainer.precision=64-true``: weights, constants and data share it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if cfg.trainer.precision == "64-true" else torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def load_run(path: str | Path, device: str | torch.device = "cpu") -> Run:
    """Rebuilds a run's model from its directory, without its data.

    Raises:
        FileNotFoundError: it is no run directory, or has no weights yet.

    Example:
        >>> import elbolab
        >>> run = elbolab.load_run(finished_run)
        >>> x = next(iter(run.data().batches("test"))).x[:3]
        >>> run.encode(x).shape, run.reconstruct(x).shape, run.sample(4).shape
        (torch.Size([3, 2]), torch.Size([3, 1, 8, 8]), torch.Size([4, 1, 8, 8]))
    """
    dir = RunDir(find_run(path))
    cfg, spec = read_config(dir), read_spec(dir)
    with numbers_of(cfg), isolated_rng(torch.device("cpu")):
        densities = build_densities(cfg, spec, **build_stages(load_stages(dir, cfg)))
    load_weights(dir.weights, densities)
    return Run(dir, cfg, spec, densities.to(device).eval())
