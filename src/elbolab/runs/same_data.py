"""Whether the data of a run are still those that it was trained on, by the fingerprint in its ``data.json``.

The file holds ``trained_on``, the fingerprint of all splits, and ``measured_on``, those of splits that were measured
last on other data, where ``data.changed=accept`` has allowed it.
"""

import json
import logging
from collections.abc import Iterable

from elbolab.batch import Spec
from elbolab.common.files import write_json
from elbolab.data.fingerprint import describe_differences
from elbolab.data.module import DataModule
from elbolab.runs.run_dir import RunDir, read_spec

MEANING = {
    "scaling": "means and deviations, by which the data are standardised",
    "classes": "names of classes",
    "factors": "numbers of values of factors",
    "factor_values": "values of factors",
    "columns": "names of columns",
}
"""What the rows that a model sees do not show: data are hashed after they were standardised and numbered."""

WAYS_OUT = "Put them back, or take them as they are now with data.changed=accept"
"""What can be done where a run is only looked at."""

log = logging.getLogger(__name__)


def check_unchanged(run: RunDir, data: DataModule, ways_out: str) -> None:
    """Refuses data that are not those that a run was trained on, and says in what they differ; reads them.

    A run of before there were fingerprints is let through with a warning.
    """
    if (changes := changes_of(run, data)) is not None:
        raise ValueError(f"the data of {run.path} are not those that it was trained on: {changes}. {ways_out}")


def accept_changes(run: RunDir, data: DataModule) -> None:
    """Warns where data are not those that a run was trained on; refuses what its model cannot take; reads them."""
    there, here = read_spec(run), data.spec
    # runs of before do not say what classes are called
    meaning = ("classes", "factors", "factor_values") if run.data.is_file() else ()
    for name in ("x", "support", "levels", "given", *meaning):
        one, other = getattr(there, name), getattr(here, name)
        if _differ(name, there, here):
            raise ValueError(f"the model of {run.path} cannot take data of {name} {other}: it was trained on {one}")
    if there.scaling != here.scaling:
        raise ValueError(
            f"the model of {run.path} cannot take data that are standardised by other means and deviations than its "
            f"own: elbolab encode run={run.path} data.path=FILE nll=true measures a file by those of the run"
        )
    if (changes := changes_of(run, data)) is not None:
        log.warning("the data of %s are not those that it was trained on: %s", run.path, changes)


def changes_of(run: RunDir, data: DataModule) -> str | None:
    """In what data differ from those that a run was trained on; None where they are the same, or it cannot be known."""
    if not run.data.is_file():
        log.warning("%s keeps no fingerprint of its data: whether they have changed is not checked", run.path)
        return None
    found = describe_differences(json.loads(run.data.read_text(encoding="utf-8"))["trained_on"], data.fingerprint)
    there, here = read_spec(run), data.spec
    if found and there.scaling != here.scaling:  # means and deviations follow from the data
        here = here._replace(scaling=there.scaling)
    found += [f"other {what}" for name, what in MEANING.items() if _differ(name, there, here)]
    return "; ".join(found) or None


def _differ(name: str, there: Spec, here: Spec) -> bool:
    """Whether a field differs; the values of factors are not kept in runs of before."""
    is_unknown = name == "factor_values" and not there.factor_values
    return getattr(there, name) != getattr(here, name) and not is_unknown


def note_measured(run: RunDir, data: DataModule, splits: Iterable[str]) -> None:
    """Keeps in ``data.json`` which splits were measured on other data than the run was trained on, and on which."""
    if not run.data.is_file():
        return
    kept = json.loads(run.data.read_text(encoding="utf-8"))
    measured = kept.pop("measured_on", {}) | {split: data.fingerprint[split] for split in splits}
    others = {split: found for split, found in measured.items() if found != kept["trained_on"][split]}
    write_json(run.data, kept | ({"measured_on": others} if others else {}))
