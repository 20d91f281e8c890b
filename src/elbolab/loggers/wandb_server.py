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
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:  # importing wandb costs half a second, and most runs do without
    from wandb import Run

log = logging.getLogger(__name__)


def begin(offline: bool, timeouts: Mapping[str, float], **settings: Any) -> "Run":
    """Begins the run online if that can be done, else offline with a line that says why."""
    import wandb

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # W&B's own telemetry complains into the run's log
    # the list of installed packages takes half a second; environment.json has those that matter
    silent = wandb.Settings(silent=True, console="off", x_save_requirements=False, **timeouts)  # type: ignore[arg-type]
    given = _mode(silent)  # a setting that is wrong is told offline too
    mode = "offline" if offline else given
    if mode in ("offline", "disabled"):
        return _recording(mode, settings=silent, **settings)
    url = wandb.setup().settings.base_url
    reason = IN_VAIN.lately(url)
    if reason is None:
        try:
            reach(url)
            with nobody_to_ask():
                return wandb.init(mode="online", settings=silent, **settings)
        except (wandb.errors.Error, OSError) as error:
            reason = _reason(error)
            IN_VAIN.note(url, reason)
            forget()  # else its service holds on to the id of the run that it could not begin
    log.warning("W&B: recording offline, because %s", reason)
    return _recording("offline", settings=silent, **settings)


@final
class InVain:
    """Servers that this process has tried in vain: the next jobs of a sweep do not wait for them again.

    Args:
        seconds: for how long.
    """

    def __init__(self, seconds: float = 600.0) -> None:
        self.seconds = seconds
        self._reasons: dict[str, tuple[float, str]] = {}

    def note(self, url: str, reason: str) -> None:
        """A server has not begun a run."""
        self._reasons[url] = time.monotonic(), reason

    def lately(self, url: str) -> str | None:
        """Why a server began no run, where that is not long ago."""
        when, reason = self._reasons.get(url, (-inf, ""))
        return reason if time.monotonic() - when < self.seconds else None


IN_VAIN = InVain()


def _recording(mode: Any, **settings: Any) -> "Run":
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
        ValueError: there is no such mode.
    """
    import wandb

    try:
        mode = wandb.setup(silent).settings.mode
    except ValueError as error:
        raise ValueError(_bad_setting(error)) from None
    if mode != "dryrun":
        return mode
    log.warning("W&B: WANDB_MODE=dryrun is an old word for offline, and W&B now asks for a key: write offline")
    return "offline"


def _bad_setting(error: ValueError) -> str:
    """The variable that W&B refuses, and why: its settings are a model of pydantic's."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return f"W&B's settings: {error}"
    fault = error.errors()[0]
    name = f"WANDB_{fault['loc'][0]}".upper()
    known = "W&B knows online, offline and disabled" if name == "WANDB_MODE" else fault["msg"]
    return f"{name}={fault['input']}: {known}"


def _reason(error: Exception) -> str:
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
def nobody_to_ask() -> Iterator[None]:
    """W&B asks for a key where stdin is a terminal."""
    stdin = sys.stdin
    with open(os.devnull, encoding="utf-8") as sys.stdin:
        try:
            yield
        finally:
            sys.stdin = stdin
