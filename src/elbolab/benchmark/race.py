"""Contenders side by side: every task, model and batch size that the options name."""

import logging
from collections.abc import Sequence
from functools import partial

from elbolab.benchmark.cases import TRAINED, Case, burda
from elbolab.benchmark.contender import Contender
from elbolab.benchmark.measure import UNLIMITED, Measurement, Watch, Work, calibrate, interleave
from elbolab.benchmark.options import AUTO, Options
from elbolab.benchmark.results import Group, Result

log = logging.getLogger(__name__)


def race(contenders: Sequence[Contender], options: Options) -> list[Group]:
    """Training, then the log-likelihood.

    Raises:
        ValueError: a batch that is larger than its data.
    """
    groups: list[Group] = []
    for model in options.models:
        case = TRAINED[model](options.where)
        groups += [train(case, batch, contenders, options) for batch in options.batches[model]]
    estimators = [contender for contender in contenders if contender.nll is not None]
    if options.num_samples is not None and estimators:
        groups.append(nll(burda(options.where), options.num_samples, estimators, options))
    return groups


def train(case: Case, batch: int, contenders: Sequence[Contender], options: Options) -> Group:
    """Every contender's training at one batch size."""
    if not case.usable(batch):
        raise ValueError(f"batches.{case.name}={batch}: there are only {len(case.splits.train)} images")
    log.info("training %s at batch size %d", case.name, batch)
    works: dict[str, Work] = {c.name: partial(c.train, case, batch) for c in contenders}
    amounts = {name: calibrate(work, options.seconds, case.device, UNLIMITED) for name, work in works.items()}
    found = interleave(works, amounts, options.repeats, case.device)
    return [_result("train", case.name, batch, name, rounds, batch) for name, rounds in found.items()]


def nll(case: Case, num_samples: int, contenders: Sequence[Contender], options: Options) -> Group:
    """Every contender's log-likelihood of as many test images as its time, or the option, allows.

    Raises:
        ValueError: more images than there are.
    """
    images, most = case.test_images(), len(case.splits.test)
    if options.images != AUTO and int(options.images) > most:
        raise ValueError(f"nll.images={options.images}: there are only {most} test images")
    log.info("log-likelihood of %s, K=%d", case.name, num_samples)

    def work(contender: Contender, amount: int, watch: Watch) -> object:
        assert contender.nll is not None
        return contender.nll(case, images[:amount], num_samples, watch)

    works: dict[str, Work] = {c.name: partial(work, c) for c in contenders}
    if options.images == AUTO:
        amounts = {name: calibrate(work, options.seconds, case.device, most) for name, work in works.items()}
    else:
        amounts = dict.fromkeys(works, int(options.images))
    found = interleave(works, amounts, options.repeats, case.device)
    model = f"{case.name}, K={num_samples}"
    return [_result("nll", model, rounds[0].amount, name, rounds, 1) for name, rounds in found.items()]


def _result(task: str, model: str, batch: int, name: str, rounds: Sequence[Measurement], scale: int) -> Result:
    """``scale`` images in every unit of the amount."""
    peaks = [measured.peak_mb for measured in rounds if measured.peak_mb is not None]
    rates = [measured.rate * scale for measured in rounds]
    return Result(task, model, batch, name, rates, max(peaks, default=None))
