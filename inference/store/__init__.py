"""The request road's only way to what is kept about language models: typed values in, typed values out.

Only this package knows the documents.
"""

from inference.billing.types import Budget, BudgetSpending, UsageLine
from inference.store.budgets import budgets, hold, overdue_spending, settle, spending_of
from inference.store.catalog import model_entries, model_prices
from inference.store.types import ModelEntry, ModelPrice
from inference.store.usage import add_usage_line, anonymise_usage, usage_by_day, usage_lines, usage_lines_of

__all__ = [
    "Budget",
    "BudgetSpending",
    "ModelEntry",
    "ModelPrice",
    "UsageLine",
    "add_usage_line",
    "anonymise_usage",
    "budgets",
    "hold",
    "model_entries",
    "model_prices",
    "overdue_spending",
    "settle",
    "spending_of",
    "usage_by_day",
    "usage_lines",
    "usage_lines_of",
]
