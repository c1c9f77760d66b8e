"""Finding good hyperparameters: coarse to fine, resuming trials, minding the edges of ranges."""

from steadygrad.search.account import account_text
from steadygrad.search.run import DEFAULT_SECONDS, Search, search

__all__ = ["DEFAULT_SECONDS", "Search", "account_text", "search"]
