"""The arguments of a Python function as a JSON schema, and JSON text as its arguments. Pure."""

import inspect
import re
from collections.abc import Callable
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from inference.tools.base import LONGEST_ARGUMENTS, Caller, ToolFailed

_ARGUMENT: Final = re.compile(r"^ {4}(\w+): (.+(?:\n {8,}.+)*)", re.MULTILINE)
_MOST_FAULTS: Final = 5
_LONGEST_FAULT: Final = 300


class Arguments:
    """The arguments of one function.

    What stands before `Args:` in the docstring describes the function, what stands below it the arguments. A parameter
    of the type `Caller` is not in the schema.

    Raises:
        TypeError: the function has no docstring, or a parameter that cannot be named or has no type.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        doc = inspect.getdoc(function)
        if not doc:
            raise TypeError(f"{function.__name__} needs a docstring: it is how a language model knows what it is for.")
        text, _, below = doc.partition("\nArgs:\n")
        described = {name: _one_line(words) for name, words in _ARGUMENT.findall(re.split(r"\n\S", below)[0])}
        self.description = _one_line(re.split(r"\n(?:Returns|Raises|Yields):\n", text)[0])
        self._caller_parameter: str | None = None
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) or name not in hints:
                raise TypeError(f"{function.__name__}: the parameter {name} needs a name and a type.")
            if hints[name] is Caller:
                self._caller_parameter = name
                continue
            default = ... if parameter.default is parameter.empty else parameter.default
            # A name of its own: pydantic keeps some for itself, and those that begin with an underscore.
            fields[f"argument_{name}"] = (
                hints[name],
                Field(default, alias=name, description=described.get(name), validate_default=False),
            )
        self._model: type[BaseModel] = create_model(
            function.__name__, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields
        )
        self.schema: dict[str, Any] = _untitled(self._model.model_json_schema(by_alias=True))

    def read(self, arguments_json: str, user: Caller) -> dict[str, Any]:
        """The arguments by name, as the types of the function say. Nothing at all counts as an empty object.

        Where the function wants to know for whom it works, `user` is among them.

        Raises:
            ToolFailed: not JSON, or not these arguments; the sentence says what is wrong.
        """
        if len(arguments_json) > LONGEST_ARGUMENTS:
            raise ToolFailed(f"The arguments are too long: {LONGEST_ARGUMENTS:,} characters is the most.")
        try:
            read = self._model.model_validate_json(arguments_json.strip() or "{}")
        except ValidationError as error:
            raise ToolFailed(_sentence_of(error)) from error
        arguments = {name.removeprefix("argument_"): getattr(read, name) for name in type(read).model_fields}
        return arguments if self._caller_parameter is None else arguments | {self._caller_parameter: user}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence_of(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        return "The arguments are not valid JSON. Call the tool again with a JSON object."
    said = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'arguments'}: {fault['msg']}"[:_LONGEST_FAULT]
        for fault in faults[:_MOST_FAULTS]
    )
    return f"The arguments do not fit. {said}."


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic makes of names: they are tokens that say nothing."""
    if isinstance(schema, dict):
        return {
            key: {name: _untitled(inner) for name, inner in value.items()}
            if key in {"properties", "$defs"}
            else _untitled(value)
            for key, value in schema.items()
            if key != "title"
        }
    return [_untitled(inner) for inner in schema] if isinstance(schema, list) else schema
