"""`Trainer(callbacks=[WatchCallback()])`: watch a Hugging Face Trainer. Needs transformers.

>>> from steadygrad.watch.hugging_face import WatchCallback  # doctest: +SKIP
>>> trainer = Trainer(model=model, args=arguments, callbacks=[WatchCallback()])  # doctest: +SKIP
"""

from __future__ import annotations

from typing import Any

from steadygrad.watch.library import Watching
from steadygrad.watch.optional import class_of

TrainerCallback: Any = class_of("TrainerCallback", ("transformers",), install="transformers")


class WatchCallback(TrainerCallback):
    """Watches `trainer.train`; takes what `steadygrad.watch` takes; findings are in `watching`."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.watching = Watching(**options)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Begin to watch; only the first of several processes speaks."""
        self.watching.close()  # an earlier `train` that died: the Trainer does not tell of it
        self.watching = Watching(**self.options)
        if state.is_world_process_zero:
            self.watching.know(kwargs.get("model"))
            self.watching.start()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """The run is over."""
        self.watching.close()
