"""Arithmetic, at which language models guess."""

from inference.tools.arithmetic import NotWorkedOut, worked_out, written
from inference.tools.base import ToolFailed
from inference.tools.registry import tool


@tool(timeout_s=5)
def calculate(expression: str) -> str:
    """Work out an arithmetic expression exactly. Use it for every calculation.

    There are + - * / // % **, round brackets, sqrt, log (natural, or with a base as the second argument), exp, sin,
    cos, tan (of radians), abs, round (half to even), min, max, factorial, pi and e.

    Args:
        expression: for example (17.5 + 3) * 12 / 7 or round(100 * 1.05 ** 10, 2)
    """
    try:
        return written(worked_out(expression))
    except NotWorkedOut as error:
        raise ToolFailed(str(error)) from error
