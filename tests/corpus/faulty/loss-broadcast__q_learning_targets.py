"""
rule: loss-broadcast
severity: error
style: functional, two models (target network)
data: generated transitions of a small corridor
source: RULES.md (gather leaves (N, 1), the bootstrapped target is (N,))
also: collapsed-output, not-learning
"""

import argparse
import copy

import torch
from torch import nn

LENGTH, GAMMA = 9, 0.9


def transitions(n):
    """Positions 0..8; moving right (action 1) at the end pays 1 and ends the episode."""
    state = torch.randint(0, LENGTH, (n,))
    action = torch.randint(0, 2, (n,))
    done = ((state == LENGTH - 1) & (action == 1)).float()
    following = (state + 2 * action - 1).clamp(0, LENGTH - 1)
    return state, action, done, following, done


def encode(state):
    return nn.functional.one_hot(state, LENGTH).float()


def td_loss(q_net, target_net, batch):
    state, action, reward, following, done = batch
    q = q_net(encode(state)).gather(1, action.unsqueeze(1))  # ALSO
    with torch.no_grad():
        best = target_net(encode(following)).max(1).values
        target = reward + GAMMA * best * (1 - done)
    return ((q - target) ** 2).mean()  # FAULT
    # FIXED: return ((q.squeeze(1) - target) ** 2).mean()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
q_net = nn.Sequential(nn.Linear(LENGTH, 32), nn.ReLU(), nn.Linear(32, 2))
target_net = copy.deepcopy(q_net)
optimizer = torch.optim.Adam(q_net.parameters(), lr=3e-3)
for step in range(1500):
    loss = td_loss(q_net, target_net, transitions(64))  # ALSO
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        target_net.load_state_dict(q_net.state_dict())
    if step % 300 == 0:
        print(f"step {step} loss {loss.item():.5f}")

with torch.no_grad():
    values = q_net(encode(torch.arange(LENGTH)))[:, 1]
    truth = GAMMA ** torch.arange(LENGTH - 1, -1, -1).float()
print(f"score: {-(values - truth).abs().mean().item():.4f}")
