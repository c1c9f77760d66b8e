"""Folders of class folders with scanned digits in them, as PNG files of 32×32 pixels."""

import os
from functools import cache

import numpy as np
from PIL import Image


@cache
def scans():
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def write_digits(folder, classes=("one", "two", "three"), each=20, first=0):
    """Write `each` scans of the digits `first`, `first` + 1, … into folders of these names."""
    pixels, labels = scans()
    for digit, name in enumerate(classes, start=first):
        place = os.path.join(os.fspath(folder), name)
        os.makedirs(place)
        for index in np.flatnonzero(labels == digit)[:each]:
            scan = (pixels[index].reshape(8, 8) * 15.9).astype(np.uint8)
            Image.fromarray(scan).resize((32, 32)).save(os.path.join(place, f"{index}.png"))
    return folder
