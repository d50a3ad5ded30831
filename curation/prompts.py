"""Templates that people write for a teacher's prompts: Jinja over a record's columns, in a sandbox.

The sandbox keeps templates away from Python's insides; it does not bound work, so sizes are bounded here.
"""

import re
from collections.abc import Iterator, Mapping
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATE_CHARACTERS = 20_000
OUTPUT_CHARACTERS = 1_000_000
LOOPS_NESTED = 2
ALLOWED_FILTERS = {
    "capitalize", "count", "d", "default", "first", "int", "join", "last", "length", "list", "lower", "replace", "reverse",
    "round", "sort", "string", "striptags", "title", "tojson", "trim", "truncate", "unique", "upper", "wordcount",
}  # fmt: skip


class PromptError(ValueError):
    """A template that cannot be used, or not for this record. The message says what to change."""


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with fewer filters, no globals, no method calls, and no arithmetic that grows texts."""

    intercepted_binops = frozenset(["**", "*", "%"])

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=False)
        self.filters = {name: self.filters[name] for name in ALLOWED_FILTERS}
        for growing in ("join", "replace"):
            self.filters[growing] = _growing(self.filters[growing])
        self.globals.clear()

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, LoopContext) and not attr.startswith("_") and not callable(value)

    def is_safe_callable(self, obj: Any) -> bool:
        return False

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(side, int | float) and abs(side) < 1e9 for side in (left, right)) or operator == "**":
            raise SecurityError(f"the operator {operator} is for small numbers only")
        return super().call_binop(context, operator, left, right)


def _growing(function: Any) -> Any:
    """A filter whose result can be the product of its inputs' lengths: refused before it is made when that is too long."""

    @wraps(function)
    def bounded(*arguments: Any, **named: Any) -> Any:
        product = 1
        for argument in (*arguments, *named.values()):
            product *= 1 + (len(argument) if isinstance(argument, str | list | tuple) else 1)
        if product > 100 * OUTPUT_CHARACTERS:
            raise PromptError("The template joins or replaces far too much text: shorten it.")
        return function(*arguments, **named)

    return bounded


_ENVIRONMENT = _Environment()


class Template:
    """A checked template. `columns` are the names it uses. Raises PromptError."""

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise PromptError("The template is empty: insert at least one column.")
        if len(text) > TEMPLATE_CHARACTERS:
            raise PromptError(f"The template has more than {TEMPLATE_CHARACTERS:,} characters: shorten it.")
        try:
            tree = _ENVIRONMENT.parse(text)
            _check(tree)
            self._template = _ENVIRONMENT.from_string(text)
        except TemplateSyntaxError as error:
            raise PromptError(
                f"Line {error.lineno} of the template: {(error.message or 'it breaks off').rstrip('.')}."
            ) from error
        except (TemplateError, RecursionError) as error:
            raise PromptError(f"The template cannot be used: {str(error)[:200]}.") from error
        self.columns = sorted(meta.find_undeclared_variables(tree))

    def render(self, columns: Mapping[str, Any]) -> str:
        """The prompt for one record. Raises PromptError naming an unknown column and the known ones."""
        try:
            return "".join(_bounded(self._template.generate(dict(columns))))
        except UndefinedError as error:
            known = ", ".join(sorted(name for name in columns if name != "row"))
            # Jinja's words end with the name: 'text' is undefined, or 'dict object' has no attribute 'text'.
            named = re.findall(r"'([^']*)'", str(error))[-1:] or [str(error)]
            raise PromptError(
                f"The template names a column that the record lacks: {named[0]}. It has: {known}."
            ) from error
        except PromptError:
            raise
        except (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise PromptError(f"The template fails for this record: {str(error)[:200]}.") from error


def _bounded(pieces: Iterator[str]) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > OUTPUT_CHARACTERS:
            raise PromptError(
                f"The prompt grows beyond {OUTPUT_CHARACTERS:,} characters: shorten the template's loops."
            )
        yield piece


def _check(tree: nodes.Template) -> None:
    """Refuse what templates have no use for: macros, includes, calls, attribute access, deep loops."""
    refused = (nodes.Call, nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    for node in tree.find_all(refused):
        raise PromptError(f"Line {node.lineno} of the template: {type(node).__name__.lower()} is not available here.")
    for access in tree.find_all(nodes.Getattr):
        # `loop.index` and the like are plain numbers; columns are reached by `row["name"]`.
        if not (isinstance(access.node, nodes.Name) and access.node.name == "loop"):
            raise PromptError(f'Line {access.lineno} of the template: write row["{access.attr}"] instead of a dot.')
    if _depth(tree) > LOOPS_NESTED:
        raise PromptError(f"The template nests more than {LOOPS_NESTED} loops: flatten it.")


def _depth(node: nodes.Node) -> int:
    below = max((_depth(child) for child in node.iter_child_nodes()), default=0)
    return below + isinstance(node, nodes.For)
