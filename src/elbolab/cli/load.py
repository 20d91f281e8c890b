"""A finished run, ready to use in a notebook or by another command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch import Tensor

from elbolab.batch import Shape, Spec
from elbolab.cli.arguments import existing
from elbolab.cli.build import build_data, build_densities
from elbolab.cli.run_dir import RunDir, load_weights, read_config, read_spec
from elbolab.cli.same_data import WAYS_OUT, accept_changes, check_choice, check_unchanged
from elbolab.cli.stages import blanks, kept
from elbolab.common.rng import isolated_rng, seed_of
from elbolab.data.module import DataModule
from elbolab.densities.base import Densities
from elbolab.evaluation.outputs import output_of

Values = Tensor | NDArray
"""Data or conditions as a notebook has them; they are cast to the dtype of the weights and moved to their device."""


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

    @torch.no_grad()
    def encode(self, x: Values, *given: Values) -> Tensor:
        """The codes (B, D) of x (B, *event).

        Raises:
            ValueError: another shape, of x or of a condition, or conditions that are missing; so do the other methods.
        """
        return self.densities.encode(*self._rows(x, given))

    @torch.no_grad()
    def sample(self, num: int, *given: Values, seed: int | None = None, what: str = "mean") -> Tensor:
        """Data at draws from the prior: (num, *event), or (num, B, *event) with conditions (B, *shape).

        Args:
            num: draws.
            given: conditions.
            seed: of the draws; None: of the generator as it is.
            what: ``mean`` for the mean of p(x | z, c), ``sample`` for a draw of x itself.

        Raises:
            ValueError: another ``what``, or a likelihood without it.
            Undefined: the model has no prior.
        """
        show = output_of(what)
        with isolated_rng(self.device, None if seed is None else seed_of("samples", seed)):
            return self.spec.restore(show(self.densities.generate(num, *self._conditions(given))))

    @torch.no_grad()
    def reconstruct(self, x: Values, *given: Values) -> Tensor:
        """Means p(x | z = code of x), (B, *event)."""
        x, *conditions = self._rows(x, given)
        return self.spec.restore(self.densities.decode(self.densities.encode(x, *conditions), *conditions).mean)

    def _rows(self, x: Values, given: tuple[Values, ...]) -> list[Tensor]:
        x, conditions = self._data(x), self._conditions(given)
        for count in {len(condition) for condition in conditions} - {len(x)}:
            raise ValueError(f"{len(x)} data and {count} conditions: give one for each datum")
        return [x, *conditions]

    def _data(self, x: Values) -> Tensor:
        x = self._cast(x)
        if x.shape == self.spec.x:
            raise ValueError(f"x has the shape {tuple(x.shape)} of one datum: give a batch of it, x[None]")
        if x.shape[1:] != self.spec.x:
            raise ValueError(f"x has shape {tuple(x.shape)}; this run's data have (B, {_listed(self.spec.x)})")
        return x

    def _conditions(self, given: tuple[Values, ...]) -> list[Tensor]:
        if len(given) != len(self.spec.given):
            wanted = ", ".join(f"(B, {_listed(shape)})" for shape in self.spec.given)
            mend = f"give them after the first argument, {wanted}" if wanted else "leave them out"
            raise ValueError(
                f"this run has data.given={self.cfg.data.given}, and {len(given)} conditions were given: {mend}"
                + (f"; for class labels y: torch.nn.functional.one_hot(y, {self.spec.num_classes})" if wanted else "")
            )
        return [self._condition(*pair) for pair in enumerate(given)]

    def _condition(self, index: int, values: Values) -> Tensor:
        condition, shape = self._cast(values), self.spec.given[index]
        if condition.shape[1:] != shape or condition.dim() == len(shape):
            raise ValueError(
                f"condition {index + 1} has shape {tuple(condition.shape)}; with data.given={self.cfg.data.given} this "
                f"run's have (B, {_listed(shape)})"
            )
        return condition

    def _cast(self, values: Values) -> Tensor:
        return torch.as_tensor(values, dtype=next(self.densities.parameters()).dtype, device=self.device)

    def data(self, changed: str = "refuse") -> DataModule:
        """The data that it was trained on, read again.

        Args:
            changed: ``accept`` takes, with a warning, data that are no longer those of its training.

        Raises:
            ValueError: they have changed; or their file cannot be read.
        """
        check_choice(changed)
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


def _listed(shape: Shape) -> str:
    return ", ".join(map(str, shape))


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

    Args:
        path: the run directory.
        device: where to put the weights.

    Raises:
        FileNotFoundError: it is no run directory, or has no weights yet.

    Example:
        >>> import elbolab
        >>> run = elbolab.load_run(finished_run)
        >>> x = next(iter(run.data().batches("test"))).x[:3]
        >>> run.encode(x).shape, run.reconstruct(x).shape, run.sample(4).shape
        (torch.Size([3, 2]), torch.Size([3, 1, 8, 8]), torch.Size([4, 1, 8, 8]))
    """
    dir = RunDir(existing(path))
    cfg, spec = read_config(dir), read_spec(dir)
    with numbers_of(cfg), isolated_rng(torch.device("cpu")):
        densities = build_densities(cfg, spec, **blanks(kept(dir, cfg)))
    load_weights(dir.weights, densities)
    return Run(dir, cfg, spec, densities.to(device).eval())
