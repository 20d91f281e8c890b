"""What imports what in a source tree, by parsing it; imports inside functions count."""

import ast
from collections import defaultdict

ROOT = "elbolab"


class Tree:
    """The modules of a source tree, and their imports.

    Args:
        source: the folder of the package.
    """

    def __init__(self, source):
        self.source = source
        self.paths = {self._name(path): path for path in source.rglob("*.py")}
        self.imports = {name: set(self._imports(path)) for name, path in self.paths.items()}

    def _name(self, path):
        parts = path.relative_to(self.source).with_suffix("").parts
        return ".".join((ROOT, *(parts[:-1] if parts[-1] == "__init__" else parts)))

    def _imports(self, path):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative imports are not read here"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in self.paths else node.module for name in names)

    def package_of(self, module):
        """``densities``, ``cli/sweep`` or, of a file at the top, its own name."""
        folder = self.paths[module].relative_to(self.source).parent
        return self.paths[module].stem if folder.name == "" else str(folder)

    def within(self):
        """Modules of the tree -> those of the tree that they import."""
        return {name: {other for other in found if other in self.paths} for name, found in self.imports.items()}

    def packages(self):
        """The same between packages, none of which imports itself."""
        graph = defaultdict(set)
        for name, found in self.within().items():
            graph[self.package_of(name)] |= {self.package_of(other) for other in found}
        return {package: found - {package} for package, found in graph.items()}

    def upward(self, layers):
        """Imports of what has a higher number, by the outermost folder: ``MODULE imports MODULE`` each."""
        layer = lambda name: layers[self.package_of(name).partition("/")[0]]  # noqa: E731
        pairs = ((name, other) for name, found in self.within().items() for other in found)
        return sorted(f"{name} imports {other}" for name, other in pairs if layer(other) > layer(name))

    def foreign(self, allowed):
        """Imports of libraries that only some of the outermost folders may know."""
        pairs = ((name, other.partition(".")[0]) for name, found in self.imports.items() for other in found)
        return sorted(
            f"{name} imports {library}"
            for name, library in pairs
            if library in allowed and self.package_of(name).partition("/")[0] not in allowed[library]
        )


def reached_from(graph, start):
    """All nodes to which a path leads."""
    seen, left = set(), [start]
    while left:
        for node in graph.get(left.pop(), ()):
            if node not in seen:
                seen.add(node)
                left.append(node)
    return seen


def circular(graph):
    """The edges that are part of a circle."""
    reached = {node: reached_from(graph, node) for node in graph}
    return {(node, other) for node, others in graph.items() for other in others if node in reached.get(other, ())}
