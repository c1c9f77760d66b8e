"""What is done to pixels before the network sees them, fitted on the training pictures only.

One object serves training, evaluation and export, so the three cannot drift apart. Statistics
are kept in units of a whole pixel range (pixel / 255), so mean-image and channel-mean give
values in [-1, 1]. docs/preprocessing.md says what each name does and when to use it.
"""

from steadygrad.preprocess.module import Preprocess
from steadygrad.preprocess.statistics import PER_PIXEL, PREPROCESS, check_preprocess

__all__ = ["PER_PIXEL", "PREPROCESS", "Preprocess", "check_preprocess"]
