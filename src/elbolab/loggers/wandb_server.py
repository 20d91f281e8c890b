"""How a W&B run begins: on a server that answers, else offline, within seconds and without a question."""

import logging
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing wandb costs half a second, and most runs do without
    from wandb import Run

log = logging.getLogger(__name__)

RETRY_SECONDS = 600.0
FAILURES: dict[str, tuple[float, str]] = {}
"""When and why servers began no run of this process: the next jobs of a sweep do not wait for them again."""


def begin(offline: bool, timeouts: Mapping[str, float], **settings: Any) -> "Run":
    """Begins the run online if that can be done, else offline with a line that says why."""
    import wandb

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # W&B's own telemetry complains into the run's log
    # the list of installed packages takes half a second; environment.json has those that matter
    silent = wandb.Settings(silent=True, console="off", x_save_requirements=False, **timeouts)  # type: ignore[arg-type]
    given = _mode(silent)  # a setting that is wrong is told offline too
    mode = "offline" if offline else given
    if mode in ("offline", "disabled"):
        return _init(mode, settings=silent, **settings)
    url = wandb.setup().settings.base_url
    when, reason = FAILURES.get(url, (-inf, ""))
    if time.monotonic() - when >= RETRY_SECONDS:
        try:
            reach(url)
            with without_stdin():
                return wandb.init(mode="online", settings=silent, **settings)
        except (wandb.errors.Error, OSError) as error:
            reason = describe_failure(error)
            FAILURES[url] = time.monotonic(), reason
            forget()  # else its service holds on to the id of the run that it could not begin
    log.warning("W&B: recording offline, because %s", reason)
    return _init("offline", settings=silent, **settings)


def _init(mode: Any, **settings: Any) -> "Run":
    """Begins the run; where W&B's service of an earlier job has died, with a service of its own."""
    import wandb

    try:
        return wandb.init(mode=mode, **settings)
    except ValueError:
        raise
    except Exception:  # MailboxClosedError, ConnectionResetError: not those that W&B documents
        forget()
        return wandb.init(mode=mode, **settings)


def forget() -> None:
    """Lets go of W&B's service and of its live run, dead or alive."""
    import wandb

    with suppress(Exception):
        wandb.teardown()
    wandb.run = None


def _mode(silent: Any) -> Any:
    """The mode that W&B's settings give, from ``WANDB_MODE`` or a file.

    Raises:
        ValueError: W&B refuses a setting; names its variable.
    """
    import wandb
    from pydantic import ValidationError  # what W&B's settings are checked by

    try:
        mode = wandb.setup(silent).settings.mode
    except ValidationError as error:
        fault = error.errors()[0]
        name = f"WANDB_{fault['loc'][0]}".upper()
        reason = "W&B knows online, offline and disabled" if name == "WANDB_MODE" else fault["msg"]
        raise ValueError(f"{name}={fault['input']}: {reason}") from None
    if mode != "dryrun":
        return mode
    log.warning("W&B: WANDB_MODE=dryrun is an old word for offline, and W&B now asks for a key: write offline")
    return "offline"


def describe_failure(error: Exception) -> str:
    """Why W&B did not do what it was asked for, in a line."""
    import wandb

    if isinstance(error, wandb.errors.UsageError):
        return "nobody is logged in (wandb login, or WANDB_API_KEY)"
    return str(error).splitlines()[0].strip() if str(error) else "the server did not answer"


def reach(url: str, seconds: float = 3.0) -> None:
    """Raises ConnectionError where no server works at ``url``; W&B itself gives up 10 s after ``init_timeout``."""
    try:
        urllib.request.urlopen(url, timeout=seconds).close()
    except urllib.error.HTTPError as error:
        if error.code >= 500:  # W&B would try again and again; any other code is an answer
            raise ConnectionError(f"{url} does not work ({error.code} {error.reason})") from None
    except HTTPException as error:
        raise ConnectionError(f"{url} does not speak HTTP ({type(error).__name__})") from None
    except TimeoutError:
        raise ConnectionError(f"{url} does not answer (in {seconds:g} s)") from None
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLError):
            raise ConnectionError(f"{url} does not answer ({error.reason})") from None


@contextmanager
def without_stdin() -> Iterator[None]:
    """W&B asks for a key where stdin is a terminal."""
    stdin = sys.stdin
    with open(os.devnull, encoding="utf-8") as sys.stdin:
        try:
            yield
        finally:
            sys.stdin = stdin
