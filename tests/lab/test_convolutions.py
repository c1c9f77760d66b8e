import pytest
import torch
from torch import nn

from steadygrad.lab import convolution_facts
from steadygrad.lab import convolutions as experiment
from steadygrad.lab.framework import run_experiment
from steadygrad.models.plain import vgg


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_verdicts_hold(seed):
    finished = run_experiment(experiment.EXPERIMENT, {"seed": seed}, quick=True)
    assert finished.failed == []
    assert set(finished.result.figures) == {"matrix", "shift"}


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_connections_are_those_of_the_matrix(kernel):
    layer = nn.Conv2d(2, 3, kernel, padding=kernel // 2)
    matrix = convolution_facts.as_matrix(layer, 2, 6)
    counted = convolution_facts.count_layers(2, 6, 3, kernel)[0]
    assert int((matrix != 0).sum()) == counted["connections"]
    assert matrix.shape == (counted["outputs"], counted["inputs"])


def test_a_matrix_that_is_not_the_layers_is_told():
    layer = nn.Conv2d(1, 4, 3, padding=1)
    inputs = torch.randn(3, 1, 6, 6)
    matrix = convolution_facts.as_matrix(layer, 1, 6)
    matrix[0, 35] = 0.5
    counts = convolution_facts.count_layers(1, 6, 4, 3)
    facts = convolution_facts.matrix_facts(matrix, layer, inputs)
    verdicts = experiment._count_verdicts(counts, facts, counts[0]["connections"], (1, 4, 3))
    assert [verdict.holds for verdict in verdicts] == [True, True, False, False, False]


def test_a_head_with_other_weights_is_told():
    torch.manual_seed(0)
    pictures = torch.randn(2, 1, 12, 20)
    network = vgg(10, 1, depth=2, width=4).eval()
    convolutional = convolution_facts.FullyConvolutional(network).eval()
    pooled = convolutional(pictures).mean((2, 3))
    assert convolution_facts.relative_difference(pooled, network(pictures)) < 1e-5
    with torch.no_grad():
        convolutional.scores.weight.mul_(1.1)
    pooled = convolutional(pictures).mean((2, 3))
    assert convolution_facts.relative_difference(pooled, network(pictures)) > 1e-3
