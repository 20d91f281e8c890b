"""The study of a search: where it is kept, and that it is of this search."""

import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock, JournalStorage
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

PATIENCE = 60.0  # seconds for which another process may keep an SQLite database to itself
ANSWER = 20  # seconds that a server has to answer: one that is dead may accept a connection, and never say a word

LIMITS = {
    "psycopg": ("connect_timeout",),
    "psycopg2": ("connect_timeout",),
    "pg8000": ("timeout",),
    **dict.fromkeys(("pymysql", "mysqldb"), ("connect_timeout", "read_timeout", "write_timeout")),
    "mysqlconnector": ("connection_timeout",),
}
"""What a driver calls that time; a URL may hold another (?connect_timeout=60), and must for other drivers."""

TOKEN = ".study"  # a file in the sweep's directory: what the study knows it by, wherever it is moved
DIRECTORY, RECORD = "directory", "search"  # attributes of the study: that token, and what must not change

FAULTS = (SQLAlchemyError, sqlite3.Error, optuna.exceptions.StorageInternalError, OSError, ImportError, JSONDecodeError)


@contextmanager
def explain_faults(place: str) -> Iterator[None]:
    """Turns whatever the storage in a place (`place_of`) answers with into one ValueError that says what to do."""
    try:
        yield
    except FAULTS as error:
        cause = error.__cause__ or error
        reason = (str(cause).splitlines() or [type(cause).__name__])[0]
        if "locked" in reason:
            mend = "another process has locked it; end that, or use hydra.sweeper.storage=journal on a network disk"
        elif "full" in reason or "No space" in reason:
            mend = "make room, and give the command again: what is in it is whole"
        elif isinstance(cause, ImportError):
            mend = "install the driver that the URL names"
        elif place.startswith("sqlite") or "://" not in place:
            mend = "if it is not a readable study, move it away, or choose another hydra.sweep.dir"
        else:
            mend = "is hydra.sweeper.storage right, and the database up?"
        raise ValueError(f"the study in {hide_password(place)} cannot be reached ({reason}): {mend}") from error


def hide_password(place: str) -> str:
    """A place as it may be shown."""
    return make_url(place).render_as_string(hide_password=True) if "://" in place else place


def place_of(storage: str | None, folder: Path) -> str:
    """A file in the sweep's directory, or a URL; ValueError where ``hydra.sweeper.storage`` names neither."""
    if storage is None:
        return f"sqlite:///{folder / 'study.db'}"
    if storage == "journal":
        return str(folder / "study.log")
    if "://" not in storage:
        raise ValueError(
            f"hydra.sweeper.storage={storage}: give null (SQLite, in the sweep's directory), journal (a file there for "
            "network file systems), or a URL as postgresql://user@host/name"
        )
    return storage


def connect(place: str) -> BaseStorage:
    """The storage in a place."""
    if "://" not in place:
        _mend_journal(Path(place))
        return JournalStorage(JournalFileBackend(place))
    if place.startswith("sqlite"):
        return RDBStorage(place, engine_kwargs={"connect_args": {"timeout": PATIENCE}})
    return RDBStorage(place, engine_kwargs={"connect_args": time_limits(place), "pool_pre_ping": True})


def time_limits(place: str) -> dict[str, int]:
    """Options for a server's driver, so that it gives up on a server that does not answer."""
    url = make_url(place)
    return {name: ANSWER for name in LIMITS.get(url.get_driver_name(), ()) if name not in url.query}


def _mend_journal(path: Path) -> None:
    """Takes away a last line that a kill or a full disk has cut short: what is appended to it could not be read."""
    if not path.is_file():
        return
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        lines = path.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        for line in whole or lines:
            json.loads(line)
        if len(whole) < len(lines):
            os.truncate(path, sum(map(len, whole)))
    finally:
        lock.release()


def open_study(
    place: str, name: str, folder: Path, record: Mapping[str, Any], sampler: BaseSampler, pruner: BasePruner
) -> optuna.Study:
    """The study of that name in a place, made where there is none; ``record`` must not change while it lasts.

    Raises:
        ValueError: it is of another search, or of another directory; says what differs.
    """
    options: dict[str, Any] = {"study_name": name, "storage": connect(place), "sampler": sampler, "pruner": pruner}
    try:
        study = optuna.load_study(**options)
    except KeyError:
        study = optuna.create_study(**options, directions=record["directions"])
    token = folder / TOKEN
    if RECORD not in study.user_attrs:
        if study.trials:
            raise ValueError(
                f"the study {name} in {hide_password(place)} is not elbolab's: choose another hydra.sweeper.study"
            )
        if not token.is_file():
            token.write_text(uuid.uuid4().hex, encoding="utf-8")
        attributes = {DIRECTORY: token.read_text(encoding="utf-8"), **record}
        for key, value in (attributes | {RECORD: sorted(record)}).items():  # last: what it names is there
            study.set_user_attr(key, value)
    attributes = study.user_attrs
    if not token.is_file() or token.read_text(encoding="utf-8") != attributes[DIRECTORY]:
        raise ValueError(
            f"the study {name} in {hide_password(place)} has its trials in another directory: name that as "
            "hydra.sweep.dir (all workers of a study share it), or choose another hydra.sweeper.study"
        )
    for key, value in record.items():
        if attributes[key] != value:
            raise ValueError(
                f"this study was begun with other {key}: {describe_change(attributes[key], value)}. Repeat the command "
                "that began it, or choose another hydra.sweep.dir"
            )
    return study


def describe_change(old: Any, new: Any) -> str:
    """The first difference between two values, by key where they are mappings."""
    if isinstance(old, dict) and isinstance(new, dict):
        key = next(key for key in [*old, *new] if old.get(key) != new.get(key))
        old, new = (f"{key}={node[key]}" if key in node else f"no {key}" for node in (old, new))
    return f"{old} then, {new} now"


@contextmanager
def silence_optuna() -> Iterator[None]:
    """Without Optuna's line a trial: a sweep has its own."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
