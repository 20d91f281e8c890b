"""``hydra/sweeper=optuna``; the search itself is `elbolab.search.sweeper`, imported when one begins."""

from importlib.util import find_spec
from typing import Any, final

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from typing_extensions import override


@final
class OptunaSweeper(Sweeper):
    """Searches hyper-parameters with Optuna.

    Args:
        **options: what ``conf/hydra/sweeper/optuna.yaml`` holds.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options

    @override
    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from hydra.core.plugins import Plugins

        if find_spec("optuna") is None:
            raise ValueError("hydra/sweeper=optuna needs Optuna: pip install 'elbolab[search]'")
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self.config, self.loader = config, hydra_context.config_loader

    @override
    def sweep(self, arguments: list[str]) -> None:
        from elbolab.search.sweeper import search

        assert self.config is not None
        assert self.launcher is not None
        search(self.options, self.config, self.loader, self.launcher, arguments)
