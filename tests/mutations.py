"""Plants every mistake of ``tests/planted`` in a copy of the source, and looks whether a test sees it; minutes.

    pytest -n 0 -m slow tests/mutations.py               all packages, and a table
    pytest -n 0 -m slow tests/mutations.py -k densities  one of them

New code brings its own: add the mistakes that it invites to the list of its package, with the test that must see each.
"""

from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest
from tests.planting import Mistake, Planter

PACKAGES = sorted(path.stem for path in (Path(__file__).parent / "planted").glob("*.py"))
PLANTED: dict[str, list[Mistake]] = {
    package: import_module(f"tests.planted.{package}").MISTAKES for package in PACKAGES
}
EACH = [(package, number) for package, mistakes in PLANTED.items() for number in range(len(mistakes))]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def planter():
    with Planter() as planter:
        yield planter


@pytest.fixture(scope="module")
def tally(request):
    """By package, how each mistake has ended; a table of them when all is done."""
    verdicts = defaultdict(list)
    yield verdicts
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(table(verdicts))


def table(verdicts):
    """A line a package."""
    row = "{:<14}{:>8}{:>8}{:>14}{:>10}{:>8}".format
    lines = [row("package", "planted", "caught", "by an error", "survived", "broken")]
    for package, found in [*verdicts.items(), ("all", sum(verdicts.values(), []))]:
        count = {verdict: found.count(verdict) for verdict in ("assertion", "error", "survived", "broken")}
        caught = count["assertion"] + count["error"]
        lines.append(row(package, len(found), caught, count["error"], count["survived"], count["broken"]))
    return "\n" + "\n".join(lines)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_tests_pass_on_the_copy_without_a_mistake(package, planter):
    outcome = planter.try_unchanged(list(dict.fromkeys(test for m in PLANTED[package] for test in m.tests.split())))
    assert outcome.verdict == "survived", f"{outcome.test}: {outcome.reason}"


@pytest.mark.parametrize(("package", "number"), EACH, ids=[f"{p}-{PLANTED[p][i].file}-{i}" for p, i in EACH])
def test_a_mistake_is_seen(package, number, planter, tally):
    mistake = PLANTED[package][number]
    outcome = planter.try_mistake(mistake)
    tally[package].append(outcome.verdict)
    assert outcome.is_caught, f"{mistake}: {outcome.verdict}. {outcome.test} {outcome.reason}"
