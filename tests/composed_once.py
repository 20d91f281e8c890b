"""Hydra reads a shipped configuration, and merges the same options, once a process; values are given to keys as ever.

A command composes twice. Of the first time it only takes whether this is a sweep, which no words but few say; and it
describes all options that are chosen for every option that is read, for the few whose name is made of others.

Compositions were half of all that the tests of the command line took. Files of tests are read again when they change.
"""

import pickle
from dataclasses import astuple, replace
from functools import cache
from pathlib import Path

from hydra._internal import config_loader_impl, defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.defaults_list import Overrides
from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.core.default_element import InputDefault
from hydra.core.object_type import ObjectType
from omegaconf import _utils, base, grammar_parser
from omegaconf.basecontainer import BaseContainer
from omegaconf.resolvers import oc

from elbolab.config.paths import config_dir


def compose_once():
    """From here on, until the process ends."""
    _remember_files()
    _remember_choices()
    _remember_compositions()
    _remember_interpolations()
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


def _remember_choices():
    """What is chosen of each group, by the words that choose, whatever values other words give to keys."""
    choose, chosen = config_loader_impl.create_defaults_list, {}

    def create_defaults_list(repo, config_name, overrides_list, prepend_hydra, skip_missing):
        words = Overrides(repo, overrides_list)
        said = words.override_choices, words.append_group_defaults, words.deletions
        key = config_name, prepend_hydra, skip_missing, repr(said), _beyond_shipped(repo)
        if key not in chosen:
            chosen[key] = choose(repo, config_name, overrides_list, prepend_hydra, skip_missing)
        return replace(chosen[key], config_overrides=words.config_overrides)

    config_loader_impl.create_defaults_list = create_defaults_list


def _remember_compositions():
    """What the chosen options say together, before values are given to keys."""
    merge, merged = ConfigLoaderImpl._compose_config_from_defaults_list, {}
    place, placed = ConfigLoaderImpl._load_single_config, {}
    set_parents = BaseContainer._re_parent

    def compose(self, defaults, repo):
        key = (*map(astuple, defaults), *_beyond_shipped(repo))
        if key not in merged:
            BaseContainer._re_parent = lambda self: None  # of all that has been merged, after each of forty options
            try:
                cfg = merge(self, defaults, repo)
            finally:
                BaseContainer._re_parent = set_parents
            set_parents(cfg)
            merged[key] = pickle.dumps(cfg)
        return pickle.loads(merged[key])

    def load_option(self, default, repo):
        key = (*astuple(default), *_beyond_shipped(repo))
        if key not in placed:
            placed[key] = pickle.dumps(place(self, default, repo))
        return pickle.loads(placed[key])

    ConfigLoaderImpl._compose_config_from_defaults_list = compose
    ConfigLoaderImpl._load_single_config = load_option


def _beyond_shipped(repo):
    """The launchers that are known, and files of other folders."""
    folders = [source.path for source in repo.get_sources() if not _is_shipped(source)]
    return *ConfigStore.instance().list("hydra/launcher"), *map(_written, folders)


def _remember_interpolations():
    """What ``${key}`` and the like mean, which a command reads a hundred times; trees are only looked at."""
    remembered = cache(grammar_parser.parse)
    for module in (grammar_parser, base, _utils, oc):
        module.parse = remembered


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
