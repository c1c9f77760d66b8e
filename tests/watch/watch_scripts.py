"""Small scripts that tests run as processes, plainly and watched."""

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass

COMMAND = [sys.executable, "-m", "steadygrad", "watch"]
TRAIN = """
import sys
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 4))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
inputs = torch.randn(640, 8)
labels = (inputs[:, 0] > 0).long() + 2 * (inputs[:, 1] > 0).long()
data = torch.utils.data.TensorDataset(inputs, labels)
loader = torch.utils.data.DataLoader(data, 32, shuffle=True{loader})
if __name__ == "__main__":
    for step, (x, y) in enumerate(loader):
        {before}
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("last loss", loss.item())
    torch.save(net.state_dict(), sys.argv[1]) if len(sys.argv) > 1 else None
"""
NOT_A_NUMBER = 'x = x * float("nan") if step == 2 else x'


def train(before="pass", loader=""):
    """A healthy script of 20 steps; `before` is run in front of each."""
    return TRAIN.format(before=before, loader=loader)


@dataclass
class Ended:
    status: int
    out: str
    err: str


def environment(**extra):
    return {**os.environ, "OMP_NUM_THREADS": "1", **extra}


def run(command, folder, **extra):
    done = subprocess.run(
        [os.fspath(word) for word in command],
        cwd=folder,
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def plainly(folder, *words, **extra):
    return run([sys.executable, *words], folder, **extra)


def watched(folder, *words, **extra):
    return run([*COMMAND, *words], folder, **extra)


def write(folder, name, code):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(code), encoding="utf-8")
    return path


def without_our_words(text):
    """Standard error without the summary, which stands behind everything else."""
    return text.split("steadygrad: ")[0]
