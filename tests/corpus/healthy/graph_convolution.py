"""
healthy: yes
style: full batch, sparse adjacency, loss over the labelled nodes only
data: generated (a graph of three communities)
source: the shape of PyTorch's GCN example
trap: one batch for ever; most outputs have no part in the loss; training and validation nodes
    go through the net together
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn


def community_graph(n, classes, g):
    y = torch.randint(classes, (n,), generator=g)
    same = y[:, None] == y[None, :]
    odds = torch.where(same, 0.06, 0.006)
    upper = torch.triu(torch.rand(n, n, generator=g) < odds, 1)
    adjacency = (upper | upper.t()).float() + torch.eye(n)
    degree = adjacency.sum(1).rsqrt()
    adjacency = degree[:, None] * adjacency * degree[None, :]
    x = torch.randn(n, 12, generator=g) + 0.6 * F.one_hot(y, 12).float()
    return x, y, adjacency.to_sparse()


class GraphConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adjacency):
        return torch.sparse.mm(adjacency, x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, n_in, hidden, classes):
        super().__init__()
        self.gc1 = GraphConv(n_in, hidden)
        self.gc2 = GraphConv(hidden, classes)

    def forward(self, x, adjacency):
        x = F.relu(self.gc1(x, adjacency))
        x = F.dropout(x, 0.3, training=self.training)
        return F.log_softmax(self.gc2(x, adjacency), dim=1)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
torch.manual_seed(seed)
x, y, adjacency = community_graph(400, 3, torch.Generator().manual_seed(seed))
order = torch.randperm(400)
idx_train, idx_val = order[:120], order[120:]
model = GCN(12, 16, 3)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
for epoch in range(200):
    model.train()
    optimizer.zero_grad()
    output = model(x, adjacency)
    loss_train = F.nll_loss(output[idx_train], y[idx_train])
    loss_train.backward()
    optimizer.step()
    if epoch % 40 == 0:
        model.eval()
        with torch.no_grad():
            output = model(x, adjacency)
            print(epoch, F.nll_loss(output[idx_val], y[idx_val]).item())
model.eval()
with torch.no_grad():
    output = model(x, adjacency)
print(f"score: {(output[idx_val].argmax(1) == y[idx_val]).float().mean().item():.4f}")
