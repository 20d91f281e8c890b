"""Mistakes in the reading of a user's own arrays and tables, data/."""

from tests.planting import Mistake

LABELS, NAMES, TABLES = (f"tests/reading/test_{name}.py" for name in ("labels", "names", "tables"))
SHAPES, FILES = "tests/data/test_shapes.py", "tests/data/test_kinds_of_files.py"
TABLES += " tests/reading/test_text_tables.py"

MISTAKES = [
    Mistake("reading/labels.py", "names.sort(key=lambda name: _number(name) or 0)", "pass", LABELS),
    Mistake("reading/labels.py", "int(part) if place % 2 else part", "part", LABELS),
    Mistake("reading/labels.py", "min(others) < 0", "min(others) > 0", LABELS),
    Mistake("reading/labels.py", "or len(others) < 2 or", "or len(others) < 1 or", LABELS),
    Mistake("reading/labels.py", "(array.sum(1) == 1).all()", "(array.sum(1) <= 2).all()", LABELS),
    Mistake("reading/labels.py", "column = np.char.strip(column)", "pass", LABELS),
    Mistake("reading/labels.py", "str(int(value))", "str(float(value))", LABELS),
    Mistake("reading/labels.py", "> 1 and not is_numeric", "> 1", LABELS),
    Mistake("reading/labels.py", "2 * len(names) > num", "len(names) > num", LABELS),
    Mistake("reading/labels.py", "np.asarray(array).argmax(1)", "np.asarray(array).argmin(1)", LABELS),
    Mistake("reading/labels.py", "table[:, factor] for name", "table[:, 0] for name", LABELS),
    Mistake("batch.py", "if isinstance(label, bool) else (str(label),)", "if True else (str(label),)", LABELS),
    Mistake("batch.py", "else name_by_number(num_classes or 0)", "else ()", LABELS),
    Mistake("reading/names.py", 'if splits == ["train"]:', "if False:", NAMES),
    Mistake(
        "reading/names.py", "name in (word + split_name, split_name + word)", "name in (word + split_name,)", NAMES
    ),
    Mistake("reading/names.py", "if len(split_word) > 2:", "if len(split_word) > 1:", NAMES),
    Mistake("reading/names.py", 'if "" in splits and parts:', 'if "" in splits and len(parts) > 1:', NAMES),
    Mistake("reading/names.py", 'if parts and "train" not in splits', 'if parts and "test" not in splits', NAMES),
    Mistake("reading/names.py", "if other not in roles:", "if False:", NAMES),
    Mistake("reading/names.py", "if len(names) == 1 and unknown:", "if len(names) == 1:", NAMES),
    Mistake("data/contents.py", "for clue in (usual, alike, least)]", "for clue in (usual, least)]", SHAPES),
    Mistake("data/contents.py", "len(places[0]) < 2 and", "", SHAPES),
    Mistake("data/contents.py", "and not (places[0] and places[1] and places[0] != places[1])", "", SHAPES),
    Mistake("data/contents.py", "np.moveaxis(x, -1, 1)", "np.moveaxis(x, -1, 2)", SHAPES),
    Mistake("data/contents.py", "x.dtype.isnative and x.dtype.itemsize <= 8", "x.dtype.itemsize <= 8", SHAPES),
    Mistake("data/contents.py", "numbers[found[split].name]", "next(iter(numbers.values()))", NAMES),
    Mistake("data/contents.py", 'channels if known == "auto" else known', "channels", SHAPES),
    Mistake("data/contents.py", "if largest > FAR:", "if largest > FAR**9:", TABLES),
    Mistake("data/own_files.py", 'if start.startswith(b"\\x93NUMPY"):', "if False:", FILES),
    Mistake("reading/tables.py", "high in (1, 255)", "high <= 255", TABLES),
    Mistake("reading/tables.py", "column[0] in (0, 1) and", "column[0] == 0 and", TABLES),
    Mistake("reading/tables.py", "np.eye(len(values))[column]", "np.eye(len(values))[::-1][column]", TABLES),
    Mistake("reading/advice.py", "if len(odd) <= len(cells) / 2:", "if False:", TABLES),
    Mistake("reading/advice.py", "> 0.9 * len(odd)", "> 0", TABLES),
    Mistake("reading/names.py", "(None, LABELS) if has_no_labels", "(None,) if has_no_labels", TABLES),
    Mistake("reading/names.py", "or set(words) & set(ID_WORDS)", "", TABLES),
    Mistake("reading/tables.py", "for name in data if name not in columns.keep]", "for name in data]", TABLES),
    Mistake("reading/text_tables.py", '("." in cell) == is_clear', '"," in cell', TABLES),
    Mistake(
        "reading/text_tables.py", "is_packed = file.read(len(GZIP)) == GZIP", "is_packed = path.suffix == '.gz'", TABLES
    ),
    Mistake("reading/tables.py", "> np.ptp(others)", "> 0", TABLES),
    Mistake("reading/text_tables.py", "== 1 < len(rows[1]) and _is_header(rows[1:])", "== 1 < len(rows[1])", TABLES),
    Mistake("reading/tables.py", "- set(columns.ignore)", "", TABLES),
    Mistake("reading/text_tables.py", "max(counts) - first in (0, 1)", "max(counts) == first", TABLES),
    Mistake("reading/text_tables.py", "if any(word and below and", "if all(word and below and", TABLES),
    Mistake("reading/text_tables.py", "comments + named, encoding", "comments, encoding", TABLES),
    Mistake("reading/text_tables.py", "(np.abs(column) < 2**53).all()", "True", TABLES),
    Mistake("data/standardise.py", "np.flatnonzero(wrong)", "np.flatnonzero(wrong.all())", TABLES),
]
