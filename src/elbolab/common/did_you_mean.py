"""What a misspelt word was meant to be."""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches


def nearest(word: str, choices: Iterable[str], num: int = 3) -> list[str]:
    """The choices most like ``word``, best first; none where none is alike.

    Example:
        >>> nearest("vea", ["m2", "vae", "beta_vae"])
        ['vae']
        >>> nearest("dsprites", ["burda2016/vae", "higgins2017/dsprites"])
        ['higgins2017/dsprites']
    """
    choices = list(dict.fromkeys(choices))
    inside = [choice for choice in choices if len(word) > 2 and word in choice]
    return list(dict.fromkeys([*get_close_matches(word, choices, num, 0.5), *inside]))[:num]


def nearest_keys(key: str, keys: Sequence[str], num: int = 3) -> list[str]:
    """The dotted keys most like ``key``: alike as a whole, or with a like last part in another place.

    Example:
        >>> nearest_keys("data.batch_sizee", ["data.batch_size", "net.hidden", "seed"])
        ['data.batch_size']
        >>> nearest_keys("lr", ["optimizer.lr", "model.beta"])
        ['optimizer.lr']
    """
    close = []
    for other in dict.fromkeys(keys):
        if key.startswith(f"{other}.") and any(node.startswith(f"{other}.") for node in keys):
            continue  # a node that the key would lie in: alike, but no answer
        last = SequenceMatcher(None, last_part(key), last_part(other)).ratio()
        whole = SequenceMatcher(None, key, other).ratio()
        if last > 0.7 or whole > 0.8:
            close.append((last + whole, other))
    return [other for _, other in sorted(close, key=lambda pair: -pair[0])[:num]]


def last_part(key: str) -> str:
    """What follows the last dot."""
    return key.rpartition(".")[2]


def last_parts(keys: Sequence[str]) -> list[str]:
    """Each key by what follows its last dot, where no other key ends so."""
    last = [last_part(key) for key in keys]
    return [key if last.count(part) > 1 else part for key, part in zip(keys, last, strict=True)]


def did_you_mean(found: list[str]) -> str:
    """``; did you mean 'a' or 'b'?``, empty where nothing was found."""
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""
