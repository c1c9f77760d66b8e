"""
healthy: yes
style: closure, full batch, double precision
data: generated (sine waves)
source: the shape of PyTorch's time sequence prediction example
trap: twenty backwards in a step; the same batch every time; evaluation passes in between
"""

import argparse

import torch
import torch.nn as nn
import torch.optim as optim


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1 = nn.LSTMCell(1, 16)
        self.linear = nn.Linear(16, 1)

    def forward(self, inputs, future=0):
        outputs = []
        h = torch.zeros(inputs.size(0), 16, dtype=torch.double)
        c = torch.zeros(inputs.size(0), 16, dtype=torch.double)
        for value in inputs.split(1, dim=1):
            h, c = self.lstm1(value, (h, c))
            output = self.linear(h)
            outputs += [output]
        for _ in range(future):
            h, c = self.lstm1(output, (h, c))
            output = self.linear(h)
            outputs += [output]
        return torch.cat(outputs, dim=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5)
    opt = parser.parse_args()
    torch.manual_seed(opt.seed)
    start = torch.randint(-80, 80, (40, 1))
    data = torch.sin((torch.arange(60) + start) / 5.0).double()
    inputs, target = data[5:, :-1], data[5:, 1:]
    test_input, test_target = data[:5, :-1], data[:5, 1:]
    seq = Sequence().double()
    criterion = nn.MSELoss()
    optimizer = optim.LBFGS(seq.parameters(), lr=0.8, max_iter=12)
    for i in range(opt.steps):

        def closure():
            optimizer.zero_grad()
            out = seq(inputs)
            loss = criterion(out, target)
            loss.backward()
            return loss

        print(f"step {i}: {optimizer.step(closure).item():.6f}")
        with torch.no_grad():
            pred = seq(test_input, future=10)
            loss = criterion(pred[:, :-10], test_target)
            print("test loss:", loss.item())
    print(f"score: {-loss.item():.4f}")
