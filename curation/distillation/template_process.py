"""Rendering of a distillation's templates in a child process: Jinja over a record's columns, in Jinja's own sandbox.

The sandbox keeps templates away from Python's internals, and sizes are bounded here; time and memory are bounded by the
process this runs in, because no check of a template can. Only `atelier.processes.sandbox` may start it: not even
parsing a template is safe elsewhere, since Jinja evaluates constants while it compiles.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

OUTPUT_CHARACTERS = 1_000_000
LOOPS_NESTED = 2
ALLOWED_FILTERS = {
    "capitalize", "count", "d", "default", "first", "int", "join", "last", "length", "list", "lower", "replace", "reverse",
    "round", "sort", "string", "striptags", "title", "tojson", "trim", "truncate", "unique", "upper", "wordcount",
}  # fmt: skip


class PromptError(ValueError):
    """A template that cannot be used, or not for this record. The message states what to change."""


class _Environment(ImmutableSandboxedEnvironment):
    """A Jinja sandbox with fewer filters, no globals, no method calls, and no arithmetic that grows texts."""

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
    """Wrap a filter whose result can be the product of its inputs' lengths: it is refused beforehand if that is too long."""

    @wraps(function)
    def bounded(*arguments: Any, **named: Any) -> Any:
        product = 1
        for argument in (*arguments, *named.values()):
            product *= 1 + (len(argument) if isinstance(argument, str | list | tuple) else 1)
        if product > 100 * OUTPUT_CHARACTERS:
            raise PromptError("The template joins or replaces too much text. Shorten it.")
        return function(*arguments, **named)

    return bounded


_ENVIRONMENT = _Environment()


REFUSALS = (PromptError,)


def work(setup: bytes) -> Callable[[bytes], bytes]:
    """Return a function that answers a record's columns with its prompt, and null with the names that the template uses.

    All of it is JSON.
    """
    template = _Template(json.loads(setup))

    def answer(question: bytes) -> bytes:
        columns = json.loads(question)
        return json.dumps(template.columns if columns is None else template.render(columns)).encode()

    return answer


class _Template:
    """A checked template. `columns` are the names it uses. Raises PromptError."""

    def __init__(self, text: str) -> None:
        try:
            tree = _ENVIRONMENT.parse(text)
            _check(tree)
            self._template = _ENVIRONMENT.from_string(text)
        except TemplateSyntaxError as error:
            raise PromptError(
                f"Line {error.lineno} of the template: {(error.message or 'it ends too early').rstrip('.')}."
            ) from error
        except (TemplateError, RecursionError) as error:
            raise PromptError(f"The template cannot be used: {str(error)[:200]}.") from error
        self.columns = sorted(meta.find_undeclared_variables(tree))

    def render(self, columns: Mapping[str, Any]) -> str:
        """Return the prompt for one record. Raises PromptError naming an unknown column and the known ones."""
        try:
            # All of them stand in `row` too, for names that Jinja cannot write.
            return "".join(_bounded(self._template.generate({"row": columns, **columns})))
        except UndefinedError as error:
            known = ", ".join(sorted(name for name in columns if name != "row"))
            # Jinja's words end with the name: 'text' is undefined, or 'dict object' has no attribute 'text'.
            named = re.findall(r"'([^']*)'", str(error))[-1:] or [str(error)]
            raise PromptError(
                f"The template uses a column that the record does not have: {named[0]}. It has: {known}."
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
                f"The prompt grows beyond {OUTPUT_CHARACTERS:,} characters. Shorten the template's loops."
            )
        yield piece


def _check(tree: nodes.Template) -> None:
    """Refuse what templates do not need: macros, includes, calls, attribute access, deep loops."""
    refused = (nodes.Call, nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    for node in tree.find_all(refused):
        raise PromptError(f"Line {node.lineno} of the template: {type(node).__name__.lower()} is not available here.")
    for access in tree.find_all(nodes.Getattr):
        # `loop.index` and the like are plain numbers; columns are reached by `row["name"]`.
        if not (isinstance(access.node, nodes.Name) and access.node.name == "loop"):
            raise PromptError(f'In line {access.lineno} of the template, write row["{access.attr}"] instead of a dot.')
    if _depth(tree) > LOOPS_NESTED:
        raise PromptError(f"The template nests more than {LOOPS_NESTED} loops. Flatten it.")


def _depth(node: nodes.Node) -> int:
    below = max((_depth(child) for child in node.iter_child_nodes()), default=0)
    return below + isinstance(node, nodes.For)
