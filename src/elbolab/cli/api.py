"""The command line from Python: `elbolab.train` and `elbolab.compose`.

They do what `elbolab train` does, by the same functions, and leave the process of the caller as they found it.
"""

import builtins
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, read_write
from omegaconf.errors import OmegaConfBaseException

import elbolab.cli.train  # what it imports configures loggers, which is no part of a call
from elbolab.cli.commands import check_config, import_from_here, run_task
from elbolab.cli.drawing_folder import settle_drawing_folder
from elbolab.common.stopping import TERMINATED, Stopped, catch_sigterm, stop_of
from elbolab.config.arguments import add_stages, directory_overrides, quote_values
from elbolab.config.compose import (
    check_working_folder,
    compose_config,
    drop_hydra,
    isolate_hydra,
    use_choices,
)
from elbolab.config.errors import describe_error
from elbolab.config.listing import split_args
from elbolab.runs.load import Run, load_run
from elbolab.sweeps.fresh_process import pristine
from elbolab.sweeps.session import SWEEP_REFUSED

WAY_ON = 'elbolab.train("resume={}")'

Result = TypeVar("Result")


def train(*overrides: str, config_dir: str | Path | None = None) -> Run:
    """Trains, measures and pictures a model, as `elbolab train` does; returns the finished run.

    The run directory is that of the command line: ``outputs/NAME/DATE`` in the current folder, or ``hydra.run.dir``.
    What the command prints is printed. Hydra, logging, signal handlers, random states and torch's switches are left as
    they were, and two calls give the numbers of two processes.

    Args:
        overrides: what follows `elbolab train`, a word each: ``"model=beta_vae"``, ``"resume=DIR"``.
        config_dir: a folder with configs of your own, whose modules can be imported.

    Raises:
        ValueError: what the command line would refuse, with the same message; a sweep; a training that diverged; or a
            run that its search has pruned, and that has no best weights to return.
        OSError: a file that cannot be read or written.
        KeyboardInterrupt: of Ctrl-C; says how to go on.

    Example:
        >>> import elbolab
        >>> run = elbolab.train("data=digits", "data.binarize=dynamic", "scale=smoke")
        test ...
        >>> run.sample(4, seed=0).shape
        torch.Size([4, 1, 8, 8])
    """

    def work(args: list[str]) -> Run:
        sys.argv = [str(Path(elbolab.cli.train.__file__).with_name("__main__.py"))]  # as which Lightning starts ranks
        folder = run_task("train", args, alone=True, way_on=WAY_ON).folder
        assert folder is not None
        return load_run(folder)

    return _call(work, overrides, config_dir)


def compose(*overrides: str, config_dir: str | Path | None = None) -> DictConfig:
    """The resolved configuration that `train` would run with these words, and write as ``config.yaml``.

    Args:
        overrides: those of `train`.
        config_dir: that of `train`.

    Raises:
        ValueError: a word that is misspelt, or a value of another type than is wanted.

    Example:
        >>> import elbolab
        >>> elbolab.compose("model=beta_vae", "model.beta=4").model.beta
        4
    """

    def work(args: list[str]) -> DictConfig:
        dirs, words = split_args(args)
        words = [*quote_values(add_stages(words)), *directory_overrides("train", words)]
        composed = compose_config("train", words, dirs)
        if composed.hydra.mode is RunMode.MULTIRUN:
            raise ValueError(SWEEP_REFUSED)
        with use_choices(composed), read_write(composed.hydra):
            check_working_folder(composed.hydra)
            composed.hydra.runtime.output_dir = str(Path(composed.hydra.run.dir).absolute())
        with use_choices(composed):  # of a copy, which the directory is in now
            cfg = drop_hydra(composed)
            check_config("train", cfg, list(composed.hydra.overrides.task))
            return elbolab.cli.train.resolve_config(cfg)

    return _call(work, overrides, config_dir)


def _call(work: Callable[[list[str]], Result], overrides: Sequence[str], config_dir: str | Path | None) -> Result:
    """Does the work in a process that is as the caller's again afterwards, whatever happens."""
    args = [*_check_words(overrides), *([] if config_dir is None else [f"--config-dir={config_dir}"])]
    try:
        with _restore_process():
            import_from_here(args)
            settle_drawing_folder()
            try:
                return work(args)
            except Exception as error:
                _raise_clearly(error, args)
    except (KeyboardInterrupt, SystemExit) as error:
        _raise_stop(error)


