"""
healthy: yes
style: one loop for both phases, torch.set_grad_enabled(phase == "train")
data: fashion (shoes and bags after the other classes)
source: the shape of PyTorch's transfer learning tutorial
trap: the same forward line serves training and evaluation; the best weights are put back
"""

import argparse
import copy

import torch
import torch.nn as nn
from corpus_data import fashion
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset


def train_model(model, dataloaders, criterion, optimizer, scheduler, num_epochs):
    best_weights, best_acc = copy.deepcopy(model.state_dict()), 0.0
    for epoch in range(num_epochs):
        for phase in ["train", "val"]:
            if phase == "train":
                model.train()
            else:
                model.eval()
            running_loss, running_corrects = 0.0, 0
            for inputs, labels in dataloaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    _, preds = torch.max(outputs, 1)
                    loss = criterion(outputs, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                running_loss += loss.item() * inputs.size(0)
                running_corrects += torch.sum(preds == labels.data)
            if phase == "train":
                scheduler.step()
            n = len(dataloaders[phase].dataset)
            epoch_acc = running_corrects.double().item() / n
            print(f"{epoch} {phase} loss {running_loss / n:.4f} acc {epoch_acc:.4f}")
            if phase == "val" and epoch_acc > best_acc:
                best_acc, best_weights = epoch_acc, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    return best_acc


def small_cnn(num_classes):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(288, num_classes),
    )


def loaders(x, y, xt, yt, classes):
    result = {}
    for phase, images, labels in (("train", x, y), ("val", xt, yt)):
        keep = torch.isin(labels, torch.tensor(classes))
        position = {c: i for i, c in enumerate(classes)}
        mapped = torch.tensor([position[int(c)] for c in labels[keep]])
        data = TensorDataset(images[keep], mapped)
        result[phase] = DataLoader(data, batch_size=32, shuffle=phase == "train")
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    torch.manual_seed(parser.parse_args().seed)
    x, y, xt, yt = (torch.tensor(a) for a in fashion(2500, 600))
    x, xt = (x / 255 - 0.286) / 0.353, (xt / 255 - 0.286) / 0.353
    criterion = nn.CrossEntropyLoss()
    model = small_cnn(6)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.3)
    clothes = loaders(x, y, xt, yt, [0, 1, 2, 3, 4, 6])
    train_model(model, clothes, criterion, optimizer, schedule, 3)

    model[-1] = nn.Linear(288, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    schedule = lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.1)
    shoes = loaders(x, y, xt, yt, [5, 7, 8, 9])
    print(f"score: {train_model(model, shoes, criterion, optimizer, schedule, 4):.4f}")


if __name__ == "__main__":
    main()
