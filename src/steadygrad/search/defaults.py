"""The space for those who name none: what usually matters, as much of it as the budget can tell."""

from __future__ import annotations

from steadygrad.models.fast import shape_for
from steadygrad.optim.make import DEFAULT_LR, DEFAULT_WEIGHT_DECAY
from steadygrad.record import Recipe
from steadygrad.search.space import Parameter, Space, Value, recipe_fields

FEW_RUNS = 8
"""Full-length runs under which only rate and weight decay are searched ..."""
MANY_RUNS = 24
"""... and from which names are too: each choice divides the runs among its values."""
MOST_RUNS = 64
"""... and from which the network itself is: each of its choices changes what all others do."""
OPTIMIZERS = ("nesterov", "adamw")
"""Offered beside the one that would be chosen."""
SMALL_PICTURE = 63
UNTYPED = Recipe()


def default_space(asked: Recipe, resolved: Recipe, runs: float) -> Space:
    """Ranges around what would be chosen for these pictures; what the user typed stays as it is."""
    parameters = _rates(asked, resolved, runs)
    if runs >= FEW_RUNS:
        parameters += [_range("label_smoothing", 0.0, 0.3), _range("dropout", 0.0, 0.5)]
        parameters += [_range("warmup", 0.0, 0.3), _augmentation(resolved)]
    if runs >= MANY_RUNS:
        size = resolved.batch_size
        sizes = tuple(s for s in (size // 2, size, size * 2) if s >= 16)
        parameters += [
            Parameter("batch_size", choices=sizes),
            Parameter("schedule", choices=("linear", "cosine", "one-cycle")),
        ]
    if runs >= MOST_RUNS and resolved.model == "fast":
        parameters += _network(resolved)
    typed = {name for name, value in vars(asked).items() if value != getattr(UNTYPED, name)}
    return Space(tuple(p for p in parameters if p.field not in typed))


def _network(resolved: Recipe) -> list[Parameter]:
    """Size, norm and start of the network that is chosen by itself."""
    shape = shape_for(resolved.image_size, width=resolved.width, depth=resolved.depth)
    width, depth = shape.widths[0], shape.convs_per_group
    return [
        Parameter("width", choices=(width // 2, width, width * 3 // 2)),
        Parameter("depth", choices=(depth, depth + 1)),
        Parameter("norm", choices=("auto", "group")),
        Parameter("init", choices=("auto", "kaiming-normal", "orthogonal")),
    ]


def _rates(asked: Recipe, resolved: Recipe, runs: float) -> list[Parameter]:
    """Rate and decay, of each update rule its own where several are tried."""
    decay = resolved.weight_decay
    decay = decay if decay > 0 else max(DEFAULT_WEIGHT_DECAY[resolved.optimizer], 1e-4)
    found = [_range("weight_decay", decay / 100, decay * 30, log=True)]
    rate = resolved.lr or DEFAULT_LR[resolved.optimizer]
    if runs < MANY_RUNS or asked.optimizer != "auto":
        return [_range("lr", rate / 100, rate * 10, log=True), *found]
    names = tuple(dict.fromkeys((resolved.optimizer, *OPTIMIZERS)))
    found.insert(0, Parameter("optimizer", choices=names))
    for name in names:
        centre = rate if name == resolved.optimizer else DEFAULT_LR[name]
        part = _range("lr", centre / 100, centre * 10, log=True)
        found.append(
            Parameter(
                f"lr@{name}",
                part.low,
                part.high,
                log=True,
                limits=part.limits,
                when=("optimizer", name),
            )
        )
    return found


def _augmentation(resolved: Recipe) -> Parameter:
    """How strongly pictures are varied: shifts of small ones, crops of larger ones."""
    if resolved.image_size <= SMALL_PICTURE:
        most = max(2, resolved.image_size // 8)
        return Parameter("shift", 0, most, whole=True, limits=(0, resolved.image_size // 4))
    return _range("min_crop", 0.15, 1.0)


def _own_size(resolved: Recipe, field: str) -> int:
    shape = shape_for(resolved.image_size)
    return shape.widths[0] if field == "width" else shape.convs_per_group


def _range(name: str, low: float, high: float, *, log: bool = False) -> Parameter:
    field = recipe_fields()[name]
    low, high = max(low, field.low), min(high, field.high)
    if log:  # short numbers: they are read, and written into commands
        low, high = float(f"{low:.2g}"), float(f"{high:.2g}")
    return Parameter(name, low, high, log, limits=(field.low, field.high))


def default_point(space: Space, resolved: Recipe) -> dict[str, Value]:
    """What would be chosen without a search, moved into the space: the first trial."""
    point: dict[str, Value] = {}
    for parameter in space.parameters:
        if parameter.when is not None and point.get(parameter.when[0]) != parameter.when[1]:
            continue
        value = getattr(resolved, parameter.field)
        if parameter.field in ("width", "depth") and value == 0:
            value = _own_size(resolved, parameter.field)
        if parameter.field == "lr" and value == 0:
            value = DEFAULT_LR[resolved.optimizer]
        if parameter.field == "weight_decay" and value < 0:
            value = DEFAULT_WEIGHT_DECAY[resolved.optimizer]
        if parameter.choices:
            value = value if value in parameter.choices else parameter.choices[0]
        else:
            value = min(max(value, parameter.low), parameter.high)
        point[parameter.name] = value
    return point
