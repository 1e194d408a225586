"""Arithmetic in text, worked out without `eval`. Pure.

Whole numbers, decimals and their sums, products and quotients are exact fractions: 0.1 + 0.2 is 0.3. What has no exact
value (a root, a logarithm) is a float. Everything is bounded before it is computed, so no expression takes more than
some milliseconds.
"""

import ast
import math
import operator
import re
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Final, TypeAlias

Number: TypeAlias = Fraction | float

LONGEST_EXPRESSION: Final = 500
DEEPEST: Final = 40
MOST_DIGITS: Final = 1000
_MOST_BITS: Final = int(MOST_DIGITS * math.log2(10))
_LARGEST_FACTORIAL: Final = 400
_MOST_ROUNDED_PLACES: Final = 100
# Names, numbers and operators: nothing else can be meant, and nothing else reaches Python's parser.
_WORDS: Final = re.compile(r"[\w.+\-*/%(), \t]+", re.ASCII)


class NotWorkedOut(ValueError):
    """The expression cannot be worked out; the text is a sentence that says why."""


def worked_out(expression: str) -> Number:
    """The value of an arithmetic expression.

    Raises:
        NotWorkedOut: it is not arithmetic, has no value, or is too large.
    """
    if len(expression) > LONGEST_EXPRESSION:
        raise NotWorkedOut(f"The expression is too long: {LONGEST_EXPRESSION} characters is the most.")
    text = expression.strip()
    if "^" in text:
        raise NotWorkedOut("Write a power as **, not as ^.")
    if not _WORDS.fullmatch(text):
        raise NotWorkedOut("Only numbers, names of functions, + - * / // % ** and round brackets can be used.")
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise NotWorkedOut("This is not a complete arithmetic expression.") from error
    try:
        return _bounded(_Evaluation(text).value(tree.body, 0))
    except ZeroDivisionError as error:
        raise NotWorkedOut("This divides by zero.") from error
    except OverflowError as error:
        raise NotWorkedOut("The numbers become too large.") from error
    except RecursionError as error:
        raise NotWorkedOut("The expression is nested too deeply.") from error
    except ValueError as error:
        if isinstance(error, NotWorkedOut):
            raise
        raise NotWorkedOut("A function has no value for this number.") from error


