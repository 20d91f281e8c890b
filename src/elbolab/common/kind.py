"""What a quantity is: declared once, beside what computes it, and read by tables, pages, dashboards and pictures.

`elbolab.evaluation` declares its own where they are measured, and writes them into every `evaluation.json`, so that a
reader needs neither the code that measured nor torch. What training logs, and every variant has, is declared here.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, final


@final
@dataclass(frozen=True)
class Kind:
    """What a quantity is."""

    unit: str  # nats, bits/dim, dimensions, fraction, dB, ...
    better: Literal["higher", "lower"] | None = None  # which way it is better, None where neither is
    headline: int | None = None  # its place in tables, the smallest number first; None: shown on demand alone
    label: str | None = None  # what people call it, None where its name says it


def label_of(name: str, label: str | None) -> str:
    """What people call a quantity: its label, else its name in words."""
    return label or name.replace("_", " ")


ELBO = Kind("nats", "higher", 10)
RATE = Kind("nats", None, 20)
RATE_OF_LAYER = Kind("nats", None, 25)
DISTORTION = Kind("nats", None, 30)
DVAE_BOUND = Kind("nats", "higher", 40, "DVAE bound")
LOSS = Kind("nats", "lower", 55)
ERROR = Kind("fraction", "lower", 120)
MMD2 = Kind("squared distance", "lower", 180, "MMD²")
MSE = Kind("squared error/element", "lower", 260)

EVERY_BOUND = {"elbo": ELBO, "rate": RATE, "distortion": DISTORTION, "loss": LOSS}
"""What every variant with a bound logs, by name."""


@final
class Curve(NamedTuple):
    """What training logs under names of one form."""

    names: str  # the form, a regular expression
    panel: str  # of a picture, in which it is drawn together with others of that panel
    kind: Kind


CURVES = (
    Curve("elbo", "bounds", ELBO),
    Curve("dvae_bound", "bounds", DVAE_BOUND),
    Curve("estimated_elbo", "estimated ELBO, no bound", Kind("nats", "higher")),
    Curve(r".+_elbo|(.+_)?bound", "bounds", Kind("nats", "higher")),
    Curve("rate", "rate", RATE),
    Curve(r"rate_\d+", "rate of each layer", RATE_OF_LAYER),
    Curve("distortion", "distortion", DISTORTION),
    Curve("loss", "loss", LOSS),
    Curve(r".+_(loss|penalty)", "losses by player", Kind("nats")),
    Curve(r"(.+_)?classification", "classification", Kind("nats", "lower")),
    Curve(r"(.+_)?error", "errors", ERROR),
    Curve(r"(.+_)?mse", "squared error", MSE),
    Curve(r"(.+_)?mmd2", "MMD²", MMD2),
)
"""In the order of their panels; a name is of the first form that it has."""


def curve_of(name: str) -> Curve:
    """The curve that is logged as ``name``, without its split; one that a variant has for itself says nothing more."""
    own = Curve(re.escape(name), name, Kind(""))
    return next((curve for curve in CURVES if re.fullmatch(curve.names, name)), own)
