"""The mutants of a module: each a function, or a table at module level, changed in one place.

The changes are mutmut's operators. mutmut itself would leave out every decorated function, and so
each finding that is a `cached_property`. Of its three changes to a string one is kept, and a few
are added: what a function returns, which way a condition goes, any and all, the least and the most.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_string

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("cds_service/reasoning", "cds_service/chart", "cards")
_OPPOSITE = {"any": "all", "all": "any", "min": "max", "max": "min"}
# Said otherwise by mutmut's own operators.
_CHANGED_ANYWAY = (cst.Comparison, cst.BooleanOperation, cst.UnaryOperation)
# They change no behaviour: the type is for the checker, and what they take is for the reader.
_NEVER_CHANGED = {"cast", "len", "isinstance"}


class Mutant(NamedTuple):
    """`code` takes the place of the function or table `name`, which stands at `lines`.

    `at` are the lines of what was changed.
    """

    file: str
    name: str
    code: str
    lines: range
    was: str
    now: str
    at: range

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays the same when lines move."""
        return self.file, self.name, self.was, self.now

    def __str__(self) -> str:
        return f"{self.file}:{self.at.start} {self.name}\n    - {self.was}\n    + {self.now}"


def files() -> list[str]:
    found = [path for room in ROOMS for path in sorted((ROOT / room).glob("*.py"))]
    return [path.relative_to(ROOT).as_posix() for path in found]


def mutants_of(file: str) -> list[Mutant]:
    """All mutants of a file, in the order of its lines, no two the same."""
    wrapper = MetadataWrapper(cst.parse_module((ROOT / file).read_text(encoding="utf-8")))
    found: list[Mutant] = []
    for name, node in _places(wrapper.module.body):
        found += _mutants(file, name, node, wrapper)
    return list({(m.name, m.code): m for m in found}.values())


def _places(body: Any, inside: str = "") -> Iterator[tuple[str, cst.CSTNode]]:
    """Functions, methods, and the assignments at module level."""
    for statement in body:
        if isinstance(statement, cst.FunctionDef):
            yield f"{inside}{statement.name.value}", statement
        elif isinstance(statement, cst.ClassDef):
            yield from _places(statement.body.body, f"{inside}{statement.name.value}.")
        elif isinstance(statement, cst.SimpleStatementLine) and not inside:
            name = _assigned(statement.body[0])
            if name:
                yield name, statement


def _assigned(statement: cst.BaseSmallStatement) -> str:
    if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
        target: cst.CSTNode = statement.targets[0].target
    elif isinstance(statement, cst.AnnAssign) and statement.value is not None:
        target = statement.target
    else:
        return ""
    return target.value if isinstance(target, cst.Name) and target.value != "__all__" else ""


def _mutants(file: str, name: str, node: Any, wrapper: MetadataWrapper) -> Iterator[Mutant]:
    positions = wrapper.resolve(PositionProvider)
    at = positions[node]
    lines = range(at.start.line, at.end.line + 1)
    bare: Any = node.with_changes(leading_lines=[])
    if isinstance(node, cst.FunctionDef):
        bare = bare.with_changes(decorators=[], lines_after_decorators=[])
    before = wrapper.module.code_for_node(bare)
    finder = _Finder(isinstance(node, cst.FunctionDef))
    bare.visit(finder)
    for changed, instead in finder.changes:
        code = wrapper.module.code_for_node(bare.deep_replace(changed, instead))
        was, now = _difference(before, code)
        if was != now:
            span = positions.get(changed, at)
            reach = range(span.start.line, span.end.line + 1)
            yield Mutant(file, name, code, lines, was, now, reach)


class _Finder(cst.CSTVisitor):
    """Collects what could be changed below a node, and into what."""

    def __init__(self, in_function: bool) -> None:
        super().__init__()
        self.changes: list[tuple[cst.CSTNode, cst.CSTNode]] = []
        self._in_function = in_function

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Annotation | cst.Decorator) or _is_documentation(node):
            return False
        if isinstance(node, cst.Call) and _called(node) in _NEVER_CHANGED:
            return False
        if self._in_function or not isinstance(node, cst.Assign | cst.AnnAssign):
            self.changes += [(node, instead) for instead in _instead(node)]
        return True


def _instead(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            found = list(operator(node))
            if operator is operator_string:
                found = found[:1]
            elif operator is operator_arg_removal:
                found = _not_misplaced(cst.ensure_type(node, cst.Call), found)
            yield from found
    yield from _ours(node)


def _not_misplaced(call: cst.Call, changed: list[cst.CSTNode]) -> list[cst.CSTNode]:
    """Without those where a dropped argument moves the later ones: each falls at the first call."""
    named = [n for n, arg in enumerate(call.args) if arg.keyword is not None or arg.star]
    movable = {*named, len(call.args) - 1}
    dropped = len(call.args) if len(call.args) > 1 else 0
    kept = len(changed) - dropped
    return [c for n, c in enumerate(changed) if n < kept or n - kept in movable]


def _ours(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    if isinstance(node, cst.Return) and not _is_trivial(node.value):
        yield node.with_changes(value=cst.Name("None"))
    if isinstance(node, cst.If | cst.CompIf | cst.While) and not isinstance(
        node.test, _CHANGED_ANYWAY
    ):
        negated = cst.UnaryOperation(
            cst.Not(), node.test, lpar=[cst.LeftParen()], rpar=[cst.RightParen()]
        )
        yield node.with_changes(test=negated)
    if isinstance(node, cst.Call) and _called(node) in _OPPOSITE:
        yield node.with_changes(func=cst.Name(_OPPOSITE[_called(node)]))


def _called(node: cst.Call) -> str:
    return node.func.value if isinstance(node.func, cst.Name) else ""


def _is_trivial(value: cst.BaseExpression | None) -> bool:
    return value is None or (isinstance(value, cst.Name) and value.value == "None")


def _is_documentation(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Expr) and isinstance(
        node.value, cst.SimpleString | cst.ConcatenatedString
    )


def _difference(before: str, after: str) -> tuple[str, str]:
    """The lines that changed, without indentation, as one line each."""
    was, now = [], []
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        if line.startswith("- "):
            was.append(line[2:].strip())
        elif line.startswith("+ "):
            now.append(line[2:].strip())
    return " ".join(was), " ".join(now)
