"""Records of watched runs: a real one, one as large as a ResNet-50's, a hostile one."""

from __future__ import annotations

import math
from functools import cache

from report_sample import HOSTILE

from steadygrad.record import (
    Epoch,
    Finding,
    Graph,
    LayerSignals,
    Loader,
    Loop,
    Operation,
    Optimizer,
    Parameter,
    ParameterSignals,
    Record,
    Scheduler,
    Step,
    Where,
)
from steadygrad.report.data import ReportData


@cache
def real() -> ReportData:
    """Twelve updates of a small network with one frozen weight and a ReLU that is half dead."""
    import torch
    from sklearn.datasets import load_digits

    import steadygrad

    torch.manual_seed(0)
    source = load_digits()
    images = torch.tensor(source.data, dtype=torch.float32) / 16
    labels = torch.tensor(source.target)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 32),
        torch.nn.Tanh(),
        torch.nn.Linear(32, 16),
        torch.nn.ReLU(),
        torch.nn.Linear(16, 10),
    )
    model[2].weight.requires_grad_(False)
    with torch.no_grad():
        model[4].bias[:8].fill_(-100)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 5)
    with steadygrad.watch(on_finding=lambda _: None) as watching:
        for at in range(0, 12 * 64, 64):
            loss = torch.nn.functional.cross_entropy(
                model(images[at : at + 64]), labels[at : at + 64]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    assert not watching.failures
    return ReportData(watching.record, "train.py", {"watch_seconds": 0.1, "script_seconds": 9.9})


def deep(blocks=58, steps=tuple(range(60)), broken_from=None) -> ReportData:
    """`blocks` times convolution, norm and ReLU; every statistic at every watched step."""
    record = Record()
    operations = []
    for block in range(blocks):
        for kind in ("conv2d", "batch_norm", "relu"):
            name = f"layer{block // 8}.{block % 8}.{kind}"
            weight = f"{name}.weight" if kind != "relu" else None
            where = Where("/home/somebody/project/resnet.py", 10 + block, name, weight)
            operations.append(Operation(kind, name, where, shape=[64, 256, 56, 56]))
    record.add(Graph(0, "train", operations, [len(operations) - 1]))
    for step in steps:
        broken = broken_from is not None and step >= broken_from
        record.add(Step(step + 1, 0, math.nan if broken else 2.3 / (step + 1), 0.1, 64))
        for index, operation in enumerate(operations):
            record.add(_signals(step, index, operation, broken))
            if operation.where.parameter:
                values = {"rms": 0.05, "update_ratio": math.nan if broken else 1e-3 * (1 + index)}
                record.add(ParameterSignals(step, operation.where.parameter, values))
    record.loop = Loop(
        step=len(steps),
        backwards=len(steps),
        optimizers=[Optimizer("SGD", groups=[{"lr": 0.1, "num_parameters": 161}], steps=60)],
        parameters=[
            Parameter(o.where.parameter, [64, 3, 3, 3], optimizer=0)
            for o in operations
            if o.where.parameter
        ],
    )
    return ReportData(record, "resnet.py")


def _signals(step, index, operation, broken):
    std = math.nan if broken else 1.0 + 0.01 * index
    values = {"mean": 0.1 * std, "std": std, "rms": std, "min": -3.0 * std, "max": 3.0 * std}
    values |= {"zero_fraction": 0.5 * (operation.name == "relu"), "grad_rms": 1e-4 * std}
    if operation.name == "relu":
        values |= {"dead_fraction": 0.002 * index, "dead_window": 500.0}
    shares = [1 / 24 + 0.0001 * bin for bin in range(24)]
    return LayerSignals(step, operation.layer, values, [] if broken else shares)


def hostile() -> ReportData:
    """Every name in the record tries to break out of the page."""
    where = Where(HOSTILE, 7, HOSTILE, HOSTILE)
    record = Record()
    for number in range(3):
        operation = Operation(HOSTILE, f"{HOSTILE}{number}", where, shape=[2, 3])
        record.add(Graph(0, "train", [operation]))
        for step in (0, 1):
            values = {"mean": 0.0, "std": 1.0, "min": -1.0, "max": 1.0, "grad_rms": 1.0}
            values |= {"dead_fraction": 0.5, "zero_fraction": 0.5, "saturated_fraction": 0.5}
            record.add(LayerSignals(step, operation.layer, values, [0.5] * 24))
    for step in (0, 1):
        record.add(ParameterSignals(step, HOSTILE, {"update_ratio": 1e-3}))
    record.add(Epoch(0, 1, 1.0, 1.0, 0.5))
    record.loop = Loop(
        optimizers=[Optimizer(HOSTILE, where, [{"lr": HOSTILE, "momentum": [HOSTILE]}])],
        schedulers=[Scheduler(HOSTILE, where, where, optimizer=9)],
        loaders=[Loader(where, sampler=HOSTILE, kind=HOSTILE)],
        parameters=[Parameter(HOSTILE, trainable=False, where=where)],
        models=[{"name": HOSTILE, "class": HOSTILE, "file": HOSTILE, "line": HOSTILE}],
        backwards=1,
        exception={"type": HOSTILE, "text": HOSTILE},
    )
    record.findings = [Finding(HOSTILE, "error", 1, HOSTILE, HOSTILE, HOSTILE, where=where)]
    sources = {f"{HOSTILE}:7": ["x" * 100_000, HOSTILE, "optimizer.step()", HOSTILE]}
    return ReportData(record, HOSTILE, sources=sources)


WATCHED = {"real": real, "deep": deep, "hostile-run": hostile}
