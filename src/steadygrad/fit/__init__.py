"""One whole run, top to bottom: data → train → evaluate → export → report."""

from steadygrad.fit.job import Job, Show, Silent, asked_recipe
from steadygrad.fit.run import evaluate_model, export_again, layer_summary, resume, run

__all__ = [
    "Job",
    "Show",
    "Silent",
    "asked_recipe",
    "evaluate_model",
    "export_again",
    "layer_summary",
    "resume",
    "run",
]
