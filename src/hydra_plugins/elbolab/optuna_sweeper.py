"""``hydra/sweeper=optuna``; the search itself is `elbolab.search.sweeper`, imported when one begins."""

from typing import Any, final

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@final
class OptunaSweeper(Sweeper):
    """Searches hyper-parameters with Optuna.

    Args:
        **options: what ``conf/hydra/sweeper/optuna.yaml`` holds.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps what the search needs.

        Raises:
            ValueError: Optuna is not installed.
        """
        from hydra.core.plugins import Plugins

        from elbolab.search.needs import check_installed

        check_installed()
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self.config, self.loader = config, hydra_context.config_loader

    def sweep(self, arguments: list[str]) -> None:
        """Runs trials until the study has as many as were asked for."""
        from elbolab.search.sweeper import search

        assert self.config is not None
        assert self.launcher is not None
        search(self.options, self.config, self.loader, self.launcher, arguments)