def _check_words(overrides: Sequence[str]) -> list[str]:
    """The overrides, of which none may be a flag of the command line."""
    for word in overrides:
        if not isinstance(word, str):
            raise TypeError(f"{word!r}: an override is text, as on the command line: 'model.beta=4'")
        if word in ("-m", "--multirun"):
            raise ValueError(f"{word}: {SWEEP_REFUSED}")
        if word.startswith("-"):
            raise ValueError(
                f"{word}: flags are of the command line; here config_dir=... names a folder with configs, and "
                "elbolab.compose(...) returns the configuration"
            )
    return list(overrides)


def _raise_clearly(error: Exception, args: Sequence[str]) -> NoReturn:
    """Raises an error with the message of the command line; one that nobody foresaw as it is."""
    message = describe_error(error, *split_args(["train", *args]))
    is_hydras = isinstance(error, HydraException | OmegaConfBaseException)
    if message is None or (message == str(error) and not is_hydras):
        raise error
    is_known = isinstance(error, OSError | NotImplementedError | torch.OutOfMemoryError) and not is_hydras
    raise (type(error) if is_known else ValueError)(message) from error


def _raise_stop(error: BaseException) -> NoReturn:
    """Ctrl-C as itself, with the way on; SIGTERM once more, for the caller's own handler, which may go on here."""
    stop = stop_of(error)
    if stop is None:
        raise RuntimeError(f"the run exited with code {error.args[0] if error.args else 0}") from error
    message = error.message if isinstance(error, Stopped) else stop.word
    if stop is TERMINATED:
        print(message, file=sys.stderr, flush=True)
        signal.raise_signal(signal.SIGTERM)
    raise KeyboardInterrupt(message) from None


@contextmanager
def _restore_process() -> Iterator[None]:
    """Puts back what a run sets for its whole process."""
    with ExitStack() as stack:
        for part in (pristine, isolate_hydra, _restore_cuda, _restore_logging, _restore_signals, _restore_python):
            stack.enter_context(part())
        os.environ["ELBOLAB_COMMAND"] = "train"  # which other ranks read
        yield


@contextmanager
def _restore_cuda() -> Iterator[None]:
    states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    try:
        yield
    finally:
        if states:
            torch.cuda.set_rng_state_all(states)


@contextmanager
def _restore_signals() -> Iterator[None]:
    """Lightning ignores Ctrl-C from the first one on. Only the main thread may set handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        with catch_sigterm():
            yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # of C
                signal.signal(number, handler)


@contextmanager
def _restore_python() -> Iterator[None]:
    """Arguments, streams, folders, and two things that Lightning takes for granted.

    IPython hides `exit`, which Lightning calls after Ctrl-C; and other ranks would be started as the caller's module
    where that was started by ``python -m``.
    """
    main: Any = sys.modules["__main__"]
    argv, path, folder, spec = sys.argv, sys.path[:], os.getcwd(), getattr(main, "__spec__", None)
    streams = sys.stdout, sys.stderr
    hidden = "exit" not in vars(builtins)
    main.__spec__ = None
    if hidden:
        vars(builtins)["exit"] = sys.exit
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = streams
        sys.argv, sys.path[:], main.__spec__ = argv, path, spec
        os.chdir(folder)
        if hidden:
            del vars(builtins)["exit"]


@contextmanager
def _restore_logging() -> Iterator[None]:
    """The caller's loggers and handlers: Hydra's configuration would close every handler there is, a file's too."""
    loggers = [
        logging.root,
        *(one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)),
    ]
    before = [(one, one.handlers[:], one.level, one.propagate, one.disabled) for one in loggers]
    known, by_name = logging._handlerList[:], dict(logging._handlers)  # type: ignore[attr-defined]
    logging._handlerList.clear()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        made = [handler for one, handlers, *_ in before for handler in one.handlers if handler not in handlers]
        for logger, handlers, level, propagate, disabled in before:
            logger.handlers[:], logger.propagate, logger.disabled = handlers, propagate, disabled
            logger.setLevel(level)
        for handler in made:
            handler.close()
        logging._handlerList[:0] = known  # type: ignore[attr-defined]
        logging._handlers.update(by_name)  # type: ignore[attr-defined]
