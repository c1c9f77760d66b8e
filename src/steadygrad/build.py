"""From a recipe and pictures to a classifier that is ready to train."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from steadygrad.images.augment import Augmentation
from steadygrad.images.batches import Batches
from steadygrad.images.dataset import Images, Progress, Subset
from steadygrad.images.randomness import derived_seed, generator
from steadygrad.machine import choose_device
from steadygrad.models.build import build_network, describe
from steadygrad.models.classifier import Classifier
from steadygrad.models.transfer import start_classifier_from
from steadygrad.nn.initialize import DATA_SCHEMES, initialize, symmetric_layers
from steadygrad.nn.whitening import fit_whitening
from steadygrad.preprocess import Preprocess
from steadygrad.record import Recipe

WHITENING_PICTURES = 4000
WHITENING_PIXELS = 8_000_000
"""At most so many training pictures, and so many pixels of them, fit a patch-whitening layer:
millions of patches, a second, 100 MB."""

SCHEME_PICTURES = 128
"""Training pictures, not augmented, that an initialisation which looks at data gets: the standard
deviation of a convolution's output is then good to a per cent or two."""


def build(recipe: Recipe, images: Images) -> Classifier:
    """Build the classifier of a resolved recipe: preprocessing fitted, network initialised.

    With `recipe.start_from` the backbone, its preprocessing and its working size come from there.
    """
    if recipe.start_from:
        return start_classifier_from(
            recipe.start_from,
            images.classes,
            {"dropout": recipe.dropout},
            generator=generator(recipe.seed, "init"),
        )
    train = images.train
    preprocess = Preprocess.fit(recipe.preprocess, train.pixels, train.indices)
    size, channels = images.size, images.channels
    # Networks of the user's own draw from torch's global generator: the same ones for one seed.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(recipe.seed, "network"))
        network = build_network(recipe, len(images.classes), channels, size)
    num_pictures = min(WHITENING_PICTURES, max(64, WHITENING_PIXELS // size**2))
    patches = preprocess(sample_pixels(train, num_pictures, recipe.seed))
    if recipe.init in DATA_SCHEMES:  # the batch they measure on goes through the stem
        fit_whitening(network, patches)
    num_sampled = SCHEME_PICTURES if recipe.init in DATA_SCHEMES else 2
    if not is_foreign(recipe.model) or recipe.init != "auto":
        initialize(
            network,
            recipe.init,
            std=recipe.init_std,
            generator=generator(recipe.seed, "init"),
            sample=preprocess(sample_pixels(train, num_sampled, recipe.seed)),
        )
    fit_whitening(network, patches)
    return Classifier(
        preprocess,
        network,
        classes=images.classes,
        image_size=size,
        channels=channels,
        resize=images.how,
        model=describe(recipe),
    )


def make_batches(recipe: Recipe, images: Images, progress: Progress | None = None) -> Batches:
    """The training batches of a resolved recipe; `progress` hears of decoding, if there is any."""
    subset = images.train
    if recipe.source_size > 0:
        subset = images.larger_train(recipe.source_size, threads=recipe.threads, progress=progress)
    return Batches(
        subset,
        recipe.batch_size,
        seed=recipe.seed,
        augment=Augmentation.from_recipe(recipe),
        num_classes=len(images.classes),
        device=choose_device(recipe.device),
    )


def sample_pixels(subset: Subset, num_images: int, seed: int) -> torch.Tensor:
    """Some pictures of a subset, (n, C, H, W) uint8, the same ones for one seed."""
    order = torch.randperm(len(subset), generator=generator(seed, "sample"))[:num_images]
    return torch.from_numpy(subset.take(np.sort(order.numpy()))).permute(0, 3, 1, 2)


def is_foreign(model: str) -> bool:
    """Whether a model name means the user's own code or timm, which initialise themselves."""
    return ":" in model or model.startswith("timm/")


@torch.no_grad()
def initial_facts(classifier: Classifier, subset: Subset, recipe: Recipe) -> dict[str, object]:
    """What rules want to know of the untrained network: symmetric layers, loss at the start.

    The loss is plain cross entropy on up to 512 training pictures, without regularisation, in
    training mode (batch statistics), on a copy of nothing: running statistics are put back.
    """
    pixels = sample_pixels(subset, 512, recipe.seed)
    positions = torch.randperm(len(subset), generator=generator(recipe.seed, "sample"))[:512]
    labels = torch.from_numpy(subset.labels_of(np.sort(positions.numpy())))
    state = {name: value.clone() for name, value in classifier.named_buffers()}
    was_training = classifier.training
    classifier.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(recipe.seed, "initial"))
        logits = torch.cat([classifier(chunk) for chunk in pixels.split(128)])
    classifier.train(was_training)
    for name, value in classifier.named_buffers():
        value.copy_(state[name])
    return {
        "init": recipe.init,
        "symmetric_layers": symmetric_layers(classifier.network),
        "loss": float(nn.functional.cross_entropy(logits.float(), labels)),
        "num_classes": logits.shape[1],
        "class_weights": recipe.class_weights,
        "start_from": recipe.start_from,
    }
