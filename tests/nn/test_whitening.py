import torch
from sklearn.datasets import load_digits

from steadygrad.models.fast import FastNet, FastShape, fast
from steadygrad.nn.blocks import Style
from steadygrad.nn.whitening import PatchWhitening, fit_whitening


def digits():
    images = torch.from_numpy(load_digits().images).float()[:, None]
    return (images - images.mean()) / images.std()


def patches_of(whitening, images):
    maps = whitening(images)
    return maps.detach().permute(0, 2, 3, 1).reshape(-1, maps.shape[1]).double()


def test_fitted_filters_make_patches_uncorrelated_with_variance_one():
    images = digits()
    whitening = PatchWhitening(1).fit(images, relative_floor=1e-6)
    outputs = patches_of(whitening, images)[:, :4]
    covariance = torch.cov(outputs.T, correction=0)
    torch.testing.assert_close(covariance, torch.eye(4, dtype=torch.float64), atol=1e-3, rtol=0)


def test_each_filter_comes_with_its_negative_and_the_largest_variance_first():
    images = digits()
    whitening = PatchWhitening(1, kernel_size=3, num_components=5).fit(images)
    assert whitening.out_channels == 10
    assert torch.equal(whitening.weight[:5], -whitening.weight[5:])
    norms = whitening.weight[:5].flatten(1).norm(dim=1)
    assert (norms.diff() > 0).all()  # less variance, longer filter


def test_unfitted_filters_are_orthonormal_and_a_constant_set_leaves_them():
    whitening = PatchWhitening(3)
    basis = whitening.weight[:12].flatten(1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(12), atol=1e-5, rtol=0)
    before = whitening.weight.clone()
    whitening.fit(torch.full((8, 3, 6, 6), 0.7))
    assert torch.equal(whitening.weight, before)


def test_only_the_bias_learns_and_the_filters_are_saved():
    network = fast(10, 1, image_size=8)
    assert fit_whitening(network, digits()) == 1
    names = dict(network.named_parameters())
    assert "stem.bias" in names
    assert "stem.weight" not in names
    assert "stem.weight" in network.state_dict()
    network(digits()[:32]).sum().backward()
    assert network.stem.bias.grad is not None
    assert network.stem.weight.grad is None


def test_a_photo_stem_strides_and_pads():
    shape = FastShape(stem_kernel=4, stem_stride=2, stem_padding=1, stem_components=24)
    network = FastNet(10, 3, shape, Style("relu", "batch"))
    maps = network.stem(torch.randn(2, 3, 64, 64))
    assert maps.shape == (2, 48, 32, 32)
    fit_whitening(network, torch.randn(16, 3, 64, 64))


def test_fitting_is_deterministic_and_independent_of_chunks():
    images = digits()[:300]
    first = PatchWhitening(1).fit(images)
    second = PatchWhitening(1).fit(images)
    assert torch.equal(first.weight, second.weight)
    patches = images.unfold(2, 2, 1).unfold(3, 2, 1).reshape(-1, 4).double()
    covariance = torch.cov(patches.T, correction=0)
    torch.testing.assert_close(PatchWhitening(1)._covariance(images), covariance)


def test_other_pictures_are_not_taken_for_those_remembered():
    draw = torch.Generator().manual_seed(5)
    first, other = (torch.randn(20, 3, 6, 6, generator=draw) for _ in range(2))
    other *= torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    fitted = [PatchWhitening(3).fit(images).weight.clone() for images in (first, other, first)]
    assert torch.equal(fitted[0], fitted[2])
    assert not torch.allclose(fitted[0], fitted[1])
