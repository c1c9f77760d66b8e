"""One measurement in this process: its JSON in as the only argument, its result out as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from side_by_side.measure import Measurement


def load_way(name: str) -> Callable[[Measurement, Any], dict[str, Any]]:
    """Import what a way needs, which takes seconds and is not measured."""
    if name.startswith("keras-"):
        os.environ["KERAS_BACKEND"] = name.removeprefix("keras-")
        from side_by_side.keras_way import train_keras

        return train_keras
    from side_by_side import ways

    if name == "lightning":
        import lightning  # noqa: F401
    return getattr(ways, name.replace("-", "_"))


def main() -> None:
    """Measure and print."""
    values = json.loads(sys.argv[1])
    measurement = Measurement(**{**values, "without": tuple(values["without"])})
    way = load_way(measurement.way)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(measurement.threads)
    clock = measurement.clock()
    notes = way(measurement, clock)
    print(json.dumps({**clock.result(), **notes}))


if __name__ == "__main__":
    main()
