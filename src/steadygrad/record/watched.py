"""What the monitor writes of a watched step: the graph, its values, the batch, the loop's habits.

The structure (`Graph`) is written once and again when it changes; the numbers (`LayerSignals`,
`ParameterSignals`, `Batch`) at each watched step; `Loop` is the sum of all steps so far and each
new one replaces the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steadygrad.record.measured import Where

OUTSIDE = -1
"""In `Operation.inputs`: a tensor made before this pass (the batch, a constant, an old result)."""
PARAMETER = -2
"""In `Operation.inputs`: a trainable tensor."""


@dataclass
class Operation:
    """One tensor operation of a pass, in the order of execution."""

    name: str
    """Its plain name: "linear", "conv2d", "relu", "softmax", "cross_entropy", "add", "reshape", …
    One name for module, function, method and in-place form (docs/monitor.md lists them)."""
    layer: str
    """Key of its signals, the same at every step: module's dotted name where an operation is all
    its module does, else "module/name", with "#2" … when it comes again."""
    where: Where = field(default_factory=Where)
    """The user's line that called it (innermost), the module it runs in, its weight's name."""
    built: Where | None = None
    """The user's line that built the module it runs in."""
    called: Where | None = None
    """The user's outermost line of this call: where the loop calls the model."""
    inputs: list[int] = field(default_factory=list[int])
    """For each tensor argument the operation that made it (position in the graph), OUTSIDE or
    PARAMETER."""
    input_shapes: list[list[int]] = field(default_factory=list[list[int]])
    shape: list[int] = field(default_factory=list[int])
    """Of the (first) output."""
    dtype: str = ""
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    """Of the call: dim, p, training, reduction, label_smoothing, weighted, momentum, groups,
    kernel, has_bias, keyword values that are plain."""


@dataclass
class Graph:
    """The operations of one pass: everything between two updates, or one evaluation batch."""

    step: int
    """Updates done when it ran: 0 before the first."""
    kind: str
    """"train" or "evaluation" (no backward follows)."""
    operations: list[Operation] = field(default_factory=list[Operation])
    roots: list[int] = field(default_factory=list[int])
    """Operations whose result `backward` was called on."""
    outputs: list[int] = field(default_factory=list[int])
    """Operations that made what the user's models returned, one per call of a model."""


@dataclass
class LayerSignals:
    """Statistics of one operation's output at one watched step.

    Keys of `values` (absent where not measured): mean, std, rms, min, max, zero_fraction,
    non_finite_fraction, saturated_fraction (tanh, sigmoid), batch_spread (how much outputs differ
    between examples: RMS over features of the std over examples, by the output's RMS),
    dead_fraction and dead_window (units zero for each of the last dead_window examples), grad_rms
    and grad_non_finite (of the loss by this output); of a training-mode norm values_per_channel,
    running_mean_gap (RMS of batch mean - running mean, in running stds), running_var_ratio (median
    of batch by running variance); of a loss value, input_min, input_max, input_row_sum_deviation
    (largest |sum over classes - 1|), input_exp_row_sum_deviation, target_min, target_max,
    target_distinct, target_integral (1 or 0), accuracy, majority_share (of the class predicted
    most).
    """

    step: int
    layer: str
    values: dict[str, float] = field(default_factory=dict[str, float])
    histogram: list[float] = field(default_factory=list[float])
    """Shares of 24 equal bins between min and max; empty where not measured."""
    kind: str = "train"


@dataclass
class ParameterSignals:
    """Statistics of one trainable tensor at one watched update.

    Keys of `values`: rms (before the update), grad_rms, update_ratio (RMS of the change by `rms`),
    non_finite, and for weights of two or more dimensions row_difference (largest |row - first row|
    by the largest |value|; 0 where all units are equal) and grad_row_difference; decay_ratio (RMS
    of weight decay's part by RMS of the gradient's part). No grad_rms: it had no gradient.
    """

    step: int
    parameter: str
    values: dict[str, float] = field(default_factory=dict[str, float])


@dataclass
class Batch:
    """What a model was called with, once per call on watched steps."""

    step: int
    kind: str = "train"
    size: int = 0
    """Examples: length of the first dimension."""
    shape: list[int] = field(default_factory=list[int])
    dtype: str = ""
    model: str = ""
    """Name of the model called (`Loop.models`)."""
    where: Where = field(default_factory=Where)
    """The user's line that calls the model."""
    origin: Where | None = None
    """The user's line that made these numbers of raw data (where it could be followed)."""
    inputs: dict[str, float] = field(default_factory=dict[str, float])
    """min, max, mean, std, batch_spread, non_finite_fraction, zero_fraction; feature_std_ratio:
    largest by median std of a feature, for inputs of two dimensions."""
    channel_means: list[float] = field(default_factory=list[float])
    channel_stds: list[float] = field(default_factory=list[float])
    """Per channel (dimension 1 of pictures); empty for other inputs."""
    fingerprint: str = ""
    """Of all input numbers: equal batches have equal ones."""
    examples: list[int] = field(default_factory=list[int])
    """A fingerprint per example, at most 256; an example without variation counts as 0."""
    labels: list[int] = field(default_factory=list[int])
    """Class labels the loss got with this batch, in order, at most 512; empty where it got none."""
    shares_memory: bool = False
    """The tensor is a part of a bigger one (a slice of the data set)."""
    training: bool = True
    """The model's `training` flag."""
    modes: dict[str, int] = field(default_factory=dict[str, int])
    """Counts over the model's modules: norms, norms_training, dropouts, dropouts_training."""
    grad_enabled: bool = True


