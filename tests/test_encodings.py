"""Files are UTF-8 whatever the locale: text is opened with an encoding, everywhere."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
OTHERS = ("Image", "archive", "plan")
"""What has a method `open` that opens no text."""


def opens_text(call):
    """Whether a call opens a file, or reads a process, as text."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in ("read_text", "write_text"):
        return True
    if any(keyword.arg == "text" for keyword in call.keywords):
        return True
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    modes = [word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    is_binary = any("b" in mode for mode in modes) or getattr(owner, "id", None) in (*OTHERS, "os")
    return name in ("open", "fdopen") and not is_binary


def without_encoding(source):
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if opens_text(call) and not any(k.arg == "encoding" for k in call.keywords)]


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda path: str(path.relative_to(SRC)))
def test_text_has_an_encoding(path):
    assert without_encoding(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    ["path.open()", "open(path, 'w')", "path.read_text()", "path.write_text(text)", "run(['git'], text=True)"],
)
def test_the_check_sees_what_has_none(source):
    assert without_encoding(source) == [1]
