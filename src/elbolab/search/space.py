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

TAGS = {"log"}
"""Tags that a search knows: ``tag(log, interval(1e-4, 1e-2))`` is uniform in the logarithm."""


class Searched(NamedTuple):
    """A parameter.

    Attributes:
        text: the sweep that its value is chosen from, as the user typed it.
        distribution: the same for Optuna.
    """

    text: str
    distribution: BaseDistribution


@final
class Space(NamedTuple):
    """The overrides of a search in their order.

    Attributes:
        words: by the key as it is written, prefixes included: the whole text of an override that is fixed, or what its
            value is chosen from.
    """

    words: dict[str, str | Searched]

    @property
    def searched(self) -> dict[str, Searched]:
        """The parameters that are searched, by key without ``+``."""
        return {key.lstrip("+"): word for key, word in self.words.items() if isinstance(word, Searched)}

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distribution of every parameter that is searched, by key."""
        return {key: word.distribution for key, word in self.searched.items()}

    @property
    def fixed(self) -> list[str]:
        """The overrides that are the same in all trials."""
        return [word for word in self.words.values() if isinstance(word, str)]

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The overrides of a trial whose parameters have these values."""
        return [
            word if isinstance(word, str) else f"{key}={_written(values[key.lstrip('+')])}"
            for key, word in self.words.items()
        ]

    def described(self) -> dict[str, str]:
        """Optuna's distribution of every parameter as JSON text, by key."""
        return {key: distribution_to_json(word) for key, word in self.distributions.items()}

    def corners(self, is_group: Callable[[str], bool]) -> Iterator[dict[str, Any]]:
        """A point for each option of each config group, the rest at its first; one point where no group is searched."""
        first = {key: _first(word) for key, word in self.distributions.items()}
        yield first
        for key, word in self.distributions.items():
            if isinstance(word, CategoricalDistribution) and is_group(key.partition("@")[0]):
                yield from (first | {key: choice} for choice in word.choices[1:])

    def typed(self) -> dict[str, str]:
        """The text from which each parameter was read, as the user typed it, by key."""
        return {key: word.text for key, word in self.searched.items()}


def read_space(params: Mapping[str, Any] | None, arguments: Sequence[str], loader: Any) -> Space:
    """The space of a configuration's ``params`` under the command line's overrides, the later winning.

    Args:
        params: ``hydra.sweeper.params``.
        arguments: the command line's.
        loader: Hydra's, which ``glob()`` asks for options.

    Raises:
        ValueError: nothing is searched, or a range holds nothing.
    """
    lines = [*(f"{key}={value}" for key, value in (params or {}).items()), *arguments]
    words: dict[str, str | Searched] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(lines):
        assert override.input_line is not None
        line = override.input_line
        found = Searched(line.partition("=")[2], distribution_of(override)) if override.is_sweep_override() else line
        words[override.get_key_element()] = found
    space = Space(words)
    if not space.distributions:
        raise ValueError(
            "this search has no parameters: give one a range, as in model.beta='interval(0.1,10)' or "
            "net.hidden='choice([200],[400])', or take a ready-made space, search=... (elbolab list search)"
        )
    return space


def distribution_of(override: Override) -> BaseDistribution:
    """The distribution that a sweep of Hydra's syntax describes; both ends of an interval belong to it.

    Raises:
        ValueError: there is none.
    """
    sweep: Any = override.value()
    if strange := sweep.tags - TAGS:
        raise ValueError(f"{override.input_line}: a search knows no tag '{min(strange)}'; it knows log")
    is_log = "log" in sweep.tags
    if not isinstance(sweep, IntervalSweep):
        sweep.shuffle = False  # a sampler has an order of its own, and a repeated command the same choices
    try:
        match sweep:
            case IntervalSweep():
                return _interval(sweep, is_log)
            case RangeSweep() if sweep.step > 0:
                return _range(sweep, is_log)
            case ChoiceSweep() if is_log:
                raise ValueError("a choice has no logarithm: use interval or range")
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    except ValueError as error:
        raise ValueError(f"{override.input_line}: {str(error).rstrip('.')}") from error


def _interval(sweep: IntervalSweep, is_log: bool) -> BaseDistribution:
    low, high = sweep.start, sweep.end
    assert low is not None
    assert high is not None
    if low >= high:
        raise ValueError(f"an interval goes from a smaller to a larger number, not from {low} to {high}")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=is_log)
    return FloatDistribution(low, high, log=is_log)


def _range(sweep: RangeSweep, is_log: bool) -> BaseDistribution:
    """The distribution of Hydra's ``range(start, stop, step)``, which does not contain ``stop``."""
    start, stop, step = sweep.start, sweep.stop, sweep.step
    assert start is not None
    assert stop is not None
    num = math.ceil((stop - start) / step - 1e-9)
    if num < 1:
        raise ValueError(f"the range from {start} to {stop} holds nothing")
    last = start + (num - 1) * step
    if all(isinstance(number, int) for number in (start, stop, step)):
        return IntDistribution(int(start), int(last), log=is_log, step=int(step))
    return FloatDistribution(start, last, log=is_log, step=None if is_log else step)


def _first(distribution: BaseDistribution) -> Any:
    match distribution:
        case CategoricalDistribution():
            return distribution.choices[0]
        case FloatDistribution() | IntDistribution():
            return distribution.low
    raise AssertionError(distribution)


def _written(value: Any) -> str:
    """The text of a value in an override; a choice is already the text that the user typed."""
    return value if isinstance(value, str) else repr(value)
