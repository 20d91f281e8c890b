"""What can be done about a training that diverged: it depends on what is not finite."""

from collections.abc import Mapping
from itertools import islice
from math import prod

from omegaconf import DictConfig, OmegaConf

from elbolab.batch import Spec, Support
from elbolab.data.standardise import describe_scales
from elbolab.reading.splits import Arrays, Splits
from elbolab.training.guard import GradientNotFinite, LossNotFinite, NotFinite, ValidationNotFinite, WeightNotFinite

CHUNKS = 100
"""Of up to 1,024 data each: as much of a split is looked at."""

EARLY = 1
"""The step in which nothing that training does has had an effect yet."""

COLLAPSED = -3.0
"""Distortion of a dimension in nats below which a density is narrow: a Gaussian of scale 0.02 has it at its mean."""


def describe_remedy(error: NotFinite, cfg: DictConfig, spec: Spec, splits: Splits, means: Mapping[str, float]) -> str:
    """Sentences that name what to look at, and the options to set.

    Args:
        error: what is not finite.
        cfg: the configuration of the run.
        spec: what the model knows of its data.
        splits: the data.
        means: the last that training has logged, by name.
    """
    remedy = _scale_data(cfg, spec, splits.train) or _remedy_by_kind(error, cfg, spec, splits, means)
    is_coarse = cfg.trainer.precision == "bf16-mixed"
    return remedy + (". Numbers of 16 bits are coarse: trainer.precision=32-true is not" if is_coarse else "")


def _scale_data(cfg: DictConfig, spec: Spec, train: Arrays) -> str:
    """Data of scales that no initial weights are made for; empty where they are not."""
    if spec.support is not Support.REAL or (scales := describe_scales(train)) is None:
        return ""
    option = ": data.standardise=true" if "standardise" in cfg.data else ""
    return f"The data are far from the scale of 1 that networks begin with, {scales}; standardise them{option}"


def _remedy_by_kind(error: NotFinite, cfg: DictConfig, spec: Spec, splits: Splits, means: Mapping[str, float]) -> str:
    match error:
        case LossNotFinite():
            return _remedy_loss(error, cfg, spec, {**means, **error.before})
        case GradientNotFinite():
            return (
                f"Lower {_name_rate(cfg)}; +trainer.detect_anomaly=true names the operation that the gradient fails in"
            )
        case WeightNotFinite():
            skip = "" if cfg.model.skip_norm else "model.skip_norm=1000 leaves such steps out; "
            anomaly = "+trainer.detect_anomaly=true names the operation that it fails in"
            return f"The loss was finite and its gradient was not: {skip}{anomaly}"
        case ValidationNotFinite():
            return _remedy_validation(cfg, splits)
    return ""


def _remedy_loss(error: LossNotFinite, cfg: DictConfig, spec: Spec, before: Mapping[str, float]) -> str:
    distortion = (before.get("distortion", 0.0) - spec.log_scale) / prod(spec.x)
    others = [name for name in before if name not in error.first]
    if "loss" not in error.first and any(name.endswith("_loss") for name in error.first):  # of players beside the first
        rates = [f"model.{key}.lr" for key in cfg.model if str(key).endswith("_optimizer")]
        penalty = "; model.gradient_penalty=10 holds a critic back" if "gradient_penalty" in cfg.model else ""
        return f"What went first is {' and '.join(error.first)}: lower {' and '.join(rates)}{penalty}"
    if distortion < COLLAPSED:
        return (
            f"The likelihood grows without bound (distortion {before['distortion']:.4g}): its scale falls towards 0 on "
            "data that are constant, repeated or reproduced exactly. Choose a floor, by likelihood=gaussian_optimal or "
            "gaussian_per_pixel, or leave constant columns out"
        )
    if error.first == ("loss",) and others:
        return (
            f"The loss alone is not finite, {', '.join(others)} are: look at the weights of its terms and their "
            "schedules, and at the loss itself where it is your own"
        )
    if error.step <= EARLY:
        return (
            "Training has changed nothing yet: look at the data, the initial weights (net.init), the scale that the "
            "likelihood begins with, and the loss where it is your own"
        )
    return _limit_steps(cfg)


def _limit_steps(cfg: DictConfig) -> str:
    """What keeps steps small, but for what is set already."""
    ways = [f"Lower {_name_rate(cfg)}"]
    if cfg.model.clip_norm is None:
        ways.append("clip gradients (model.clip_norm=1)")
    if cfg.model.skip_norm is None:
        ways.append("leave wild steps out (model.skip_norm=1000)")
    return " or ".join(filter(None, (", ".join(ways[:-1]), ways[-1])))


def _name_rate(cfg: DictConfig) -> str:
    rate = OmegaConf.select(cfg, "optimizer.lr")
    return "the learning rate" if rate is None else f"optimizer.lr (now {rate:g})"


def _remedy_validation(cfg: DictConfig, splits: Splits) -> str:
    (low, high), (least, most) = _find_range(splits.train), _find_range(splits.val)
    if not (2 * low - high <= least and most <= 2 * high - low):
        ranges = f"from {least:.4g} to {most:.4g}, those of training from {low:.4g} to {high:.4g}"
        return f"The validation data reach {ranges}"
    ema = "; model.ema=null leaves the weight average out" if cfg.model.ema is not None else ""
    return f"Training was finite: lower {_name_rate(cfg)}, and look for validation data unlike those of training{ema}"


def _find_range(arrays: Arrays) -> tuple[float, float]:
    """The least and the largest value that models see of a split, of as much of it as is looked at."""
    if arrays.levels is not None or arrays.draws:
        return 0.0, 1.0
    ends = [(float(chunk.min()), float(chunk.max())) for chunk in islice(arrays.chunks(), CHUNKS)]
    return min(low for low, _ in ends), max(high for _, high in ends)
