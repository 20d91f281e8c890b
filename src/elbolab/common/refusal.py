"""A refusal that knows its ways out.

The library says what does not fit and which parts or settings would; the command line makes the sentence that a user
can type from, in `elbolab.config.errors`. No other place writes a sentence with names of YAML files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final


@final
@dataclass(frozen=True)
class Way:
    """One way out: another option of a group of the configuration, other values of settings, or both.

    A tuple among the settings, which have dotted keys, is a choice of values.
    """

    group: str = ""  # empty where only settings change
    options: tuple[str, ...] = ()  # those that would do, the best first
    settings: Mapping[str, Any] = field(default_factory=dict)


def choose(group: str, *options: str, settings: Mapping[str, Any] | None = None) -> Way:
    """Another option of a group, with settings where it needs them."""
    return Way(group, options, settings or {})


def change(key: str, *values: Any) -> Way:
    """Another value of a setting; the first is the best."""
    return Way(settings={key: values if len(values) > 1 else values[0]})


@final
class Refusal(ValueError):
    """Parts that do not fit together, or not these data.

    Args:
        reason: what does not fit, and why, as a sentence without a full stop.
        ways: what would do, the best first.
    """

    def __init__(self, reason: str, *ways: Way) -> None:
        super().__init__(reason, *ways)
        self.reason, self.ways = reason, ways

    def __str__(self) -> str:
        """For whoever builds the parts in Python: reason, then parts and settings that would do."""
        sentences = []
        for way in self.ways:
            part = [f"another {way.group} ({values_of(way.options)})"] if way.group else []
            settings = " and ".join(f"{key}={values_of(value)}" for key, value in way.settings.items())
            sentences.append(" with ".join([*part, settings] if settings else part))
        return self.reason + (": " + "; or ".join(sentences) if sentences else "")


def values_of(value: Any) -> str:
    """``a, b or c``, of one value or a tuple of several."""
    values = ["null" if one is None else str(one) for one in (value if isinstance(value, tuple) else (value,))]
    return " or ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)
