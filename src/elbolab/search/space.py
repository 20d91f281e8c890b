"""The search space: Hydra's sweep syntax, read as Optuna's distributions."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

TAGS = {"log"}  # tag(log, interval(1e-4, 1e-2)) is uniform in the logarithm


@final
class Space(NamedTuple):
    """What a search chooses from."""

    lines: dict[str, str]  # all overrides as the user typed them, in their order, by key with its prefix (+)
    distributions: dict[str, BaseDistribution]  # of every parameter that is searched, by key without it

    @property
    def fixed(self) -> list[str]:
        """The overrides that are the same in all trials."""
        return [line for key, line in self.lines.items() if key.lstrip("+") not in self.distributions]

    @property
    def ranges(self) -> dict[str, str]:
        """The text from which each parameter was read, as the user typed it, by key."""
        typed = {key.lstrip("+"): line.partition("=")[2] for key, line in self.lines.items()}
        return {key: typed[key] for key in self.distributions}

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The overrides of a trial whose parameters have these values; a choice is the text that the user typed."""
        texts = {key: value if isinstance(value, str) else repr(value) for key, value in values.items()}
        return [
            f"{key}={texts[key.lstrip('+')]}" if key.lstrip("+") in self.distributions else line
            for key, line in self.lines.items()
        ]

    def to_json(self) -> dict[str, str]:
        """Every distribution as JSON text, by key."""
        return {key: distribution_to_json(distribution) for key, distribution in self.distributions.items()}

    def corners(self, is_group: Callable[[str], bool]) -> Iterator[dict[str, Any]]:
        """A point for each option of each config group, the rest at its first; one point where no group is searched."""
        choices: dict[str, Sequence[Any]] = {
            key: word.choices if isinstance(word, CategoricalDistribution) else [word.low]  # type: ignore[attr-defined]
            for key, word in self.distributions.items()
        }
        first = {key: values[0] for key, values in choices.items()}
        yield first
        for key, values in choices.items():
            if len(values) > 1 and is_group(key.partition("@")[0]):
                yield from (first | {key: choice} for choice in values[1:])


def read_space(params: Mapping[str, Any] | None, arguments: Sequence[str], loader: Any) -> Space:
    """The space of ``hydra.sweeper.params`` and the command line's overrides, the later winning.

    Raises:
        ValueError: nothing is searched, or a range holds nothing.
    """
    words = [*(f"{key}={value}" for key, value in (params or {}).items()), *arguments]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
    last = {override.get_key_element(): override for override in overrides}
    distributions = {
        key.lstrip("+"): distribution_of(override) for key, override in last.items() if override.is_sweep_override()
    }
    if not distributions:
        raise ValueError(
            "this search has no parameters: give one a range, as in model.beta='interval(0.1,10)' or "
            "net.hidden='choice([200],[400])', or take a ready-made space, search=... (elbolab list search)"
        )
    return Space({key: str(override.input_line) for key, override in last.items()}, distributions)


def distribution_of(override: Override) -> BaseDistribution:
    """The distribution that a sweep of Hydra's syntax describes, or ValueError; an interval's ends belong to it."""
    sweep: Any = override.value()
    if strange := sweep.tags - TAGS:
        raise ValueError(f"{override.input_line}: a search knows no tag '{min(strange)}'; it knows log")
    is_log = "log" in sweep.tags
    if not isinstance(sweep, IntervalSweep):
        sweep.shuffle = False  # a sampler has an order of its own, and a repeated command the same choices
    try:
        match sweep:
            case IntervalSweep():
                return _interval(sweep.start, sweep.end, is_log)
            case RangeSweep() if sweep.step > 0:
                return _range(sweep.start, sweep.stop, sweep.step, is_log)
            case ChoiceSweep() if is_log:
                raise ValueError("a choice has no logarithm: use interval or range")
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    except ValueError as error:
        raise ValueError(f"{override.input_line}: {str(error).rstrip('.')}") from error


def _interval(low: Any, high: Any, is_log: bool) -> BaseDistribution:
    if low >= high:
        raise ValueError(f"an interval goes from a smaller to a larger number, not from {low} to {high}")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=is_log)
    return FloatDistribution(low, high, log=is_log)


def _range(start: Any, stop: Any, step: Any, is_log: bool) -> BaseDistribution:
    """The distribution of Hydra's ``range(start, stop, step)``, which does not contain ``stop``."""
    num = math.ceil((stop - start) / step - 1e-9)
    if num < 1:
        raise ValueError(f"the range from {start} to {stop} holds nothing")
    last = start + (num - 1) * step
    if all(isinstance(number, int) for number in (start, stop, step)):
        return IntDistribution(start, last, log=is_log, step=step)
    return FloatDistribution(start, last, log=is_log, step=None if is_log else step)
