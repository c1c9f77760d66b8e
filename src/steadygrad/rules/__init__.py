"""The faults Steadygrad knows by name: a rule reads a Record and yields Findings, nothing else.

One file per rule, named after its fault; the docstring is its page. `RULES` holds them, root causes
first. A rule of your own is any such function: `run(record, rules=(*RULES, mine))`.
"""

from steadygrad.record import Finding, Record
from steadygrad.rules.augmentation_too_strong import augmentation_too_strong
from steadygrad.rules.augmented_evaluation import augmented_evaluation
from steadygrad.rules.bias_before_norm import bias_before_norm
from steadygrad.rules.broken_images import broken_images
from steadygrad.rules.class_imbalance import class_imbalance
from steadygrad.rules.collapsed_output import collapsed_output
from steadygrad.rules.dead_relu import dead_relu
from steadygrad.rules.double_softmax import double_softmax
from steadygrad.rules.dropout_at_eval import dropout_at_eval
from steadygrad.rules.dropout_misuse import dropout_misuse
from steadygrad.rules.eval_mode_training import eval_mode_training
from steadygrad.rules.exploding_gradient import exploding_gradient
from steadygrad.rules.framework import Rule, RuleRow, name_of
from steadygrad.rules.framework import catalogue as _catalogue
from steadygrad.rules.framework import page as _page
from steadygrad.rules.framework import run as _run
from steadygrad.rules.frozen_norm_updates import frozen_norm_updates
from steadygrad.rules.graph_retained import graph_retained
from steadygrad.rules.init_scale import init_scale
from steadygrad.rules.input_constant import input_constant
from steadygrad.rules.input_mismatch import input_mismatch
from steadygrad.rules.input_scale import input_scale
from steadygrad.rules.label_misalignment import label_misalignment
from steadygrad.rules.label_range import label_range
from steadygrad.rules.leakage import leakage
from steadygrad.rules.loss_at_init import loss_at_init
from steadygrad.rules.loss_broadcast import loss_broadcast
from steadygrad.rules.loss_choice import loss_choice
from steadygrad.rules.loss_input import loss_input
from steadygrad.rules.loss_reduction import loss_reduction
from steadygrad.rules.lr_too_high import lr_too_high
from steadygrad.rules.lr_too_low import lr_too_low
from steadygrad.rules.missing_zero_grad import missing_zero_grad
from steadygrad.rules.no_gradient import no_gradient
from steadygrad.rules.no_nonlinearity import no_nonlinearity
from steadygrad.rules.no_step import no_step
from steadygrad.rules.non_finite import non_finite
from steadygrad.rules.norm_gap import norm_gap
from steadygrad.rules.norm_placement import norm_placement
from steadygrad.rules.norm_small_batch import norm_small_batch
from steadygrad.rules.not_learning import not_learning
from steadygrad.rules.not_shuffled import not_shuffled
from steadygrad.rules.optimizer_misses_parameters import optimizer_misses_parameters
from steadygrad.rules.output_activation import output_activation
from steadygrad.rules.overfitting import overfitting
from steadygrad.rules.saturated_activation import saturated_activation
from steadygrad.rules.scheduler_frequency import scheduler_frequency
from steadygrad.rules.softmax_dim import softmax_dim
from steadygrad.rules.softmax_single_unit import softmax_single_unit
from steadygrad.rules.symmetric_init import symmetric_init
from steadygrad.rules.test_as_validation import test_as_validation
from steadygrad.rules.train_mode_evaluation import train_mode_evaluation
from steadygrad.rules.underfitting import underfitting
from steadygrad.rules.vanishing_gradient import vanishing_gradient
from steadygrad.rules.weight_decay_too_high import weight_decay_too_high
from steadygrad.rules.zero_grad_misplaced import zero_grad_misplaced

RULES: tuple[Rule, ...] = (
    broken_images,
    leakage,
    input_constant,
    non_finite,
    label_range,
    softmax_single_unit,
    softmax_dim,
    double_softmax,
    loss_input,
    loss_broadcast,
    loss_choice,
    output_activation,
    no_step,
    zero_grad_misplaced,
    missing_zero_grad,
    optimizer_misses_parameters,
    no_gradient,
    eval_mode_training,
    symmetric_init,
    no_nonlinearity,
    input_mismatch,
    input_scale,
    init_scale,
    not_shuffled,
    label_misalignment,
    norm_small_batch,
    train_mode_evaluation,
    dropout_at_eval,
    augmented_evaluation,
    frozen_norm_updates,
    scheduler_frequency,
    loss_reduction,
    dropout_misuse,
    class_imbalance,
    test_as_validation,
    graph_retained,
    bias_before_norm,
    norm_placement,
    loss_at_init,
    weight_decay_too_high,
    lr_too_high,
    dead_relu,
    saturated_activation,
    exploding_gradient,
    vanishing_gradient,
    lr_too_low,
    norm_gap,
    augmentation_too_strong,
    collapsed_output,
    not_learning,
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
