"""Samplers whose choice depends on the study's seed, the trial's number and the finished trials alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final
from zlib import crc32

import numpy as np
from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    json_to_distribution,
)
from optuna.samplers import BaseGASampler, BaseSampler
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

SPACE = "space"  # the study's attribute that describes what is searched


@final
class SeededSampler(BaseSampler):
    """A sampler made anew for every trial, with a seed of the trial's own.

    A search that is interrupted and repeated then chooses as one that was not. Parameters that are drawn one by one
    have seeds of their own, so that a trial killed between two of them goes on with the same others.

    Args:
        recipe: makes a sampler from ``seed``.
        seed: the study's.
    """

    def __init__(self, recipe: Callable[..., BaseSampler], seed: int) -> None:
        self.recipe, self.seed = recipe, seed
        self._samplers: dict[int, BaseSampler] = {}

    def _make(self, trial: FrozenTrial, *more: int) -> BaseSampler:
        """A sampler whose seed is the study's, the trial's and ``more`` together."""
        (seed,) = np.random.SeedSequence([self.seed, trial.number, *more]).generate_state(1)
        return self.recipe(seed=int(seed))

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        return self._samplers.get(trial.number) or self._make(trial)

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._of(trial).infer_relative_search_space(study, trial)

    @override
    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> Any:
        # a genetic one reads a generation's parents in another order than it writes them in: they are written first
        if isinstance(first := self._make(trial), BaseGASampler):
            first.get_parent_population(study, first.get_trial_generation(study, trial))
        return self._of(trial).sample_relative(study, trial, search_space)

    @override
    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        sampler = self._make(trial, crc32(param_name.encode()))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    @override
    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._samplers = {trial.number: self._make(trial)}
        self._of(trial).before_trial(study, trial)

    @override
    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._of(trial).after_trial(study, trial, state, values)


@final
class Grid(BaseSampler):
    """Every point of a space of choices and ranges once, by the trial's number; the last parameter changes fastest.

    The seed is of no effect; every sampler has one.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @staticmethod
    def size(space: Mapping[str, BaseDistribution]) -> int:
        """The number of points; ValueError where a parameter is continuous."""
        return math.prod(len(_points(name, distribution)) for name, distribution in space.items())

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {name: json_to_distribution(text) for name, text in study.user_attrs[SPACE].items()}

    @override
    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> Any:
        points = {name: _points(name, distribution) for name, distribution in search_space.items()}
        place = np.unravel_index(trial.number % self.size(search_space), [len(values) for values in points.values()])
        return {name: values[index] for (name, values), index in zip(points.items(), place, strict=True)}

    @override
    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise NotImplementedError(f"{param_name} is not of the study's space")


def _points(name: str, distribution: BaseDistribution) -> list[Any]:
    """The values of a parameter in order."""
    match distribution:
        case CategoricalDistribution():
            return list(distribution.choices)
        case IntDistribution():
            return list(range(distribution.low, distribution.high + 1, distribution.step))
        case FloatDistribution() if distribution.step is not None:
            num = round((distribution.high - distribution.low) / distribution.step) + 1
            return [distribution.low + i * distribution.step for i in range(num)]
    raise ValueError(
        f"{name} has no grid because it is continuous: give range(start,stop,step) or choice(...), or another sampler, "
        "hydra/sweeper/sampler=tpe"
    )
