"""
healthy: yes
style: policy gradient, one update for each group of episodes
data: generated (walk to the goal on a line)
source: the shape of PyTorch's REINFORCE example
trap: a loss that means nothing by itself and does not fall; softmax as the policy
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--gamma", type=float, default=0.95)
args = parser.parse_args()
torch.manual_seed(args.seed)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(2, 32)
        self.affine2 = nn.Linear(32, 3)

    def forward(self, x):
        x = torch.tanh(self.affine1(x))
        return F.softmax(self.affine2(x), dim=1)


def rollout(policy, n=32, horizon=12):
    position, goal = torch.rand(n) * 2 - 1, torch.rand(n) * 2 - 1
    log_probs, rewards = [], []
    for _ in range(horizon):
        probs = policy(torch.stack([position, goal], dim=1))
        m = Categorical(probs)
        action = m.sample()
        log_probs.append(m.log_prob(action))
        position = (position + (action - 1) * 0.2).clamp(-1.5, 1.5)
        rewards.append(-(position - goal).abs().detach())
    return torch.stack(log_probs), torch.stack(rewards)


policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
for i_update in range(250):
    log_probs, rewards = rollout(policy)
    returns, running = [], torch.zeros(rewards.shape[1])
    for reward in rewards.flip(0):
        running = reward + args.gamma * running
        returns.insert(0, running)
    returns = torch.stack(returns)
    returns = (returns - returns.mean(1, keepdim=True)) / (returns.std() + 1e-6)
    policy_loss = (-log_probs * returns).mean()
    optimizer.zero_grad()
    policy_loss.backward()
    optimizer.step()
    if i_update % 50 == 0:
        print(f"update {i_update}: reward {rewards.mean():.3f}")
with torch.no_grad():
    _, rewards = rollout(policy, n=500)
print(f"score: {rewards[-4:].mean().item():.4f}")
