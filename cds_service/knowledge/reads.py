"""What the code reads of the knowledge, found in the code itself.

The linter asks here, so that a parameter or a value set that nothing reads cannot stay unseen. The
source is parsed, not run: what no test happens to reach counts too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PRODUCT = ("cds_service", "cards")
_ROOTS = frozenset({"parameters", "_parameters"})
"""Names and attributes that hold all parameters."""
Path_ = tuple[str, ...]


def product_code(root: Path = ROOT) -> dict[Path, ast.Module]:
    """The modules of the product, parsed."""
    paths = (path for folder in _PRODUCT for path in sorted((root / folder).rglob("*.py")))
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def parameters_read(modules: Iterable[ast.Module], groups: Mapping[str, str]) -> frozenset[str]:
    """The ids that the code reads: `parameters.egfr.severe_below`, also by way of a local name.

    `groups` are the classes of the groups by name ("Egfr" to "egfr"): an argument of such a class
    is that group. Reading a whole group as a mapping reads all of it ("dose.upper_level_child").
    """
    return frozenset(
        ".".join(path)
        for module in modules
        for scope, of_self in _scopes(module, groups)
        for path in _paths(scope, groups, of_self)
    )


def _scopes(
    module: ast.Module, groups: Mapping[str, str]
) -> Iterator[tuple[ast.AST, Mapping[str, Path_]]]:
    """Each function, with the attributes of its object that hold parameters."""
    yield module, {}
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef):
            yield node, {}
        if isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            of_self: dict[str, Path_] = {}
            for method in methods:
                names = _arguments(method, groups)
                for part in ast.walk(method):
                    if isinstance(part, ast.Assign):
                        of_self |= _kept(part, names)
            yield from ((method, of_self) for method in methods)


def _kept(node: ast.Assign, names: Mapping[str, Path_]) -> dict[str, Path_]:
    """What an object keeps of the parameters: `self._limits = limits`."""
    path = _path(node.value, names, {})
    kept = (t for t in node.targets if isinstance(t, ast.Attribute) and _is_self(t.value))
    return {} if path is None else {target.attr: path for target in kept}


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _paths(
    scope: ast.AST, groups: Mapping[str, str], of_self: Mapping[str, Path_]
) -> Iterator[Path_]:
    """The paths below the parameters that a function reads."""
    names: dict[str, Path_] = _arguments(scope, groups)
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            names |= _assigned(node, names, of_self)
    for node in ast.walk(scope):
        path = _path(node, names, of_self)
        if path:
            yield path


def _arguments(scope: ast.AST, groups: Mapping[str, str]) -> dict[str, Path_]:
    if not isinstance(scope, ast.FunctionDef):
        return {}
    found: dict[str, Path_] = {}
    for argument in (*scope.args.args, *scope.args.kwonlyargs):
        kind = argument.annotation
        name = kind.id if isinstance(kind, ast.Name) else getattr(kind, "attr", "")
        if name in groups:
            found[argument.arg] = (groups[name],)
        elif name == "Parameters":
            found[argument.arg] = ()
    return found


def _assigned(
    node: ast.Assign, names: Mapping[str, Path_], of_self: Mapping[str, Path_]
) -> dict[str, Path_]:
    """Local names for parts of the parameters: `limits = knowledge.parameters.egfr`."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs += zip(target.elts, node.value.elts, strict=False)
        else:
            pairs.append((target, node.value))
    found: dict[str, Path_] = {}
    for target, value in pairs:
        path = _path(value, names, of_self)
        if path is not None and isinstance(target, ast.Name):
            found[target.id] = path
    return found


def _path(node: ast.AST, names: Mapping[str, Path_], of_self: Mapping[str, Path_]) -> Path_ | None:
    """Where below the parameters an expression stands; `()` is all of them, `None` elsewhere."""
    if isinstance(node, ast.Name):
        return () if node.id in _ROOTS else names.get(node.id)
    if not isinstance(node, ast.Attribute):
        return None
    if node.attr in _ROOTS:
        return ()
    if _is_self(node.value):
        return of_self.get(node.attr)
    above = _path(node.value, names, of_self)
    return None if above is None else (*above, node.attr)


def strings_in_code(modules: Iterable[ast.Module]) -> frozenset[str]:
    """Every string in the code: value sets and drug classes are named so."""
    nodes = (node for module in modules for node in ast.walk(module))
    return frozenset(
        n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)
    )


def names_in_code(modules: Iterable[ast.Module]) -> frozenset[str]:
    """What can fill a place of a text: strings, keywords of calls, and names made of these."""
    modules = list(modules)
    nodes = [node for module in modules for node in ast.walk(module)]
    strings = set(strings_in_code(modules))
    strings |= {n.arg for n in nodes if isinstance(n, ast.keyword) and n.arg is not None}
    endings = {end for node in nodes if isinstance(node, ast.JoinedStr) for end in _ending(node)}
    made = {f"{name}{end}" for name in strings if name.isidentifier() for end in endings}
    return frozenset(strings | made)


def _ending(node: ast.JoinedStr) -> Iterator[str]:
    """What is put behind a name to make another one: `f"{name}_words"`."""
    if len(node.values) == 2 and isinstance(node.values[0], ast.FormattedValue):
        end = node.values[1]
        if isinstance(end, ast.Constant) and str(end.value).isidentifier():
            yield str(end.value)