@dataclass
class Parameter:
    """One trainable or frozen tensor of the models seen, and what became of it so far."""

    name: str
    shape: list[int] = field(default_factory=list[int])
    trainable: bool = True
    """`requires_grad`."""
    registered: bool = True
    """False: used, but no model that was called holds it (a plain list of layers, a raw tensor)."""
    optimizer: int | None = None
    """Position in `Loop.optimizers`."""
    group: int = 0
    used_by: str = ""
    """`Operation.layer` of the first operation that takes it; empty: none does."""
    where: Where = field(default_factory=Where)
    """The user's line that built its module."""
    watched: int = 0
    """Watched updates (of its optimizer, or of any where it has none) since it was first seen."""
    received: int = 0
    """Those of them at which it had a gradient that is not zero all over."""
    missing: int = 0
    """Those at which it had no gradient at all (None)."""


@dataclass
class Optimizer:
    """One optimizer, its groups and how it is treated."""

    name: str
    """Its class; "manual" stands for updates by hand, of which only `stale` is known."""
    where: Where = field(default_factory=Where)
    """The user's line that made it."""
    groups: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Plain numbers of each group: lr (now), initial_lr, weight_decay, momentum, num_parameters."""
    steps: int = 0
    """Updates done in all."""
    step_where: Where = field(default_factory=Where)
    """The user's line of the last `step()`."""
    watched: int = 0
    """Watched updates."""
    stale: int = 0
    """Watched updates whose gradient still held that of an update before (never zeroed)."""
    wiped: int = 0
    """Watched updates that found no gradient although a backward had made some since the last."""
    wiped_inside: int = 0
    """Watched updates before which a backward's gradient was wiped, unused, by a zero_grad."""
    wipe_where: Where = field(default_factory=Where)
    """The user's line of the zero_grad that did so last."""
    backwards_per_step: float = 0.0
    """Median over watched updates."""
    unknown_tensors: int = 0
    """Tensors it holds that no model seen owns."""
    decoupled_decay: bool = False
    """AdamW and kin."""
    closure: bool = False
    """`step(closure)`."""


@dataclass
class Scheduler:
    """One learning rate schedule and how often it is stepped."""

    name: str
    where: Where = field(default_factory=Where)
    step_where: Where = field(default_factory=Where)
    optimizer: int | None = None
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    """Plain attributes: T_max, step_size, gamma, total_steps, milestones, patience, T_0, …"""
    steps: int = 0
    """Calls of `step()` so far (the one in the constructor not counted)."""
    optimizer_steps: int = 0
    """Updates of its optimizer so far, since the schedule was made."""
    epochs: int = 0
    """Passes over the training loader begun since the schedule was made."""
    before_optimizer: bool = False
    """The first `step()` came before the optimizer's first."""
    first_lr: float = 0.0
    last_lr: float = 0.0


@dataclass
class Loader:
    """One DataLoader."""

    where: Where = field(default_factory=Where)
    num_batches: int = 0
    batch_size: int = 0
    num_examples: int = 0
    sampler: str = ""
    """Class of the sampler: "RandomSampler", "SequentialSampler", …"""
    drop_last: bool = False
    iterations: int = 0
    """Times iteration over it was begun."""
    kind: str = ""
    """"train" where its batches led to updates, "evaluation" where not, "" unknown."""


@dataclass
class Loop:
    """The loop's habits so far. The latest one written counts."""

    step: int = 0
    backwards: int = 0
    """Calls of backward so far."""
    backward_where: Where = field(default_factory=Where)
    optimizers: list[Optimizer] = field(default_factory=list[Optimizer])
    schedulers: list[Scheduler] = field(default_factory=list[Scheduler])
    loaders: list[Loader] = field(default_factory=list[Loader])
    parameters: list[Parameter] = field(default_factory=list[Parameter])
    models: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """name, class, where (file:line built), training_calls, evaluation_calls, num_parameters."""
    zero_grads: int = 0
    manual_updates: bool = False
    """Weights change between backwards without an optimizer."""
    batch_period: int = 0
    """Batches come in the same order again after so many; 0: no such period was seen."""
    periods_seen: float = 0.0
    """How many times over the period was seen."""
    evaluation_runs: int = 0
    """Stretches of forward passes without backward, not one between each two updates."""
    evaluation_runs_training: int = 0
    """Those with the model in training mode."""
    evaluation_where: Where = field(default_factory=Where)
    """The user's line that calls the model there."""
    retained_losses: int = 0
    """Old loss tensors that were kept with their graph at a time, at most."""
    retained_where: Where = field(default_factory=Where)
    """The user's line that adds a loss with its graph to a running total, or calls backward."""
    neighbours: dict[str, float] = field(default_factory=dict[str, float])
    """Do near inputs have equal labels? agreement (share of examples whose nearest neighbour has
    their label), chance (the same under shuffled labels), standard_error, count, distance_ratio
    (nearest by mean distance; near 1 for noise without structure)."""
    gradient_scaler: bool = False
    compiled: bool = False
    exception: dict[str, Any] = field(default_factory=dict[str, Any])
    """The script's own, where it died of one: type, text, file, line, operation."""
    finished: bool = False
    """The script is over: what was not seen by now never comes."""
