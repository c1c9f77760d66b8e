"""The faults Steadygrad knows by name: a rule reads a Record and yields Findings, nothing else.

One file per rule, named after its fault; the docstring is its page. `RULES` holds them, root causes
first. A rule of your own is any such function: `run(record, rules=(*RULES, mine))`.
"""

from steadygrad.record import Finding, Record
from steadygrad.rules.augmentation_too_strong import augmentation_too_strong
from steadygrad.rules.augmented_evaluation import augmented_evaluation
from steadygrad.rules.broken_images import broken_images
from steadygrad.rules.class_imbalance import class_imbalance
from steadygrad.rules.collapsed_output import collapsed_output
from steadygrad.rules.dead_relu import dead_relu
from steadygrad.rules.dropout_misuse import dropout_misuse
from steadygrad.rules.exploding_gradient import exploding_gradient
from steadygrad.rules.framework import Rule, RuleRow, name_of
from steadygrad.rules.framework import catalogue as _catalogue
from steadygrad.rules.framework import page as _page
from steadygrad.rules.framework import run as _run
from steadygrad.rules.frozen_norm_updates import frozen_norm_updates
from steadygrad.rules.input_mismatch import input_mismatch
from steadygrad.rules.label_misalignment import label_misalignment
from steadygrad.rules.leakage import leakage
from steadygrad.rules.loss_at_init import loss_at_init
from steadygrad.rules.lr_too_high import lr_too_high
from steadygrad.rules.lr_too_low import lr_too_low
from steadygrad.rules.non_finite import non_finite
from steadygrad.rules.norm_gap import norm_gap
from steadygrad.rules.norm_small_batch import norm_small_batch
from steadygrad.rules.not_learning import not_learning
from steadygrad.rules.not_shuffled import not_shuffled
from steadygrad.rules.overfitting import overfitting
from steadygrad.rules.saturated_activation import saturated_activation
from steadygrad.rules.symmetric_init import symmetric_init
from steadygrad.rules.test_as_validation import test_as_validation
from steadygrad.rules.underfitting import underfitting
from steadygrad.rules.vanishing_gradient import vanishing_gradient
from steadygrad.rules.weight_decay_too_high import weight_decay_too_high

RULES: tuple[Rule, ...] = (
    broken_images,
    leakage,
    input_mismatch,
    label_misalignment,
    not_shuffled,
    class_imbalance,
    symmetric_init,
    loss_at_init,
    non_finite,
    lr_too_high,
    lr_too_low,
    saturated_activation,
    dead_relu,
    vanishing_gradient,
    exploding_gradient,
    norm_small_batch,
    norm_gap,
    frozen_norm_updates,
    weight_decay_too_high,
    collapsed_output,
    not_learning,
    dropout_misuse,
    augmentation_too_strong,
    augmented_evaluation,
    test_as_validation,
    overfitting,
    underfitting,
)


def run(
    record: Record, rules: tuple[Rule, ...] = RULES, ignore: tuple[str, ...] = ()
) -> list[Finding]:
    """Everything `rules` find in `record`, in their order; a consequence joins its cause.

    `ignore` holds rule names; an unknown one is an InputError.

    >>> run(Record())
    []
    """
    return _run(record, rules, ignore)


def page(name: str, rules: tuple[Rule, ...] = RULES) -> str:
    """One rule's page: what the fault is, why it hurts, how to mend it, who says so.

    >>> print(page("leakage").splitlines()[0])
    leakage (error or warning): The same pictures are learned from and used to score.
    """
    return _page(name, rules)


def catalogue(rules: tuple[Rule, ...] = RULES) -> list[RuleRow]:
    """Name, severity and summary of each rule, root causes first.

    >>> catalogue()[0]["name"]
    'broken-images'
    """
    return _catalogue(rules)


__all__ = ["RULES", "Rule", "RuleRow", "catalogue", "name_of", "page", "run"]
