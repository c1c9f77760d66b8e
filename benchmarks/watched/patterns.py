"""What a tool's alarm has to say to have named a fault: lenient, and generous where in doubt.

A list of suspects counts when the right one is among them; the place need not be right.
"""

import re

PATTERNS = {
    "augmentation-too-strong": r"augment",
    "augmented-evaluation": r"augment|differ.{0,40}(eval|pass)|transform",
    "bias-before-norm": r"redundant bias|bias.{0,40}norm",
    "class-imbalance": r"imbalanc|majority|class (counts|distribution)",
    "collapsed-output": r"same output|collaps|constant (output|prediction)|output_varies",
    "dead-relu": r"dead (relu|neuron|unit)|dead filter|all-zero gradient",
    "double-softmax": r"softmax|sigmoid|already probabilit|log_softmax",
    "dropout-at-eval": r"eval mode differ|randomness in eval|dropout",
    "dropout-misuse": r"dropout",
    "eval-mode-training": r"eval mode|\.train\(\)|training mode|training flag",
    "exploding-gradient": r"explo|gradient.{0,60}(excessively high|too large)|spike in grad",
    "frozen-norm-updates": r"running stat|frozen",
    "graph-retained": r"memory (leak|grow)|retain|graph.{0,20}kept",
    "init-scale": r"initiali[sz]|\binit\b",
    "input-constant": r"near-zero variance|\bflat\b|empty data|blank|no influence|constant input",
    "input-mismatch": r"input.{0,40}(mismatch|shift)|normali[sz]ed twice",
    "input-scale": r"data range|input (scale|normali[sz]ation)|normali[sz]e (the )?input|0, 255",
    "label-misalignment": r"label.{0,40}(shuffl|align|match)|targets match",
    "label-range": r"label.{0,40}(range|out of)|target.{0,40}(range|out of|match)|out of bounds",
    "leakage": r"leak|duplicate",
    "loss-at-init": r"initial loss|over-confident at init",
    "loss-broadcast": r"broadcast|shape.{0,60}(target|loss)|targets match|scalar",
    "loss-choice": r"loss (function|choice)|targets match|criterion",
    "loss-input": r"loss.{0,60}(logit|probabilit|log)|targets match|negative loss"
    r"|loss is (nan|-?inf)",
    "loss-reduction": r"reduction|summed|sum of",
    "lr-too-high": r"(lr|learning rate).{0,40}(too high|lower|decrease|reduce)|lower learning rate"
    r"|(check|too high).{0,20}(learning rate|\blr\b)|diverg|loss spike|explo",
    "lr-too-low": r"(lr|learning rate).{0,40}(too low|increase|raise)|loss plateau"
    r"|check the learning",
    "missing-zero-grad": r"zero_grad|accumulat|not (cleared|zeroed)|stale grad",
    "no-gradient": r"no gradient|not connected to the autograd|get no grad|never called|unused"
    r"|all-zero gradient|graph is cut|did not change",
    "no-nonlinearity": r"non-?linear|activation function missing|purely linear",
    "no-step": r"never step|optimizer\.step|not updated|did not change",
    "non-finite": r"\bnan\b|\binf\b|non-?finite",
    "norm-gap": r"running stat|(eval|train).{0,40}(gap|differ)",
    "norm-placement": r"norm.{0,40}(order|placement|after|before)",
    "norm-small-batch": r"tiny batch|small batch|batch size.{0,40}(small|norm)|mixes information",
    "not-learning": r"did not decrease|plateau|not (learning|decreasing|improving)|stagnat",
    "not-shuffled": r"shuffl|sorted|same order",
    "optimizer-misses-parameters": r"not in the optimizer|optimizer (holds|misses)"
    r"|not parameters of|unused layer|never called|did not change",
    "output-activation": r"output.{0,40}(range|activation|clip)|last (layer|activation)",
    "overfitting": r"overfitting|generali[sz]ation gap",
    "saturated-activation": r"saturat",
    "scheduler-frequency": r"schedul|(lr|learning rate) changed",
    "softmax-dim": r"softmax.{0,40}dim|mixes information|across the batch|other sample",
    "softmax-single-unit": r"softmax|same output|all-zero gradient|single (unit|class)",
    "symmetric-init": r"symmetr|identical (rows|weights|units|filters)|same weights"
    r"|dead convolution|entirely zero|initiali[sz]",
    "test-as-validation": r"test set",
    "train-mode-evaluation": r"train(ing)? mode.{0,40}eval|eval\(\)",
    "underfitting": r"capacity|underfit",
    "vanishing-gradient": r"vanish|gradient too small",
    "weight-decay-too-high": r"weight.?decay",
    "zero-grad-misplaced": r"zero_grad|no gradients? (found|at)|exactly zero gradient",
}


def names(rule: str, text: str) -> bool:
    """Whether an alarm's text names a fault.

    >>> names("dead-relu", "TA105 Activation Collapse (Dead Neurons): 95% zeros")
    True
    >>> names("dead-relu", "Loss plateau: no improvement")
    False
    """
    return re.search(PATTERNS[rule], text, re.IGNORECASE) is not None
