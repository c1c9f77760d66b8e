"""plain.py with the few lines that another tool's documentation asks for.

python benchmarks/watched/with_peer.py cnn --steps 2000 --peer tensorboard
"""

from collections.abc import Callable
from typing import Any

import torch
from plain import NETWORKS, arguments, batches, fingerprint
from torch import nn

AfterStep = Callable[[int, float], object]
"""Given the step's number and its loss, with the gradients still there."""
Nothing = (lambda _step, _loss: None, lambda: None)


def weights_and_biases(
    model: nn.Module, _: torch.optim.Optimizer, every: int
) -> tuple[AfterStep, Callable[[], object]]:
    """Histograms of weights and gradients every so many steps, the loss on every one; offline."""
    import wandb

    run = wandb.init(mode="offline", dir=".")
    run.watch(model, log="all", log_freq=every)
    return lambda step, loss: run.log({"loss": loss}, step=step), run.finish


def tensorboard(
    model: nn.Module, _: torch.optim.Optimizer, every: int
) -> tuple[AfterStep, Callable[[], object]]:
    """Histograms of weights and gradients every so many steps, the loss on every one."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter("runs")

    def after(step: int, loss: float) -> None:
        writer.add_scalar("loss", loss, step)
        if step % every == 0:
            for name, parameter in model.named_parameters():
                writer.add_histogram(f"weights/{name}", parameter, step)
                writer.add_histogram(f"gradients/{name}", parameter.grad, step)

    return after, writer.close


def torch_audit(
    model: nn.Module, optimizer: torch.optim.Optimizer, every: int
) -> tuple[AfterStep, Callable[[], object]]:
    """Its patches of forward and step; it audits every so many steps."""
    from torch_audit import autopatch

    auditor = autopatch(model, optimizer=optimizer, every_n_steps=every)
    return Nothing[0], auditor.finish


def training_doctor(
    model: nn.Module, optimizer: torch.optim.Optimizer, _: int
) -> tuple[AfterStep, Callable[[], object]]:
    """Loss, learning rate and gradient norm of every step; it is asked after each, as it says."""
    from training_doctor import Doctor

    doctor = Doctor()

    def after(step: int, loss: float) -> None:
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients).item()
        doctor.log(step=step, loss=loss, lr=optimizer.param_groups[0]["lr"], grad_norm=norm)

    return after, Nothing[1]


ADDED = {
    "wandb": weights_and_biases,
    "tensorboard": tensorboard,
    "torch-audit": torch_audit,
    "training-doctor": training_doctor,
}


def plain_loop(options: Any) -> nn.Module:
    """The loop of plain.py with a call behind each step."""
    loader = batches(options.network)
    model = NETWORKS[options.network]()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    after, finish = ADDED[options.peer](model, optimizer, options.every)

    model.train()
    step = 0
    while step < options.steps:
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            after(step, loss.item())
            step += 1
            if step == options.steps:
                break
    finish()
    return model


def lightning_loop(options: Any) -> nn.Module:
    """Lightning's own loop, bare or with its monitors."""
    import lightning
    from lightning.pytorch.callbacks import Callback, DeviceStatsMonitor, LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger

    monitored = options.peer == "lightning"

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = NETWORKS[options.network]()

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            images, labels = batch
            loss = nn.functional.cross_entropy(self.network(images), labels)
            if monitored:
                self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.02, momentum=0.9)

    loader, module = batches(options.network), Module()
    callbacks: list[Callback] = []
    if monitored:
        callbacks = [LearningRateMonitor("step"), DeviceStatsMonitor(cpu_stats=True)]
    lightning.Trainer(
        max_steps=options.steps,
        max_epochs=-1,
        accelerator="cpu",
        callbacks=callbacks,
        logger=CSVLogger(".") if monitored else False,
        log_every_n_steps=options.every,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(module, loader)
    return module.network


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed)
    loop = lightning_loop if options.peer.startswith("lightning") else plain_loop
    print(f"steps: {options.steps}  {fingerprint(loop(options))}")


if __name__ == "__main__":
    main()
