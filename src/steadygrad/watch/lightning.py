"""`Trainer(callbacks=[WatchCallback()])`: watch a Lightning run. Needs lightning.

>>> from steadygrad.watch.lightning import WatchCallback  # doctest: +SKIP
>>> trainer = Trainer(max_epochs=3, callbacks=[WatchCallback()])  # doctest: +SKIP
"""

from __future__ import annotations

from typing import Any

from steadygrad.watch.library import Watching
from steadygrad.watch.optional import class_of

Callback: Any = class_of(
    "Callback", ("lightning.pytorch", "pytorch_lightning"), install="lightning"
)


class WatchCallback(Callback):
    """Watches `trainer.fit`; takes what `steadygrad.watch` takes; findings are in `watching`."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.watching = Watching(**options)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch; only the first of several processes speaks."""
        self.watching = Watching(**self.options)
        if trainer.is_global_zero:
            self.watching.know(pl_module)
            self.watching.start()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002
        """The run died: say what was found."""
        self.watching.close(exception)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """The run is over."""
        self.watching.close()
