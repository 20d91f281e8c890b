"""Hydra reads a shipped configuration, and composes the same words, once a process: a command composes them twice.

Of the first time it only takes whether this is a sweep, which no words but few say; and it describes all options that
are chosen for every option that is read, for the few whose name is made of others.

Compositions were half of all that the tests of the command line took. Files of tests are read as ever.
"""

import os
import pickle
import re
from pathlib import Path

from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.core.default_element import InputDefault
from hydra.core.object_type import ObjectType
from hydra.core.utils import JobRuntime

from elbolab.config.paths import config_dir


def compose_once():
    """From here on, until the process ends."""
    _remember_files()
    _remember_compositions()
    _compose_for_the_mode_where_it_is_said()
    _describe_choices_when_asked()


def _is_shipped(source):
    return source.scheme() != "file" or Path(source.path).resolve() == config_dir()


def _remember_files():
    load, read = ConfigRepository.load_config, {}

    def load_config(self, config_path):
        source = self._find_object_source(config_path, ObjectType.CONFIG)
        if source is None or not _is_shipped(source):
            return load(self, config_path)
        key = (source.path, source.provider, config_path)
        if key not in read:
            read[key] = pickle.dumps(load(self, config_path))
        return pickle.loads(read[key])  # Hydra changes what it is given; `deepcopy` takes 8 times as long

    ConfigRepository.load_config = load_config


def _remember_compositions():
    load, composed = ConfigLoaderImpl._load_configuration_impl, {}

    def load_configuration(self, config_name, overrides, **options):
        folders = [source.path for source in self.repository.get_sources() if not _is_shipped(source)]
        folders += [path for word in overrides if "searchpath" in word for path in re.findall(r"file://([^],]+)", word)]
        made = JobRuntime.instance().get("name"), *ConfigStore.instance().list("hydra/launcher")
        key = (config_name, *overrides), tuple(options.items()), made, tuple(map(_written, folders))
        if key not in composed:
            cfg = load(self, config_name, overrides, **options)
            composed[key] = pickle.dumps(cfg)
            return cfg
        cfg = pickle.loads(composed[key])
        cfg.hydra.runtime.cwd = os.getcwd()
        return cfg

    ConfigLoaderImpl._load_configuration_impl = load_configuration


def _written(folder):
    """The configurations in a folder, and when they were written."""
    files = sorted(Path(folder).rglob("*.yaml"))
    return folder, tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)


def _compose_for_the_mode_where_it_is_said():
    """``hydra.mode`` is set by a word of its own, by experiments that sweep, and by files of tests."""
    ask, saying = Hydra.get_mode, ("hydra.mode", "experiment=", "search=", "hydra.searchpath")

    def get_mode(self, config_name, overrides):
        sources = self.config_loader.repository.get_sources()
        if all(map(_is_shipped, sources)) and not any(word in override for override in overrides for word in saying):
            return None
        return ask(self, config_name, overrides)

    Hydra.get_mode = get_mode


def _describe_choices_when_asked():
    describe, resolve = defaults_list._create_interpolation_map, InputDefault._resolve_interpolation_impl
    defaults_list._create_interpolation_map = lambda *arguments: lambda: describe(*arguments)
    InputDefault._resolve_interpolation_impl = lambda self, described, name: resolve(self, described(), name)
