"""
healthy: yes
style: replay memory, target network copied now and then
data: generated (a 5 by 5 grid)
source: the shape of PyTorch's DQN tutorial
trap: a second network without gradients; regression targets that move; gather on the outputs
"""

import argparse
import copy
import random
from collections import deque

import torch
from torch import nn

SIZE, MOVES = 5, [(0, 1), (1, 0), (0, -1), (-1, 0)]


def observe(cell):
    x = torch.zeros(SIZE * SIZE)
    x[cell[0] * SIZE + cell[1]] = 1.0
    return x


def move(cell, action):
    dy, dx = MOVES[action]
    target = (min(max(cell[0] + dy, 0), SIZE - 1), min(max(cell[1] + dx, 0), SIZE - 1))
    done = target == (SIZE - 1, SIZE - 1)
    return target, (1.0 if done else -0.05), done


def optimize(policy_net, target_net, optimizer, memory, gamma=0.9):
    states, actions, rewards, following, dones = zip(*random.sample(memory, 32))
    q = policy_net(torch.stack(states)).gather(1, torch.tensor(actions).unsqueeze(1)).squeeze(1)
    with torch.no_grad():
        best = target_net(torch.stack(following)).max(1).values
    expected = torch.tensor(rewards) + gamma * best * (1 - torch.tensor(dones))
    loss = nn.functional.smooth_l1_loss(q, expected)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(policy_net.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.manual_seed(seed)
    random.seed(seed)
    policy_net = nn.Sequential(nn.Linear(25, 64), nn.ReLU(), nn.Linear(64, 4))
    target_net = copy.deepcopy(policy_net).eval()
    optimizer = torch.optim.Adam(policy_net.parameters(), lr=2e-3)
    memory, steps = deque(maxlen=2000), 0
    for episode in range(120):
        cell = (random.randrange(SIZE), random.randrange(SIZE - 1))
        for _ in range(20):
            if random.random() < max(0.1, 1 - episode / 60):
                action = random.randrange(4)
            else:
                with torch.no_grad():
                    action = int(policy_net(observe(cell)).argmax())
            after, reward, done = move(cell, action)
            memory.append((observe(cell), action, reward, observe(after), float(done)))
            cell, steps = after, steps + 1
            if len(memory) >= 200:
                loss = optimize(policy_net, target_net, optimizer, memory)
            if steps % 60 == 0:
                target_net.load_state_dict(policy_net.state_dict())
            if done:
                break
        if episode % 40 == 39:
            print(f"episode {episode}: {loss:.4f}")
    good = 0
    for start in range(SIZE * SIZE - 1):
        cell = divmod(start, SIZE)
        for _ in range(8):
            with torch.no_grad():
                cell, _, done = move(cell, int(policy_net(observe(cell)).argmax()))
            if done:
                good += 1
                break
    print(f"score: {good / (SIZE * SIZE - 1):.4f}")


main()
