"""An expression evaluated operation by operation, with the gradient at every step."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from steadygrad.errors import InputError, nearest
from steadygrad.graph.backward import Step, edges_of, node_of
from steadygrad.graph.functions import CONSTANTS, FUNCTIONS, OPERATORS
from steadygrad.report.graph_expression import Expression

LONGEST, MOST, MOST_NUMBERS = 4000, 400, 10_000
"""Characters and operations of an expression, numbers of a variable: a picture holds no more."""
PREFIXES = frozenset({"torch", "F", "nn", "functional", "np", "math"})
"""`torch.exp(x)` and `F.relu(x)` mean `exp(x)` and `relu(x)`."""


def differentiate(text: str, values: Mapping[str, object]) -> Expression:
    """Evaluate `text` in float64 and take the gradient of its last value through torch's autograd.

    `text` is one or more statements `name = expression` separated by `;`. A value that is not one
    number is summed first. InputError for what can't be read, is unknown or doesn't fit.

    >>> graph = differentiate("f = (x + y) * z", {"x": -2, "y": 5, "z": -4})
    >>> graph.gradients()
    {'x': -4.0, 'y': -4.0, 'z': 3.0}
    """
    try:
        steps = _Evaluation(values).run(text)
    except RecursionError:
        raise InputError("The expression can't be read: it is nested too deeply.") from None
    unused = [name for name in values if name not in {step.name for step in steps}]
    if unused:
        known = sorted({s.name for s in steps if s.kind == "variable"})
        raise InputError(
            f"'{unused[0]}' was given a value, but the expression doesn't use it; it uses "
            f"{', '.join(known) or 'no variable'}."
        )
    root = steps[-1]
    learns = [step.value for step in steps if step.value.requires_grad]
    if not root.value.requires_grad:
        raise InputError("The expression has no variable; there is no gradient to draw.")
    grads = torch.autograd.grad(root.value.sum(), learns, allow_unused=True)
    by_id = {id(v): g for v, g in zip(learns, grads, strict=True)}
    nodes = [node_of(step, by_id.get(id(step.value))) for step in steps]
    edges = [
        edge for number, step in enumerate(steps) for edge in edges_of(number, step, steps, by_id)
    ]
    note = "" if root.value.dim() == 0 else "Gradients are of the sum of the last value."
    return Expression(text, root.name or "f", nodes, edges, note)


class _Evaluation:
    """Walks over the syntax tree; each node it makes goes to `steps`."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._names: dict[str, int] = {}
        self.steps: list[Step] = []

    def run(self, text: str) -> list[Step]:
        """All steps of the statements, the last one's result at the end."""
        last = -1
        for statement in _parse(text):
            if isinstance(statement, ast.Assign):
                target = statement.targets[0]
                if len(statement.targets) != 1 or not isinstance(target, ast.Name):
                    raise _refusal("an assignment to anything but one name", statement)
                if target.id in self._values:
                    raise InputError(f"'{target.id}' is both given a value and computed.")
                last = self._visit(statement.value)
                if not self.steps[last].name:
                    self.steps[last].name = target.id
                self._names[target.id] = last
            elif isinstance(statement, ast.Expr):
                last = self._visit(statement.value)
            else:
                raise _refusal("a statement like this", statement)
        return _leading_to(last, self.steps)

    def _visit(self, node: ast.expr) -> int:
        if len(self.steps) > MOST:
            raise InputError(f"The expression has more than {MOST} operations.")
        if isinstance(node, ast.Name):
            return self._variable(node)
        if isinstance(node, ast.Constant | ast.List):
            return self._constant(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
            return self._visit(node.operand)
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.UnaryOp | ast.BinOp):
            if type(node.op) not in OPERATORS:
                raise _refusal("the operator", node)
            operands = [node.operand] if isinstance(node, ast.UnaryOp) else [node.left, node.right]
            label, run = OPERATORS[type(node.op)]
            return self._apply(label, run, [self._visit(x) for x in operands], node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Subscript):
            return self._item(node)
        raise _refusal("this", node)

    def _variable(self, node: ast.Name) -> int:
        name = node.id
        if name in self._names:
            return self._names[name]
        if name in self._values:
            value = tensor_of(name, self._values[name]).requires_grad_()
            step = Step(name, name, value)
            step.kind, step.name = "variable", name
            self._names[name] = self._add(step)
            return self._names[name]
        if name in CONSTANTS:
            return self._number(name, CONSTANTS[name])
        if name in FUNCTIONS:
            raise InputError(f"'{name}' is a function; write {name}(...).")
        guess = nearest(name, [*self._values, *self._names])
        hint = f" Did you mean '{guess}'?" if guess else ""
        raise InputError(f"'{name}' has no value; add {name}=1 to the command.{hint}")

    def _constant(self, node: ast.expr) -> int:
        try:
            value = ast.literal_eval(node)
        except ValueError:
            raise _refusal("a list that holds more than numbers", node) from None
        return self._number(ast.unparse(node), value)

    def _number(self, text: str, value: object) -> int:
        step = Step(text, text, tensor_of(text, value))
        step.kind = "constant"
        return self._add(step)

    def _call(self, node: ast.Call) -> int:
        if node.keywords:
            raise _refusal("a named argument", node)
        arguments = list(node.args)
        function = node.func
        if isinstance(function, ast.Attribute):
            if not (isinstance(function.value, ast.Name) and function.value.id in PREFIXES):
                arguments.insert(0, function.value)
            name = function.attr
        elif isinstance(function, ast.Name):
            name = function.id
        else:
            raise _refusal("a call of this", node)
        if name not in FUNCTIONS:
            guess = nearest(name, FUNCTIONS)
            hint = f"Did you mean '{guess}'?" if guess else f"Known: {', '.join(FUNCTIONS)}."
            raise InputError(f"There is no function '{name}' here. {hint}")
        found = FUNCTIONS[name]
        if not found.fewest <= len(arguments) <= found.most:
            takes = f"{found.fewest}" if found.fewest == found.most else f"1 to {found.most}"
            raise InputError(f"'{name}' takes {takes}, not {len(arguments)}, values.")
        return self._apply(name, found.run, [self._visit(x) for x in arguments], node)

    def _item(self, node: ast.Subscript) -> int:
        try:
            index = ast.literal_eval(node.slice)
        except ValueError:
            index = None
        if not isinstance(index, int):
            raise _refusal("an index that is no whole number", node)
        return self._apply(f"[{index}]", lambda x: x[index], [self._visit(node.value)], node)

    def _apply(
        self, label: str, run: Callable[..., Tensor], inputs: list[int], node: ast.expr
    ) -> int:
        values = [self.steps[i].value for i in inputs]
        text = ast.unparse(node)
        try:
            value = run(*values)
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            shapes = " and ".join("×".join(map(str, v.shape)) or "one number" for v in values)
            first = " ".join(str(error).split())[:160]
            raise InputError(f"'{text}' does not work on {shapes}: {first}") from None
        if value.numel() > MOST_NUMBERS:
            raise InputError(f"'{text}' has {value.numel()} numbers; at most {MOST_NUMBERS}.")
        step = Step(label, text, value)
        step.run, step.inputs = run, inputs
        return self._add(step)

    def _add(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1


def tensor_of(name: str, value: object) -> Tensor:
    """A number or nested lists of numbers as float64."""
    try:
        tensor = torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InputError(
            f"'{name}' must be a number or a list of numbers in rows of one length, like [1, 2]; "
            f"got {value!r:.60}."
        ) from None
    if not 0 < tensor.numel() <= MOST_NUMBERS:
        raise InputError(f"'{name}' has {tensor.numel()} numbers; 1 to {MOST_NUMBERS} are drawn.")
    return tensor


def _parse(text: str) -> list[ast.stmt]:
    if len(text) > LONGEST:
        raise InputError(f"The expression has {len(text)} characters; at most {LONGEST}.")
    try:
        body = ast.parse(text.strip().rstrip(";").strip()).body
    except SyntaxError as error:
        where = f" near '{(error.text or text).strip()[:60]}'" if error.text else ""
        raise InputError(f"The expression can't be read{where}: {error.msg}.") from None
    except (RecursionError, MemoryError, ValueError):
        raise InputError("The expression can't be read: it is nested too deeply.") from None
    if not body:
        raise InputError('The expression is empty; write one like "f = (x + y) * z".')
    return body


def _leading_to(last: int, steps: list[Step]) -> list[Step]:
    """The steps the last one depends on, in order, with their inputs counted anew."""
    needed, pending = {last}, [last]
    while pending:
        for source in steps[pending.pop()].inputs:
            if source not in needed:
                needed.add(source)
                pending.append(source)
    kept = sorted(needed)
    position = {old: new for new, old in enumerate(kept)}
    for old in kept:
        steps[old].inputs = [position[i] for i in steps[old].inputs]
    return [steps[old] for old in kept]


def _refusal(what: str, node: ast.AST) -> InputError:
    return InputError(
        f"'{ast.unparse(node)[:60]}': {what} can't be drawn. An expression holds numbers, lists, "
        "names, + - * / ** @, [index] and functions of torch such as exp, sigmoid, max, norm."
    )
