"""
healthy: yes
style: reinforcement learning, several epochs over each rollout
data: generated (states whose sign decides the right action)
source: the shape of proximal policy optimisation, Schulman et al. 2017
trap: what is trained on went through the networks without gradients before
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)

policy = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
value = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
weights = [*policy.parameters(), *value.parameters()]
optimizer = torch.optim.Adam(weights, lr=3e-3)


def reward(states, actions):
    return (actions == (states.sum(1) > 0).long()).float()


for iteration in range(25):
    states = torch.randn(256, 4)
    with torch.no_grad():
        chosen = torch.distributions.Categorical(logits=policy(states))
        actions = chosen.sample()
        before = chosen.log_prob(actions)
        returns = reward(states, actions)
        advantage = returns - value(states).squeeze(-1)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    for _ in range(4):
        for index in torch.randperm(256).split(64):
            now = torch.distributions.Categorical(logits=policy(states[index]))
            ratio = (now.log_prob(actions[index]) - before[index]).exp()
            gain = torch.min(
                ratio * advantage[index], ratio.clamp(0.8, 1.2) * advantage[index]
            ).mean()
            critic = F.mse_loss(value(states[index]).squeeze(-1), returns[index])
            loss = 0.5 * critic - gain - 0.01 * now.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 0.5)
            optimizer.step()
    print(iteration, returns.mean().item())

print(f"score: {returns.mean().item():.4f}")
