"""The scores of `steadygrad evaluate` as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steadygrad.report.markup import visible
from steadygrad.report.text import verdict
from steadygrad.report.words import number, percent


def evaluation_text(scores: Mapping[str, Any]) -> str:
    """How well a model did: the verdict, loss and calibration, then every class.

    `scores` is what `fit.evaluate_model` returns.

    >>> print(evaluation_text({"split": "test", "accuracy": 0.5, "num_images": 4, "loss": 1.0,
    ...     "classes": ["cat", "dog"], "recall": [1.0, 0.0], "precision": [0.5, None],
    ...     "confusion": [[2, 0], [2, 0]]}))
    50.0 % of 4 test pictures right
    loss 1
    <BLANKLINE>
    class  pictures  recall  precision  most often taken for
    cat           2   100 %     50.0 %
    dog           2     0 %          –  cat (2)
    """
    lines = [verdict(scores["split"], scores), f"loss {number(scores['loss'], 5)}"]
    if scores.get("expected_calibration_error") is not None:
        error = percent(scores["expected_calibration_error"])
        lines[-1] += f", calibration error {error}, mean recall {_mean(scores)}"
    if scores.get("seen_in_training"):
        lines.append("These pictures include those the model was trained on.")
    return "\n".join([*lines, "", *_table(scores)])


def _mean(scores: Mapping[str, Any]) -> str:
    return percent(scores.get("balanced_accuracy"))


def _table(scores: Mapping[str, Any]) -> list[str]:
    names: Sequence[str] = [visible(name) for name in scores["classes"]]
    width = max(5, *(len(name) for name in names))
    lines = [f"{'class':<{width}}  pictures  recall  precision  most often taken for"]
    for index, name in enumerate(names):
        row: list[int] = list(scores["confusion"][index])
        others = [count if other != index else 0 for other, count in enumerate(row)]
        most = max(others)
        taken = f"{names[others.index(most)]} ({most})" if most else ""
        recall = percent(scores["recall"][index])
        precision = percent(scores["precision"][index])
        lines.append(
            f"{name:<{width}}  {sum(row):>8}  {recall:>6}  {precision:>9}  {taken}".rstrip()
        )
    return lines