class _Evaluation:
    """Works out the tree of one text; what is not named here is refused."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, node: ast.expr, depth: int) -> Number:
        """What a node comes to. `depth` counts the brackets and signs around it."""
        if depth > DEEPEST:
            raise NotWorkedOut(f"The expression is nested too deeply: {DEEPEST} levels is the most.")
        match node:
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                return self._literal(node)
            case ast.Name(id=name) if name in _CONSTANTS:
                return _CONSTANTS[name]
            case ast.UnaryOp(op=ast.USub()):
                return -self.value(node.operand, depth + 1)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.value(node.operand, depth + 1)
            case ast.BinOp() if type(node.op) in _OPERATORS:
                # A long sum leans to the left and is not what is meant by deep.
                left, right = self.value(node.left, depth), self.value(node.right, depth + 1)
                return _bounded(_OPERATORS[type(node.op)](left, right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
                least, most, function = _FUNCTIONS[name]
                if not least <= len(arguments) <= most:
                    raise NotWorkedOut(f"{name} takes another number of arguments.")
                return _bounded(function(*(self.value(argument, depth + 1) for argument in arguments)))
            case ast.Call(func=ast.Name(id=name)) | ast.Name(id=name):
                known = ", ".join([*_FUNCTIONS, *_CONSTANTS])
                raise NotWorkedOut(f"{name[:50]} cannot be used like this. There are: {known}.")
            case _:
                raise NotWorkedOut("Only numbers, + - * / // % **, round brackets and functions can be used.")

    def _literal(self, node: ast.Constant) -> Number:
        if isinstance(node.value, int):
            return _bounded(Fraction(node.value))
        # As it was written: Python has made a binary float of it, which 0.1 is not.
        written = ast.get_source_segment(self._text, node) or repr(node.value)
        try:
            decimal = Decimal(written)
        except InvalidOperation as error:
            raise NotWorkedOut(f"{written[:50]} is not a number.") from error
        if not decimal.is_finite() or abs(decimal.adjusted()) > MOST_DIGITS:
            raise NotWorkedOut("The numbers become too large.")
        return _bounded(Fraction(decimal))


def _bounded(number: Number) -> Number:
    if isinstance(number, Fraction):
        if max(number.numerator.bit_length(), number.denominator.bit_length()) > _MOST_BITS:
            raise NotWorkedOut(f"The numbers become too large: {MOST_DIGITS} digits is the most.")
    elif not math.isfinite(number):
        raise NotWorkedOut("The numbers become too large.")
    return number


def _quotient(left: Number, right: Number) -> Number:
    quotient = left // right
    return Fraction(quotient) if isinstance(quotient, int) else quotient


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        # Before it is computed: 9**9**9 would take the machine with it. 0 and 1 stay as small as they are.
        if abs(exponent) * (size - 1) > _MOST_BITS:
            raise NotWorkedOut(f"This power is too large: {MOST_DIGITS} digits is the most.")
        if size == 1:
            return base ** (int(exponent) if abs(base) != 1 else int(exponent) % 2)
        return base ** int(exponent)
    power: Number | complex = float(base) ** float(exponent)
    if isinstance(power, complex):
        raise NotWorkedOut("A power of a negative number with a fraction has no real value.")
    return power


def _square_root(number: Number) -> Number:
    if isinstance(number, Fraction) and number >= 0:
        above, below = math.isqrt(number.numerator), math.isqrt(number.denominator)
        if above**2 == number.numerator and below**2 == number.denominator:
            return Fraction(above, below)
    return math.sqrt(number)


def _logarithm(number: Number, base: Number = math.e) -> Number:
    natural = _natural_logarithm(number)
    return natural if base == math.e else natural / _natural_logarithm(base)


def _natural_logarithm(number: Number) -> float:
    # In two parts: a whole number of a thousand digits has a logarithm, and is no float.
    if isinstance(number, Fraction):
        return math.log(number.numerator) - math.log(number.denominator)
    return math.log(number)


def _rounded(number: Number, places: Number = Fraction(0)) -> Number:
    whole = _whole(places)
    if abs(whole) > _MOST_ROUNDED_PLACES:
        raise NotWorkedOut(f"It can be rounded to {_MOST_ROUNDED_PLACES} places at most.")
    # Fractions are rounded as exactly as they are added, which their stubs do not say.
    return Fraction(round(number, whole)) if isinstance(number, Fraction) else round(number, whole)


def _factorial(number: Number) -> Number:
    whole = _whole(number)
    if not 0 <= whole <= _LARGEST_FACTORIAL:
        raise NotWorkedOut(f"Factorials are known from 0 to {_LARGEST_FACTORIAL}.")
    return Fraction(math.factorial(whole))


def _whole(number: Number) -> int:
    if number != int(number):
        raise NotWorkedOut("A whole number is needed here.")
    return int(number)


_CONSTANTS: Final[dict[str, Number]] = {"pi": math.pi, "e": math.e}
_OPERATORS: Final[dict[type[ast.operator], Callable[[Number, Number], Number]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: _quotient,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_FUNCTIONS: Final[dict[str, tuple[int, int, Callable[..., Number]]]] = {
    "sqrt": (1, 1, _square_root),
    "log": (1, 2, _logarithm),
    "exp": (1, 1, math.exp),
    "sin": (1, 1, math.sin),
    "cos": (1, 1, math.cos),
    "tan": (1, 1, math.tan),
    "abs": (1, 1, abs),
    "round": (1, 2, _rounded),
    "min": (1, LONGEST_EXPRESSION, min),
    "max": (1, LONGEST_EXPRESSION, max),
    "factorial": (1, 1, _factorial),
}


def written(number: Number) -> str:
    """The number as text. What is not shown to its last digit says so: `0.333333333333333 (rounded)`."""
    if isinstance(number, float):
        return f"{number:.15g} (rounded)"
    if number.denominator == 1:
        return str(number.numerator)
    decimal = Context(prec=50).divide(Decimal(number.numerator), Decimal(number.denominator))
    if Fraction(decimal) == number:
        return f"{decimal:f}" if decimal.adjusted() > -_MOST_ROUNDED_PLACES else str(decimal)
    return f"{Context(prec=15).divide(Decimal(number.numerator), Decimal(number.denominator))} (rounded)"
