"""Tables that tests write and read."""

import numpy as np

from elbolab.data.arrays import OwnArrays

NUM = 30
RNG = np.random.default_rng(0)
AGE = RNG.integers(20, 70, NUM)
INCOME = RNG.normal(3e4, 1e4, NUM).round(2)
CITY = np.array(["Rome", "Oslo", "Bern"])[np.arange(NUM) % 3]
COLUMNS = {"age": AGE, "income": INCOME, "city": CITY}


def text(columns: dict[str, np.ndarray], delimiter: str = ",", header: bool = True) -> str:
    lines = [delimiter.join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    return "\n".join([*([delimiter.join(columns)] if header else []), *lines]) + "\n"


def write(folder, content: str, name: str = "x.csv"):
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def own(path, **options) -> OwnArrays:
    return OwnArrays(path, **({"batch_size": 4} | options))


def rows(data: OwnArrays) -> np.ndarray:
    return np.concatenate([np.asarray(arrays.x) for arrays in data.splits])


NUMBERS = {"age": AGE, "income": INCOME}
