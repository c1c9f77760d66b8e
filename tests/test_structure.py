"""The structure ratchet: sizes that may only shrink, and what may not be imported when.

A number is raised only with its reason beside it.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import steadygrad

ROOT = Path(steadygrad.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

LINES_OF_TRAIN = 40
LINES_OF_A_FUNCTION = 40
PARAMETERS = 7
PARAMETERS_OF_A_MODEL = 8
"""A network function shows every option of a network; all but two go by keyword."""
LINES_OF_A_MODULE = 300
LINES_OF_A_CLASS = 150

EXCEPTIONS: dict[str, int] = {}
"""file:name → allowed number, each with the reason in a comment."""


def code_lines(node: ast.AST, source: list[str]) -> int:
    """Lines of a definition without its docstring, blank lines, comments and signature."""
    body = list(getattr(node, "body", []))
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    if not body:
        return 0
    lines = source[body[0].lineno - 1 : body[-1].end_lineno]
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))


def definitions(kind):
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, kind):
                yield path.relative_to(ROOT), node, text.splitlines()


def too_large(found, limit):
    return [
        f"{name}: {size} (limit {EXCEPTIONS.get(name, limit)})"
        for name, size in found
        if size > max(limit, EXCEPTIONS.get(name, 0))
    ]


def test_functions_are_short():
    functions = definitions((ast.FunctionDef, ast.AsyncFunctionDef))
    sizes = [(f"{path}:{node.name}", code_lines(node, lines)) for path, node, lines in functions]
    assert len(sizes) > 100
    assert too_large(sizes, LINES_OF_A_FUNCTION) == []


def test_the_training_loop_fits_one_screen():
    sizes = [
        code_lines(node, lines)
        for path, node, lines in definitions(ast.FunctionDef)
        if str(path) in ("train.py", "train/__init__.py") and node.name == "train"
    ]
    assert len(sizes) == 1
    assert sizes[0] <= LINES_OF_TRAIN


def test_functions_take_few_parameters():
    counts, models = [], []
    for path, node, _ in definitions((ast.FunctionDef, ast.AsyncFunctionDef)):
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        own = [name for name in names if name not in ("self", "cls")]
        is_model = path.parts[0] == "models" and "num_classes" in own
        (models if is_model else counts).append((f"{path}:{node.name}", len(own)))
    assert too_large(models, PARAMETERS_OF_A_MODEL) == []
    assert too_large(counts, PARAMETERS) == []


def test_modules_and_classes_are_small():
    modules = [(str(p.relative_to(ROOT)), len(p.read_text().splitlines())) for p in MODULES]
    assert too_large(modules, LINES_OF_A_MODULE) == []
    classes = [
        (f"{path}:{node.name}", node.end_lineno - node.lineno + 1)
        for path, node, _ in definitions(ast.ClassDef)
    ]
    assert too_large(classes, LINES_OF_A_CLASS) == []


@pytest.mark.parametrize(
    "statement",
    ["import steadygrad", "import steadygrad.cli", "import steadygrad.predict"],
)
def test_light_imports_leave_torch_out(statement):
    code = f"import sys; {statement}; print(sorted({{'torch', 'matplotlib'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists():
    assert set(steadygrad.__all__) <= set(dir(steadygrad))
    for name in steadygrad.__all__:
        assert getattr(steadygrad, name) is not None
