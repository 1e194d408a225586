"""The calculator: as exact as Python's own fractions, and too small for anything that would take long."""

import ast
import json
import math
import time
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference.tools.arithmetic import NotWorkedOut, worked_out, written
from inference.tools.base import Caller
from inference.tools.calculator import calculate
from inference.tools.registry import call

ANYBODY = Caller("1")
LONGEST_S = 0.5


def expressions(operators: str) -> st.SearchStrategy[str]:
    """Arithmetic as text, brackets and signs and blanks included."""
    numbers = st.integers(0, 10**6).map(str)
    signs = st.sampled_from(("", "-", "+", " - "))
    return st.recursive(
        numbers,
        lambda inner: st.builds(
            lambda sign, left, operator, right: f"{sign}({left}){operator}({right})",
            signs,
            inner,
            st.sampled_from(operators.split()),
            inner,
        ),
        max_leaves=12,
    ).filter(lambda text: len(text) <= 500)


class Exactly(ast.NodeTransformer):
    """Makes fractions of the numbers of an expression, and of whole quotients, of which Python makes integers."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.parse(f"Fraction({node.value})", mode="eval").body

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        is_whole = isinstance(node.op, ast.FloorDiv)
        return ast.Call(ast.Name("Fraction", ast.Load()), [node], []) if is_whole else node


@given(expressions("+ - * / // %"))
@example("((1)/(3))+(((0)//(1))/((1)//(1)))")
def test_it_works_out_what_pythons_fractions_do(text: str) -> None:
    exact = ast.fix_missing_locations(Exactly().visit(ast.parse(text.strip(), mode="eval")))
    try:
        expected = Fraction(eval(compile(exact, "expression", "eval")))
    except ZeroDivisionError:
        with pytest.raises(NotWorkedOut, match="divides by zero"):
            worked_out(text)
    else:
        assert worked_out(text) == expected


@given(expressions("+ - * // %"))
def test_whole_numbers_are_pythons_to_the_last_digit(text: str) -> None:
    try:
        expected = str(eval(text))
    except ZeroDivisionError:
        return
    assert written(worked_out(text)) == expected


@given(st.integers(-50, 50), st.integers(-50, 50))
def test_powers_are_pythons(base: int, exponent: int) -> None:
    if base == 0 and exponent < 0:
        return
    assert worked_out(f"({base})**({exponent})") == Fraction(base) ** exponent


@given(st.decimals(-(10**9), 10**9, places=6), st.decimals(-(10**9), 10**9, places=6))
def test_decimals_are_exact(one: object, two: object) -> None:
    assert worked_out(f"({one})+({two})*({one})") == Fraction(str(one)) + Fraction(str(two)) * Fraction(str(one))


@pytest.mark.parametrize("name", ["sqrt", "log", "exp", "sin", "cos", "tan", "abs", "round"])
@given(value=st.floats(0.001, 700, allow_nan=False))
def test_functions_are_pythons(name: str, value: float) -> None:
    own = {"abs": abs, "round": round}.get(name) or getattr(math, name)
    assert float(worked_out(f"{name}({value!r})")) == pytest.approx(own(value), rel=1e-12, abs=1e-12)


@given(st.text(max_size=600) | st.text("0123456789.+-*/%()e, \t", max_size=600))
def test_whatever_is_written_ends_in_a_number_or_a_sentence(text: str) -> None:
    began = time.process_time()
    try:
        said = written(worked_out(text))
    except NotWorkedOut as error:
        said = str(error)
    assert said
    assert time.process_time() - began < LONGEST_S


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1 + 0.2", "0.3"),
        ("1/3", "0.333333333333333 (rounded)"),
        ("2 ** 0.5", "1.4142135623731 (rounded)"),
        ("sqrt(1.44)", "1.2"),
        ("round(2.675, 2)", "2.68"),
        ("round(2.5) + round(3.5)", "6"),
        ("log(2 ** 3000) / log(2)", "3000 (rounded)"),
        ("log(8, 2)", "3 (rounded)"),
        ("max(1, 2.5, pi) - min(1, 2.5)", "2.14159265358979 (rounded)"),
        ("factorial(20)", "2432902008176640000"),
        ("1e3 + 0x10 + 1_000", "2016"),
        ("-7 // 2", "-4"),
        ("-7.5 % 2", "0.5"),
        ("1 ** 99999999999 + (-1) ** 99999999999", "0"),
        ("1e-300", "1E-300"),
        ("+".join(["1"] * 240), "240"),
    ],
)
def test_it_says(text: str, expected: str) -> None:
    assert calculate(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("9**9**9", "power is too large"),
        ("2**(2**64)", "power is too large"),
        ("(1/3)**-99999999999", "power is too large"),
        ("10.0**(0-99999999999)", "power is too large"),
        ("1e999999999", "too large"),
        ("1e-999999999", "too large"),
        ("exp(1000)", "too large"),
        ("10**999 * 10**999", "too large"),
        ("factorial(10**9)", "Factorials"),
        ("factorial(2.5)", "whole number"),
        ("round(1/3, 10**9)", "places"),
        ("(" * 300 + "1" + ")" * 100, "not a complete"),
        ("-" * 400 + "1", "nested too deeply"),
        ("abs(" * 90 + "1" + ")" * 90, "nested too deeply"),
        ("1+" * 250 + "1", "too long"),
        ("1/0", "divides by zero"),
        ("0**-1", "divides by zero"),
        ("5 % 0.0", "divides by zero"),
        ("sqrt(-1)", "no value"),
        ("log(0)", "no value"),
        ("(-8)**(1/3)", "no real value"),
        ("2^3", "**"),
        ("", "Only numbers"),
        ("1 +", "not a complete"),
        ("1 if 1 else 2", "Only numbers"),
        ("(1, 2)", "Only numbers"),
        ("1 < 2", "Only numbers"),
        ("True", "Only numbers"),
        ("1j", "Only numbers"),
        ("not 1", "Only numbers"),
        ("[1]", "Only numbers"),
        ("'a' * 10**9", "Only numbers"),
        ("lambda: 1", "Only numbers"),
        ("__import__('os').system('true')", "Only numbers"),
        ("abs.__class__", "Only numbers"),
        ("abs(*(1,))", "Only numbers"),
        ("round(number=1)", "Only numbers"),
        ("open(1)", "open cannot be used"),
        ("sin", "sin cannot be used"),
        ("sqrt()", "number of arguments"),
        ("abs(1, 2)", "number of arguments"),
    ],
)
async def test_it_refuses_at_once_with_a_sentence(text: str, sentence: str) -> None:
    began = time.process_time()
    result = await call("calculate", json.dumps({"expression": text}), user=ANYBODY)
    assert time.process_time() - began < LONGEST_S
    assert result.is_error
    assert sentence in result.output_text
