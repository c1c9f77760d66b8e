"""The split: disjoint, complete, stratified, copies together, the same whatever the file order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadygrad.errors import InputError
from steadygrad.images.audit import Audit
from steadygrad.images.source import Source
from steadygrad.images.split import apportion, split, split_notes


def make(labels, groups=None, splits=None, usable=None) -> tuple[Source, Audit]:
    num = len(labels)
    classes = tuple(f"class {index}" for index in range(max([*labels, 0]) + 1))
    source = Source(
        name="made",
        root=None,
        classes=classes,
        names=[f"{index:04}.png" for index in range(num)],
        labels=np.asarray(labels, np.int64),
        splits=list(splits or [""] * num),
    )
    audit = Audit(
        classes=classes,
        num_files=num,
        groups=np.arange(num) if groups is None else np.asarray(groups, np.int64),
        usable=np.ones(num, bool) if usable is None else np.asarray(usable, bool),
    )
    return source, audit


def shuffled(source: Source, audit: Audit, order) -> tuple[Source, Audit]:
    """The same pictures in another order on disk; group numbers follow their smallest index."""
    order = np.asarray(order)
    groups = audit.groups[order]
    first = {number: groups.tolist().index(number) for number in set(groups.tolist())}
    moved = Source(
        source.name,
        None,
        source.classes,
        [source.names[i] for i in order],
        source.labels[order],
        [source.splits[i] for i in order],
    )
    numbers = np.array([first[number] for number in groups.tolist()])
    return moved, Audit(source.classes, audit.num_files, numbers, audit.usable[order])


def by_name(source: Source, splits) -> dict[str, set[str]]:
    return {name: {source.names[i] for i in indices} for name, indices in splits.items()}


@st.composite
def datasets(draw):
    labels = draw(st.lists(st.integers(-1, 3), min_size=1, max_size=80))
    groups = [draw(st.integers(max(0, i - 6), i)) if draw(st.booleans()) else i for i in range(80)]
    numbers = list(range(len(labels)))
    for index in range(len(labels)):
        numbers[index] = numbers[min(groups[index], index)] if groups[index] < index else index
    usable = draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels)))
    return make(labels, numbers, usable=[u or i % 3 > 0 for i, u in enumerate(usable)])


FRACTIONS = st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.5])


@settings(max_examples=150, deadline=None)
@given(datasets(), st.integers(0, 5), FRACTIONS, FRACTIONS, st.randoms(use_true_random=False))
def test_properties(data, seed, val_fraction, test_fraction, random):
    source, audit = data
    result = split(source, audit, seed, val_fraction, test_fraction)
    eligible = np.flatnonzero(audit.usable & (source.labels >= 0))
    together = np.concatenate(list(result.values()))
    assert sorted(together.tolist()) == eligible.tolist()  # disjoint, and all of them
    for indices in result.values():
        assert indices.tolist() == sorted(indices.tolist())
        assert indices.dtype == np.int64
    side = {int(i): name for name, indices in result.items() for i in indices}
    for number in set(audit.groups.tolist()):
        sides = {side[int(i)] for i in np.flatnonzero(audit.groups == number) if int(i) in side}
        assert len(sides) <= 1  # copies stay together
    for label in range(len(source.classes)):
        if (source.labels[eligible] == label).any():
            assert (source.labels[result["train"]] == label).any()  # learnable
    order = list(range(len(source.names)))
    random.shuffle(order)
    moved, moved_audit = shuffled(source, audit, order)
    again = split(moved, moved_audit, seed, val_fraction, test_fraction)
    assert by_name(moved, again) == by_name(source, result)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(20, 60), min_size=2, max_size=6),
    st.sampled_from([0.1, 0.2, 0.3]),
    st.sampled_from([0.1, 0.2, 0.3]),
)
def test_fractions_hold_within_rounding(counts, val_fraction, test_fraction):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    result = split(*make(labels), 0, val_fraction, test_fraction)
    num = len(labels)
    assert abs(len(result["test"]) - test_fraction * num) <= 0.5 + 1e-9
    rest = num - len(result["test"])
    assert abs(len(result["val"]) - val_fraction * rest) <= 0.5 + 1e-9
    for label, count in enumerate(counts):
        in_test = sum(labels[i] == label for i in result["test"])
        assert abs(in_test - test_fraction * count) < 1 + 1e-9


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1))]
)
def test_small_classes(count, expected):
    labels = [0] * count + [1] * 50
    source, audit = make(labels)
    result = split(source, audit, 0, 0.1, 0.2)
    got = tuple(sum(labels[i] == 0 for i in result[s]) for s in ("train", "val", "test"))
    assert got == expected


def test_a_small_class_is_noted_where_it_is_absent():
    source, audit = make([0] + [1] * 50)
    notes = split_notes(source, split(source, audit, 0, 0.1, 0.2))
    assert notes == [
        "1 of the classes have no picture in val: class 0.",
        "1 of the classes have no picture in test: class 0.",
    ]
    assert split_notes(source, split(source, audit, 0, 0.0, 0.0)) == []


def test_copies_of_one_picture_count_as_one():
    source, audit = make([0] * 6 + [1] * 50, groups=[0] * 6 + list(range(6, 56)))
    result = split(source, audit, 0, 0.1, 0.2)
    assert set(range(6)) <= set(result["train"].tolist())


def test_groups_with_two_labels_stay_in_train():
    labels = [0, 1] * 20
    groups = list(range(40))
    for first in range(0, 20, 2):
        groups[first + 1] = first
    result = split(*make(labels, groups), 0, 0.3, 0.3)
    assert set(range(20)) <= set(result["train"].tolist())


def test_seeds_differ_and_one_more_picture_moves_few():
    labels = [0, 1] * 100
    source, audit = make(labels)
    first = by_name(source, split(source, audit, 0, 0.1, 0.2))
    assert first != by_name(source, split(source, audit, 1, 0.1, 0.2))
    more, more_audit = make([*labels, 0])
    later = by_name(more, split(more, more_audit, 0, 0.1, 0.2))
    assert len(first["test"] ^ later["test"]) <= 2


def test_wanting_a_val_does_not_change_the_test():
    source, audit = make([0, 1, 2] * 40)
    with_val = split(source, audit, 3, 0.2, 0.2)["test"]
    assert with_val.tolist() == split(source, audit, 3, 0.0, 0.2)["test"].tolist()


GIVEN = {"train": 40, "val": 10, "test": 10, "": 20}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train", "val", "test"], {"train": 40, "val": 10, "test": 10}),
        (["train", "test"], {"train": 36, "val": 4, "test": 10}),
        (["train", "val"], {"train": 40, "val": 10, "test": 0}),
        (["", "test"], {"train": 18, "val": 2, "test": 10}),
        (["train", "", "test"], {"train": 54, "val": 6, "test": 10}),
        (["train"], {"train": 29, "val": 3, "test": 8}),
    ],
)
def test_given_splits_are_kept(names, expected):
    splits = [name for name in names for _ in range(GIVEN[name])]
    source, audit = make([i % 2 for i in range(len(splits))], splits=splits)
    result = split(source, audit, 0, 0.1, 0.2)
    assert {name: len(indices) for name, indices in result.items()} == expected
    for name in ("val", "test"):
        if name in names:
            assert all(splits[i] == name for i in result[name])


def test_leakage_among_given_splits_is_left_as_it_is():
    splits = ["train"] * 20 + ["test"] * 10
    groups = [*range(20), *range(10)]
    source, audit = make([i % 2 for i in range(30)], groups, splits)
    assert split(source, audit, 0, 0.1, 0.2)["test"].tolist() == list(range(20, 30))


def test_held_out_pictures_without_training_ones_are_refused():
    with pytest.raises(InputError, match="none to train on"):
        split(*make([0, 1, 0], splits=["test", "test", "val"]), 0, 0.1, 0.2)


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0.2), (0.1, 1.0), (float("nan"), 0.2)])
def test_fractions_out_of_range_are_refused(val, test):
    with pytest.raises(InputError, match="fraction"):
        split(*make([0, 1]), 0, val, test)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=12), st.floats(0, 0.99))
def test_apportion_adds_up(counts, fraction):
    counts = np.array(counts)
    whole = apportion(counts, fraction)
    assert whole.sum() == round(float((counts * fraction).sum()))
    assert (np.abs(whole - counts * fraction) <= 1).all()
