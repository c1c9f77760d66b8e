"""
rule: loss-input
severity: error
style: two models, distillation
data: digits
source: RULES.md (kl_div wants logarithms of probabilities as its input)
also: lr-too-low, not-learning
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn


def teach(teacher, x, y, epochs=8):
    optimizer = torch.optim.Adam(teacher.parameters(), lr=3e-3)
    for _ in range(epochs):
        for idx in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(teacher(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return teacher.eval().requires_grad_(False)


def distil(student, teacher, x, T=2.0, epochs=8):
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    for epoch in range(epochs):
        for idx in torch.randperm(len(x)).split(64):
            soft_targets = F.softmax(teacher(x[idx]) / T, dim=1)
            soft_prob = F.softmax(student(x[idx]) / T, dim=1)  # FAULT
            # FIXED: soft_prob = F.log_softmax(student(x[idx]) / T, dim=1)
            loss = F.kl_div(soft_prob, soft_targets, reduction="batchmean") * T**2  # ALSO
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"student epoch {epoch}: {loss.item():.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.from_numpy(a) for a in digits())
    x, xt = x.flatten(1) / 8 - 1, xt.flatten(1) / 8 - 1
    teacher = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    student = nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))
    teach(teacher, x, y)
    distil(student, teacher, x)
    with torch.no_grad():
        print("score:", (student(xt).argmax(1) == yt).float().mean().item())


main()
