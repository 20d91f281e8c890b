"""Shell completion: sub-commands, config groups, their options, and config keys.

Hydra's own completion starts the whole application at each key press; this one reads file names, and composes a
config only below a dot.
"""

import re
from collections.abc import Sequence

from elbolab.common.did_you_mean import did_you_mean, last_part, nearest
from elbolab.config.listing import groups_of, list_keys, read_choices, read_command_file, split_args

BASH = """\
_elbolab() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}"
    local word="${line##*[[:space:]]}"
    COMPREPLY=($(elbolab _complete "$line" 2>/dev/null))
    # bash replaces only what follows the last '='
    [[ "$word" == *=* && "$COMP_WORDBREAKS" == *=* ]] && COMPREPLY=("${COMPREPLY[@]#"${word%=*}="}")
}
complete -o nospace -o default -F _elbolab elbolab
"""
ZSH = """\
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
_elbolab() {
    local -a found
    found=(${(f)"$(elbolab _complete "$LBUFFER" 2>/dev/null)"})
    (( $#found )) && compadd -Q -S '' -- $found || _files
}
compdef _elbolab elbolab
"""
FISH = """\
complete -c elbolab -f -n 'count (elbolab _complete (commandline -cp))' \
-a '(elbolab _complete (commandline -cp) | string trim)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
OPTIONS = {"runs": ("sort=", "columns=", "mean=true "), "report": ("out=", "figures=", "sort=")}
FLAGS = ["--multirun ", "--config-dir ", "--cfg job ", "-v "]


def print_script(args: Sequence[str]) -> None:
    """Prints the script that a shell evaluates: ``eval "$(elbolab completion bash)"``."""
    if len(args) != 1 or args[0] not in SCRIPTS:
        near = did_you_mean(nearest(args[0], SCRIPTS)) if args else ""
        raise ValueError(f"elbolab completion needs one of {', '.join(SCRIPTS)}{near}")
    print(SCRIPTS[args[0]], end="")


def complete(args: Sequence[str]) -> None:
    """Prints the completions of the last word of the line ``args[0]``, one a line."""
    print("\n".join(completions(args[0])))


def completions(line: str) -> list[str]:
    """What the last word of ``line`` may become; a finished word ends with a space."""
    from elbolab.cli.usage import COMMANDS

    words = line.split()[1:]
    word = words.pop() if words and not line[-1].isspace() else ""
    if not words:
        found = [f"{name} " for name in [*COMMANDS, "--help", "--version"]]
    elif words[0] == "completion":
        found = [f"{name} " for name in SCRIPTS]
    elif words[0] == "list":
        found = [f"{group} " for group in read_choices(split_args(words)[0])] if len(words) == 1 else []
    elif words[0] in OPTIONS:
        found = list(OPTIONS[words[0]]) if word else []  # before a letter directories, which the shell knows
    elif words[0] in ("compare", "published"):
        found = []  # directories, which the shell knows
    elif word.startswith("-"):
        found = FLAGS
    else:
        found = _complete_override(words, word)
    return [choice for choice in found if choice.startswith(word)]


def _complete_override(argv: list[str], word: str) -> list[str]:
    """``GROUP=OPTION`` or ``KEY=``, in a sweep also after a comma."""
    sign = word[: len(word) - len(word.lstrip("+~"))]
    key, equals, value = word.removeprefix(sign).partition("=")
    dirs, argv = split_args(argv)
    groups = read_choices(dirs) if sign else groups_of(argv[0], dirs)
    if equals:
        done = value[: value.rfind(",") + 1]
        return [f"{sign}{key}={done}{option} " for option in groups.get(key.partition("@")[0], ())]
    if "." in key:
        return [sign + choice for choice in _list_below(key, list_keys(dirs, argv))]
    nodes = [f"{group}." for group in groups if "/" not in group]
    keys = re.findall(r"^(\w+): *\S", read_command_file(argv[0], dirs), re.MULTILINE)
    return [sign + choice for choice in (*[f"{group}=" for group in groups], *nodes, *[f"{key}=" for key in keys])]


def _list_below(key: str, keys: Sequence[str]) -> list[str]:
    """The keys that are one level below the last dot of ``key``, less those that only Hydra reads."""
    inner = {other.rpartition(".")[0] for other in keys}
    level = [other for other in keys if other.count(".") == key.count(".") and not last_part(other).startswith("_")]
    return [f"{other}." if other in inner else f"{other}=" for other in level]
