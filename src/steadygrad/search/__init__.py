"""Finding good hyperparameters: coarse to fine, resuming trials, minding the edges of ranges."""

from steadygrad.search.account import account_text
from steadygrad.search.folds import folds_text
from steadygrad.search.run import search
from steadygrad.search.setup import DEFAULT_SECONDS, Search

__all__ = ["DEFAULT_SECONDS", "Search", "account_text", "folds_text", "search"]
