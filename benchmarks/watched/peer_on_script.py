"""Run one script with a peer looking on, and write what the peer warned of as JSON.

    python benchmarks/watched/peer_on_script.py torch-audit alarms.json script.py --seed 0

torchtest2 is one-shot: it gets the model, the batch, the loss and the optimizer at the first
backward, and the script ends there. torch-audit and trainpulse look on until the script ends.
"""

from __future__ import annotations

import json
import math
import runpy
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from capture import Seen, install, loss_of, without_graph
from torch import nn
from torch.utils._pytree import tree_map

Alarms = list[dict[str, Any]]


def torchtest2(seen: Seen, report: dict[str, Any]) -> Callable[[], None]:
    """Its check_model at the first backward, before the first step."""
    from torchtest2 import check_model

    def look(loss: torch.Tensor) -> None:
        if report["asked"] is not None:  # its own backward passes
            return
        report["asked"] = False
        calls = [(loss_of(seen, call, loss), call) for call in seen.calls]
        usable = [(found, call) for found, call in calls if found is not None]
        if not usable:
            report["why_not"] = f"{len(calls)} calls of modules, none leads to the loss"
            raise SystemExit(0)
        (loss_fn, targets), call = max(
            usable, key=lambda pair: sum(p.numel() for p in pair[1].module.parameters())
        )
        inputs: Any = tree_map(without_graph, call.args or call.kwargs)
        if len(call.args) == 1:
            inputs = inputs[0]
        optimizer = seen.optimizer_of(call.module)
        result = check_model(call.module, inputs, targets, loss_fn=loss_fn, optimizer=optimizer)
        # What crashes here though it worked in the script is the adapter's doing, so no alarm.
        crashed = [r for r in result.failures if "raised" in r.message]
        report["asked"] = not any(r.name in ("forward", "loss") for r in crashed)
        report["why_not"] = "; ".join(f"{r.name}: {r.message}" for r in crashed)
        report["alarms"] += [
            {"name": r.name, "severity": r.status.value, "text": f"{r.name}: {r.message}"}
            for r in (*result.failures, *result.warnings)
            if report["asked"] and r not in crashed
        ]
        raise SystemExit(0)

    seen.after_backward.append(look)
    return lambda: None


def torch_audit(seen: Seen, report: dict[str, Any]) -> Callable[[], None]:
    """Its autopatch on every model, from its first call with an optimizer on, at every step.

    Advice on speed (category Performance) is no alarm, nor are notes (INFO).
    """
    from torch_audit import Severity, autopatch

    auditors: dict[int, Any] = {}

    def look(module: nn.Module) -> None:
        optimizer = seen.optimizer_of(module)
        if optimizer is None or id(module) in auditors:
            return
        report["asked"] = True
        auditors[id(module)] = autopatch(module, optimizer=optimizer, every_n_steps=1)

    def finish() -> None:
        told: set[tuple[Any, ...]] = set()
        for auditor in auditors.values():
            result = auditor.finish()
            for finding in result.findings:
                rule = result.rules.get(finding.rule_id)
                advice = rule is not None and rule.category == "Performance"
                internal = finding.rule_id == "TA000"
                key = (finding.rule_id, finding.module_path, finding.entity)
                if finding.severity < Severity.WARN or advice or internal or key in told:
                    continue
                told.add(key)
                text = f"{finding.rule_id} {rule.title if rule else ''}: {finding.message}"
                report["alarms"].append(
                    {
                        "name": finding.rule_id,
                        "severity": finding.severity.value,
                        "text": f"{text} {rule.remediation if rule else ''}",
                        "step": finding.step,
                    }
                )

    seen.before_call.append(look)
    return finish


def trainpulse(seen: Seen, report: dict[str, Any]) -> Callable[[], None]:
    """Its Monitor for every optimizer: loss, gradient norm and learning rate of every step.

    Step times are not handed over: they would report what else the machine is doing.
    """
    from trainpulse import Monitor

    monitors: dict[int, Any] = {}
    steps: dict[int, int] = {}
    pending: list[float] = []

    def backward(loss: torch.Tensor) -> None:
        report["asked"] = True
        pending.append(float(loss.detach().mean()))

    def step(optimizer: torch.optim.Optimizer) -> None:
        monitor = monitors.setdefault(id(optimizer), Monitor())
        number = steps[id(optimizer)] = steps.get(id(optimizer), -1) + 1
        held = [p.grad for group in optimizer.param_groups for p in group["params"]]
        squares = [float(g.detach().float().norm()) ** 2 for g in held if g is not None]
        if pending:
            monitor.log("loss", number, sum(pending) / len(pending))
            pending.clear()
        monitor.log("grad_norm", number, math.sqrt(sum(squares)))
        monitor.log("lr", number, float(optimizer.param_groups[0]["lr"]))

    def finish() -> None:
        if not monitors:  # no optimizer stepped: the losses are all there is
            monitor = monitors.setdefault(0, Monitor())
            for number, loss in enumerate(pending):
                monitor.log("loss", number, loss)
        for monitor in monitors.values():
            report["alarms"] += [
                {
                    "name": alert.detector,
                    "severity": alert.severity.value,
                    "text": alert.message,
                    "step": alert.step,
                }
                for alert in monitor.alerts
                if alert.severity.value != "info"
            ]

    seen.after_backward.append(backward)
    seen.before_step.append(step)
    return finish


PEERS = {"torchtest2": torchtest2, "torch-audit": torch_audit, "trainpulse": trainpulse}


def main() -> int:
    peer, out, script, *arguments = sys.argv[1:]
    report: dict[str, Any] = {"asked": None, "why_not": "", "alarms": [], "crash": ""}
    seen, tape = install()
    finish = PEERS[peer](seen, report)
    sys.argv = [script, *arguments]
    status = 0
    try:
        if peer == "torchtest2":
            with tape:
                runpy.run_path(script, run_name="__main__")
        else:
            runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        report["crash"] = traceback.format_exc()[-2000:]
        status = 1
    finish()
    report["asked"] = bool(report["asked"])
    report["status"] = status
    Path(out).write_text(json.dumps(report), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
