"""One case of the corpus: its header, the lines that may be named, and its repaired script."""

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FOLDER = Path(__file__).parent
KEYS = ("rule", "severity", "style", "data", "source", "also", "proof", "healthy", "trap")
SEVERITIES = ("error", "warning", "note")

FAULT = re.compile(r"\s*# FAULT\s*$")
ALSO = re.compile(r"\s*# ALSO\s*$")
FIXED = re.compile(r"^(\s*)# FIXED:(?: ?)(.*)$")


@dataclass(frozen=True)
class Case:
    """A script of the corpus as it stands in its file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def header(self) -> dict[str, str]:
        return parse_header(self.text)

    @property
    def healthy(self) -> bool:
        return self.header.get("healthy") == "yes"

    @property
    def rule(self) -> str:
        return self.header.get("rule", "")

    @property
    def rules(self) -> tuple[str, ...]:
        """The rule meant, then the others that would be right as well."""
        also = self.header.get("also", "").split(",")
        return (self.rule, *(name.strip() for name in also if name.strip()))

    @property
    def severities(self) -> tuple[str, ...]:
        """What counts as found: notes only where a note is all one can say."""
        return SEVERITIES if self.header.get("severity") == "note" else SEVERITIES[:2]

    @property
    def by_logic(self) -> bool:
        """The score can't show the fault (`proof: logic`)."""
        return self.header.get("proof") == "logic"

    @cached_property
    def fault_lines(self) -> tuple[int, ...]:
        return marked(self.text, FAULT)

    @cached_property
    def right_lines(self) -> frozenset[int]:
        """Lines that may be named: the marked ones, and the rest of a call they begin or end."""
        lines = {*self.fault_lines, *marked(self.text, ALSO)}
        return frozenset(lines.union(*(call_lines(self.text, line) for line in lines)))

    @cached_property
    def fixed(self) -> str:
        return fixed_text(self.text)


def load(path: Path) -> Case:
    return Case(path, path.read_text(encoding="utf-8"))


def load_all(kind: str, pattern: str = "*") -> list[Case]:
    """The cases of `faulty` or `healthy` whose name fits the pattern."""
    return [load(path) for path in sorted((FOLDER / kind).glob(f"{pattern}.py"))]


def parse_header(text: str) -> dict[str, str]:
    """The docstring's `key: value` lines; a line without a known key continues the one above."""
    header: dict[str, str] = {}
    key = ""
    for line in (ast.get_docstring(ast.parse(text)) or "").splitlines():
        word, colon, value = line.partition(":")
        if colon and word.strip() in KEYS:
            key = word.strip()
            header[key] = value.strip()
        elif key and line.strip():
            header[key] += " " + line.strip()
    return header


def marked(text: str, mark: re.Pattern[str]) -> tuple[int, ...]:
    return tuple(i for i, line in enumerate(text.splitlines(), 1) if mark.search(line))


def call_lines(text: str, line: int) -> set[int]:
    """The lines of the innermost call that begins or ends on this one."""
    calls = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and line in (node.lineno, node.end_lineno)
    ]
    return set(min(calls, key=len)) if calls else set()


def fixed_text(text: str) -> str:
    """The script with each marked line replaced by the `# FIXED:` lines right below it.

    A marked line without such lines stays; `# FIXED:` lines elsewhere are inserted.
    """
    lines: list[str] = []
    replaces = False
    for line in text.splitlines():
        repair = FIXED.match(line)
        if repair is None:
            replaces = bool(FAULT.search(line))
            lines.append(ALSO.sub("", FAULT.sub("", line)))
            continue
        if replaces:
            lines.pop()
            replaces = False
        indent, code = repair.groups()
        if code.strip():
            lines.append(indent + code.rstrip())
    return "\n".join(lines) + "\n"
