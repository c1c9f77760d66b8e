"""Keras: the same networks in its own layers, `model.fit` on numpy arrays in memory.

Without augmentation, which in Keras are more layers: that is to its advantage.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from side_by_side.measure import LR, TASKS, AccuracyClock, Measurement, SpeedClock, Task


def train_keras(measurement: Measurement, clock: SpeedClock | AccuracyClock) -> dict[str, Any]:
    """Train until the clock says stop; the backend is that of KERAS_BACKEND."""
    task = TASKS[measurement.task]
    keras.utils.set_random_seed(measurement.seed)
    arrays = {key: _inputs(value, task) for key, value in np.load(measurement.arrays).items()}
    model = resnet18(task) if task.model == "resnet18" else small_convnet(task)
    model.compile(
        optimizer=keras.optimizers.Adam(LR),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    looks: dict[str, Any] = {}
    if isinstance(clock, AccuracyClock):
        looks["validation_data"] = (arrays["val_images"], arrays["val_labels"])
        looks["steps_per_epoch"] = round(measurement.check_every / task.batch_size)
    model.fit(
        arrays["train_images"],
        arrays["train_labels"],
        batch_size=task.batch_size,
        epochs=10_000,
        verbose=0,
        callbacks=[Watch(clock, task.batch_size)],
        **looks,
    )
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return {"parameters": trained, "precision": "fp32, channels_last"}


def _inputs(array: np.ndarray, task: Task) -> np.ndarray:
    if array.dtype != np.uint8:
        return array
    return (array.astype("float32") / 255 - np.float32(task.mean)) / np.float32(task.std)


class Watch(keras.callbacks.Callback):
    """Tells the clock of every step; accuracy is looked at where Keras does, at epoch ends."""

    def __init__(self, clock: SpeedClock | AccuracyClock, batch_size: int) -> None:
        super().__init__()
        self.clock, self.batch_size = clock, batch_size

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count a step; reading the loss waits for it, as the other ways do."""
        del batch
        float(logs["loss"])
        if isinstance(self.clock, AccuracyClock):
            self.clock.count(self.batch_size)
        elif self.clock.step(self.batch_size, lambda: 0.0):
            self.model.stop_training = True

    def on_test_begin(self, logs: Any = None) -> None:
        """Looking is free."""
        del logs
        self.clock.pause()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Judge the look at the validation pictures."""
        del epoch
        if isinstance(self.clock, AccuracyClock) and self.clock.judge(logs["val_accuracy"]):
            self.model.stop_training = True


def small_convnet(task: Task) -> keras.Model:
    """`nets.small_convnet` in Keras."""
    return keras.Sequential(
        [
            keras.Input((task.size, task.size, task.channels)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )


def resnet18(task: Task) -> keras.Model:
    """ResNet-18 for small pictures in Keras."""
    inputs = keras.Input((task.size, task.size, task.channels))
    maps = layers.ReLU()(_conv_norm(inputs, 64, 3, 1))
    for stage in range(4):
        for block in range(2):
            width, stride = 64 * 2**stage, 2 if stage and not block else 1
            branch = layers.ReLU()(_conv_norm(maps, width, 3, stride))
            branch = _conv_norm(branch, width, 3, 1)
            same = maps.shape[-1] == width and stride == 1
            shortcut = maps if same else _conv_norm(maps, width, 1, stride)
            maps = layers.ReLU()(layers.add([branch, shortcut]))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(maps)))


def _conv_norm(maps: Any, width: int, kernel: int, stride: int) -> Any:
    maps = layers.Conv2D(width, kernel, stride, padding="same", use_bias=False)(maps)
    return layers.BatchNormalization()(maps)
