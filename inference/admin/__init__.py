"""The staff console's pages about language models: which are offered, what answers cost, how much may be spent."""

from inference.admin.catalog import ModelEntryAdmin
from inference.admin.usage import BudgetAdmin, BudgetSpendingAdmin, UsageLineAdmin

__all__ = ["BudgetAdmin", "BudgetSpendingAdmin", "ModelEntryAdmin", "UsageLineAdmin"]
