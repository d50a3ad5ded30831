"""The building blocks of REST operations: bodies whose texts may be stored, URLs with whole numbers, strict JSON."""

import inspect
from collections.abc import Callable
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, cast, get_args, get_origin

from django.core.exceptions import ValidationError
from django.db.models import DecimalField, Model
from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from ninja import Router as NinjaRouter
from ninja import Schema
from ninja.params.models import Param
from ninja.parser import Parser as NinjaParser
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from atelier.characters import flaw
from atelier.web import border


def _whole(value: Any) -> Any:
    """Accept only what is written as a whole number; a float without a fraction is one in JSON."""
    if isinstance(value, bool) or (isinstance(value, str) and border.whole(value) is None):
        raise PydanticCustomError("whole", "Input should be a whole number, such as 12")
    return value


def _stored(value: str) -> str:
    if wrong := flaw(value):
        raise PydanticCustomError("unstorable", "{wrong}", {"wrong": wrong})
    return value


def whole(least: int, most: int = border.BIGGEST) -> Any:
    """Return the type of a whole number of that range. The range comes first: what follows a validator is not documented."""
    return Annotated[int, Field(ge=least, le=most), BeforeValidator(_whole)]


Digits = Annotated[int, BeforeValidator(_whole)]
Whole = whole(0)
Id = whole(1)
Seed = whole(0, border.BIGGEST_INT)
Most = whole(1, border.BIGGEST_INT)  # at most so many
Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, AfterValidator(_stored)]
# How answers are drawn (`curation.chat.Sampling` says the same in sentences), and how many are asked for at once.
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(gt=0, le=1)]
MaxTokens = whole(1, 40960)
AtOnce = whole(1, 64)


def money(model: type[Model], name: str) -> Any:
    """Return the type of a sum of money: from 0, with just the digits that the model's field holds."""
    field = cast(DecimalField, model._meta.get_field(name))
    digits, places = field.max_digits, field.decimal_places
    most = Decimal(10**digits - 1).scaleb(-places)
    return Annotated[Decimal, Field(ge=0, le=most, max_digits=digits, decimal_places=places)]


class Body(Schema):
    """The base of every body: no other keys, no NaN, and no text that a database cannot hold, however deep.

    A field named in `as_data` contains rows that are validated one by one, so that one bad row does not refuse the
    others.
    """

    model_config = {"extra": "forbid", "allow_inf_nan": False}
    as_data: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _texts(cls, fields: Any) -> Any:
        if isinstance(fields, dict):
            looked_at = {name: value for name, value in fields.items() if name not in cls.as_data}
            if found := border.fault(looked_at):
                raise PydanticCustomError("unstorable", "{wrong}", {"place": found[0], "wrong": found[1]})
        return fields


class Parser(NinjaParser):
    """Parses bodies by the one reader of JSON, and the fields of forms and queries by the one cleaner of texts."""

    def parse_body(self, request: HttpRequest) -> Any:
        return border.read_json(request.body)

    def parse_querydict(self, data: MultiValueDict, list_fields: list[str], request: HttpRequest) -> dict[str, Any]:
        if wrong := border.fields(data.lists()):
            raise ValidationError(wrong)
        return super().parse_querydict(data, list_fields, request)


class Router(NinjaRouter):
    """A router whose operations validate the plain `int` and `str` of a URL as `Whole` and `Text`.

    An `int` with a range of its own, as `limit: int = Query(50, ge=1, le=500)`, keeps that.
    """

    def add_api_operation(self, path: str, methods: Any, view_func: Callable[..., Any], **given: Any) -> Any:
        for name, parameter in inspect.signature(view_func).parameters.items():
            has_range = isinstance(parameter.default, Param) and bool(parameter.default.metadata)
            view_func.__annotations__[name] = _bounded(parameter.annotation, Digits if has_range else Whole)
        return super().add_api_operation(path, methods, view_func, **given)


def _bounded(kind: Any, number: Any) -> Any:
    if kind is int:
        return number
    if kind is str:
        return Text
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(_bounded(part, number) for part in get_args(kind))]  # noqa: UP007 - built at run time
    return kind
