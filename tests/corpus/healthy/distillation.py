"""
healthy: yes
style: teacher and student
data: digits
source: Hinton et al. 2015
trap: softmax and log_softmax with a temperature; a teacher that runs under no_grad in eval
"""

import argparse

import torch
import torch.nn.functional as F
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_teacher():
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 256),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def make_student():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def train_teacher(teacher, loader):
    optimizer = torch.optim.Adam(teacher.parameters(), lr=2e-3)
    teacher.train()
    for _ in range(6):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(teacher(x), y).backward()
            optimizer.step()


def distill(teacher, student, loader, temperature=3.0, alpha=0.7):
    optimizer = torch.optim.Adam(student.parameters(), lr=5e-3)
    teacher.eval()
    for epoch in range(10):
        student.train()
        for x, y in loader:
            with torch.no_grad():
                teacher_logits = teacher(x)
            student_logits = student(x)
            soft = F.kl_div(
                F.log_softmax(student_logits / temperature, dim=1),
                F.softmax(teacher_logits / temperature, dim=1),
                reduction="batchmean",
            )
            hard = F.cross_entropy(student_logits, y)
            loss = alpha * temperature**2 * soft + (1 - alpha) * hard
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: soft {soft.item():.4f} hard {hard.item():.4f}")


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
x, y, xt, yt = (torch.tensor(a) for a in digits())
x, xt = (x - 4.9) / 6, (xt - 4.9) / 6
loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
teacher, student = make_teacher(), make_student()
train_teacher(teacher, loader)
print(f"teacher {accuracy(teacher, xt, yt):.3f}")
distill(teacher, student, loader)
print(f"score: {accuracy(student, xt, yt):.4f}")
