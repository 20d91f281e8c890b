"""Plants one mistake at a time in a copy of the source, and finds out which test sees it.

Importing torch and Lightning takes longer than most tests do, so a server imports them once and forks for every
mistake; elbolab itself is imported after the fork, from the copy.
"""

import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "torch.fx.experimental.proxy_tensor",
    "torch._subclasses.fake_tensor",
    "lightning.pytorch",
    "torchmetrics.image",
    "torchvision.datasets",
    "hydra",
    "sklearn.ensemble",
    "sklearn.manifold",
    "sklearn.svm",
    "matplotlib.figure",
    "PIL.Image",
    "pytest",
)
"""What the server imports; nothing of it may import elbolab or start a thread."""

RECORDED = "not test_curves_are_the_recorded_ones"
"""Golden curves see every change, and a regeneration absorbs it: they do not count."""


@dataclass(frozen=True)
class Mistake:
    """A change of one place in the source that some test must not pass.

    Attributes:
        file: relative to ``src/elbolab``.
        old: text that occurs once in the file.
        new: what takes its place.
        tests: what is run, as arguments of pytest relative to the checkout, separated by blanks.
    """

    file: str
    old: str
    new: str
    tests: str

    @property
    def package(self) -> str:
        """The first folder of the file."""
        return self.file.partition("/")[0]

    def planted_in(self, source: str) -> str:
        """The source with the mistake.

        Raises:
            ValueError: the text does not occur, or not once.
        """
        if (found := source.count(self.old)) != 1:
            raise ValueError(f"{self.file} has {found} places with {self.old!r}, where one is needed: update the entry")
        return source.replace(self.old, self.new)


@dataclass(frozen=True)
class Outcome:
    """What a run of tests has come to.

    Attributes:
        verdict: ``survived`` where all tests passed; ``assertion`` or ``error`` by what a test ended with; ``broken``
            where tests were not collected, or ended because a name, a module or the syntax of the source is wrong.
        test: the test that saw it, empty where none did.
        reason: the first line of its error, or the end of pytest's output.
    """

    verdict: str
    test: str
    reason: str

    @property
    def is_caught(self) -> bool:
        """Whether a test has seen the mistake."""
        return self.verdict in ("assertion", "error")


class Planter:
    """Runs tests on a copy of the source in which one file is changed; a context manager.

    Args:
        source: the folder that holds the package.
        package: its name.
        beside: folders that the package finds beside ``source``, which are linked.
        preload: modules that the server imports.
    """

    def __init__(
        self,
        source: Path = ROOT / "src",
        package: str = "elbolab",
        beside: Sequence[Path] = (ROOT / "conf",),
        preload: Sequence[str] = HEAVY,
    ) -> None:
        self.source, self.package, self.beside, self.preload = source, package, beside, preload

    def __enter__(self) -> Self:
        """Copies the source and starts the server."""
        self.folder = Path(tempfile.mkdtemp(prefix="planted-"))
        ignored = shutil.ignore_patterns("__pycache__")
        copy = shutil.copytree(self.source, self.folder / "src", ignore=ignored, copy_function=_copy_code)
        for folder in self.beside:
            (self.folder / folder.name).symlink_to(folder)
        subprocess.run([sys.executable, "-m", "compileall", "-q", copy], check=True)  # not at every fork
        environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # each would import them all
        self.server = subprocess.Popen(
            [sys.executable, __file__, *self.preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        return self

    def __exit__(self, *error: object) -> None:
        """Ends the server, and removes the copy."""
        self.server.communicate()
        shutil.rmtree(self.folder)

    def try_unchanged(self, tests: Sequence[str], root: Path = ROOT) -> Outcome:
        """Runs tests on the copy as it is."""
        request = {"tests": list(tests), "root": str(root), "folder": str(self.folder)}
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return Outcome(**json.loads(self.server.stdout.readline()))

    def try_mistake(self, mistake: Mistake, root: Path = ROOT) -> Outcome:
        """Runs the mistake's tests with the mistake in place.

        Raises:
            ValueError: the text that it changes does not occur once.
        """
        path = self.folder / "src" / self.package / mistake.file
        right = path.read_text()
        path.write_text(mistake.planted_in(right))
        Path(cache_from_source(path)).unlink(missing_ok=True)  # whose time and size may be those of the mistake
        try:
            return self.try_unchanged(mistake.tests.split(), root)
        finally:
            path.write_text(right)


def _copy_code(source: str, target: str) -> None:
    """Copies code; data are linked, which takes no time."""
    if source.endswith(".py"):
        shutil.copy2(source, target)
    else:
        os.symlink(source, target)


# -- the server -------------------------------------------------------------------------------------------------------


def serve(preload: Sequence[str]) -> None:
    """Answers requests on stdin, a line of JSON each, until it is closed."""
    for name in preload:
        import_module(name)
    assert "elbolab" not in sys.modules
    assert threading.active_count() == 1
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        answer = Path(request["folder"]) / "answer.json"
        answer.unlink(missing_ok=True)
        if (child := os.fork()) == 0:
            _answer(request, answer)
        os.waitpid(child, 0)
        died = {"verdict": "broken", "test": "", "reason": "the process died"}
        print(json.dumps(json.loads(answer.read_text()) if answer.is_file() else died), flush=True)


def _answer(request: dict, answer: Path) -> None:
    """Runs pytest in a forked process, which ends here."""
    log = Path(request["folder"]) / "log.txt"
    try:
        os.chdir(request["root"])
        with log.open("w") as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
        outcome = _run(request["tests"], log)
        answer.write_text(json.dumps(vars(outcome)))
    finally:
        os._exit(0)


def _run(tests: Sequence[str], log: Path) -> Outcome:
    import pytest

    seen = _Seen()
    ignored = "ignore::pytest.PytestAssertRewriteWarning"  # of the server's modules
    plugins = ["-p", "xdist.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider"]
    options = ["-x", "-q", "-n", "0", *plugins, "-W", ignored, "-k", RECORDED, "--tb=short"]
    code = pytest.main([*options, *tests], plugins=[seen])
    if code == pytest.ExitCode.OK:
        return Outcome("survived", "", "")
    sys.stdout.flush()
    end = log.read_text()[-2000:]
    return seen.outcome or Outcome("broken", "", f"pytest ended with {code!r}: {end}")


class _Seen:
    """A plugin of pytest that keeps how the first failure came about."""

    outcome: Outcome | None = None

    def pytest_exception_interact(self, node: object, call: object, report: object) -> None:
        if self.outcome is not None:
            return
        error = call.excinfo.value  # type: ignore[attr-defined]
        lines = str(error).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0]}"
        self.outcome = Outcome(_verdict(error, report), report.nodeid, reason)  # type: ignore[attr-defined]


def _verdict(error: BaseException, report: object) -> str:
    import pytest

    collected = isinstance(report, pytest.TestReport)
    if not collected or isinstance(error, SyntaxError | NameError | ImportError):
        return "broken"
    return "assertion" if isinstance(error, AssertionError | pytest.fail.Exception) else "error"


if __name__ == "__main__":
    serve(sys.argv[1:])
