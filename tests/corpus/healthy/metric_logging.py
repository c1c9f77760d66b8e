"""
healthy: yes
style: meters, histories, train accuracy measured in eval mode on the training data
data: digits
source: the AverageMeter of PyTorch's ImageNet example
trap: loss.item() at every step; the training data seen again in an evaluation
"""

import argparse
import time

import torch
from corpus_data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class AverageMeter:
    def __init__(self, name):
        self.name = name
        self.reset()

    def reset(self):
        self.sum = self.count = 0.0

    def update(self, val, n=1):
        self.sum += val * n
        self.count += n

    @property
    def avg(self):
        return self.sum / max(self.count, 1)


def topk_accuracy(output, target, ks=(1, 5)):
    with torch.no_grad():
        _, pred = output.topk(max(ks), 1, True, True)
        correct = pred.t().eq(target.view(1, -1))
        return [correct[:k].reshape(-1).float().sum().item() / len(target) for k in ks]


def validate(loader, model, criterion):
    losses, top1 = AverageMeter("loss"), AverageMeter("acc@1")
    model.eval()
    with torch.no_grad():
        for images, target in loader:
            output = model(images)
            losses.update(criterion(output, target).item(), len(images))
            top1.update(topk_accuracy(output, target)[0], len(images))
    return losses.avg, top1.avg


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = [torch.tensor(a) for a in digits()]
    train_set, val_set = TensorDataset((x - 4.9) / 6, y), TensorDataset((xt - 4.9) / 6, yt)
    train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
    check_loader = DataLoader(train_set, batch_size=256)
    val_loader = DataLoader(val_set, batch_size=256)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)
    history = {"train_loss": [], "val_loss": [], "val_acc": []}
    for epoch in range(7):
        model.train()
        losses, batch_time = AverageMeter("loss"), AverageMeter("time")
        end = time.time()
        for images, target in train_loader:
            output = model(images)
            loss = criterion(output, target)
            losses.update(loss.item(), images.size(0))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            batch_time.update(time.time() - end)
            end = time.time()
        train_loss, train_acc = validate(check_loader, model, criterion)
        val_loss, val_acc = validate(val_loader, model, criterion)
        for key, value in zip(history, (train_loss, val_loss, val_acc)):
            history[key].append(value)
        print(f"{epoch}: {losses.avg:.3f} train {train_acc:.3f} val {val_acc:.3f}")
    print(f"score: {history['val_acc'][-1]:.4f}")


if __name__ == "__main__":
    main()
