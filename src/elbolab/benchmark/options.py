"""What a user may ask of a benchmark, and what is wrong where it cannot be done."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, final

import torch

from elbolab.benchmark.cases import TRAINED
from elbolab.benchmark.contenders import CONTENDERS

DEVICES = ("auto", "cpu", "cuda")
AUTO = "auto"

QUICK_BATCH, QUICK_SECONDS, QUICK_REPEATS = 128, 0.5, 3
"""What ``quick`` leaves of the rest."""


@final
@dataclass(frozen=True)
class Options:
    """The keys of ``conf/benchmark.yaml``, which explains them; ``num_samples`` is None for no log-likelihood."""

    device: str
    models: Sequence[str]
    batches: Mapping[str, Sequence[int]]
    implementations: Sequence[str]
    seconds: float
    repeats: int
    num_samples: int | None
    images: int | str
    threads: int | None
    profile: bool
    scaling: bool

    @classmethod
    def of(cls, nll: Mapping[str, Any] | None, quick: bool, **keys: Any) -> Self:
        """From the keys of the config.

        Args:
            nll: num_samples and images, None for no log-likelihood.
            quick: one model at one batch size, and briefly.
            **keys: the others.

        Raises:
            ValueError: a value that cannot be measured with.
        """
        likelihood = {"num_samples": None, "images": AUTO} if nll is None else dict(nll)
        options = cls(**keys, **likelihood)
        check(options)
        if not quick:
            return options
        seconds, repeats = min(options.seconds, QUICK_SECONDS), min(options.repeats, QUICK_REPEATS)
        return replace(options, models=["mlp"], batches={"mlp": [QUICK_BATCH]}, seconds=seconds, repeats=repeats)

    @property
    def where(self) -> torch.device:
        """The device that ``device`` means."""
        if self.device == AUTO:
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)


def check(options: Options) -> None:
    """Raises ValueError for the first value that cannot be; the message names what can."""
    if options.device not in DEVICES:
        raise ValueError(f"device={options.device}: choose {', '.join(DEVICES)}")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: torch sees no CUDA device; choose device=auto or device=cpu")
    _check_names("models", options.models, TRAINED)
    _check_names("implementations", options.implementations, CONTENDERS)
    if not options.implementations or not (options.models or options.num_samples):
        raise ValueError("nothing to measure: give implementations=[elbolab,...], and models=[mlp,...] or nll.images")
    for model in options.models:
        sizes = options.batches.get(model)
        if not isinstance(sizes, Sequence) or isinstance(sizes, str) or not sizes:
            raise ValueError(f"batches.{model}={sizes}: a list of batch sizes, such as batches.{model}=[128]")
        for size in sizes:
            _check_count(f"batches.{model}", size)
    if not isinstance(options.seconds, int | float) or isinstance(options.seconds, bool) or options.seconds <= 0:
        raise ValueError(f"seconds={options.seconds}: a measurement takes some time, 2 say")
    _check_count("repeats", options.repeats)
    if options.threads is not None:
        _check_count("threads", options.threads, "; null leaves them as they are")
    if options.num_samples is not None:
        _check_count("nll.num_samples", options.num_samples, "; nll=null measures none")
    if options.images != AUTO:
        _check_count("nll.images", options.images, "; auto takes what fits into the seconds")


def _check_names(option: str, names: Any, known: Collection[str]) -> None:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise ValueError(f"{option}={names}: a list, such as {option}=[{names}]")
    if len(set(names)) < len(names):
        raise ValueError(f"{option}={list(names)}: name each once")
    for name in names:
        if name not in known:
            raise ValueError(f"{option}: there is no '{name}'; choose from {', '.join(known)}")


def _check_count(option: str, value: Any, otherwise: str = "") -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{option}={value}: a whole number, at least 1{otherwise}")
