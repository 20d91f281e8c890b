"""What Lightning is told about blocks: the one place that uses its private parts (a test pins them)."""

import lightning as L


def count(trainer: L.Trainer, num: int) -> None:
    """Counts ``num`` optimiser steps taken by one `training_step`.

    `trainer.global_step` and `max_steps` follow the first counter, the loggers' x axis the second; Lightning itself
    adds one to the second after every `training_step`.
    """
    loop = trainer.fit_loop.epoch_loop
    progress = loop.manual_optimization.optim_step_progress
    for tracker in (progress.total, progress.current):
        tracker.ready += num
        tracker.completed += num
    loop._batches_that_stepped += num - 1
