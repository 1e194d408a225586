"""The schema of what is kept about language models: staff's decisions, what answers cost, how much may be spent."""

from inference.models.catalog import ModelEntry, ModelPrice
from inference.models.usage import Budget, BudgetSpending, UsageLine

__all__ = ["Budget", "BudgetSpending", "ModelEntry", "ModelPrice", "UsageLine"]
