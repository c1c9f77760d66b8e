"""Networks drawn: what the boxes hold, where they stand, and that nothing is left changed."""

import base64
import hashlib
import html
import itertools
import json
import math
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import graph_nets
from steadygrad.errors import InputError
from steadygrad.graph import trace, trace_target
from steadygrad.graph.network import is_network
from steadygrad.graph.png import png
from steadygrad.initializing.shape import Shape
from steadygrad.models import Classifier, build_network, describe
from steadygrad.preprocess import Preprocess
from steadygrad.record import Recipe
from steadygrad.report import graph_text
from steadygrad.report.graph_layout import IN, OUT, Size, crossings, neighbours, place, plan
from steadygrad.report.graph_page import page
from steadygrad.report.graph_picture import draw, drawing, picture
from steadygrad.report.graph_shapes import Rectangle
from steadygrad.report.graph_tree import tree

NETS = str(Path(__file__).with_name("graph_nets.py"))


def boxes_of(model, *shapes, seed=0):
    traced = trace(model, [Shape.parse(shape) for shape in shapes], seed)
    return tree(traced.graph, traced.signals, traced.parameters, traced.model)


def flat(box):
    return [box, *(inner for child in box.children for inner in flat(child))]


def titles(box):
    return [child.title for child in box.children]


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return boxes_of(graph_nets.ResNet50(), "4x3x64x64")


def test_resnet_50_in_boxes(resnet):
    stages = [f"layer{n}" for n in (1, 2, 3, 4)]
    stem = ["input", "conv1", "bn1", "relu", "maxpool"]
    assert titles(resnet) == [*stem, *stages, "avgpool", "flatten", "fc", "cross_entropy"]
    by_title = {child.title: child for child in resnet.children}
    assert [len(by_title[stage].children) for stage in stages] == [3, 4, 6, 3]
    assert by_title["layer3"].shape == [4, 1024, 4, 4]
    block = by_title["layer2"].children[0]
    assert titles(block)[-4:] == ["bn3", "downsample", "add", "relu"]
    # The block's input goes to its first convolution and to the shortcut.
    assert [titles(block)[b] for a, b in block.edges if a == IN] == ["conv1", "downsample"]
    assert [titles(block)[a] for a, b in block.edges if b == OUT] == ["relu"]


def test_every_parameter_counts_once(resnet):
    assert resnet.parameters == sum(p.numel() for p in graph_nets.ResNet50().parameters())
    for box in flat(resnet):
        if box.children:
            assert box.parameters == sum(child.parameters for child in box.children)


def test_the_numbers_are_those_of_torch():
    torch.manual_seed(1)
    model = graph_nets.LeNet()
    root = boxes_of(model, "8x1x28x28", seed=3)
    x = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(3))
    seen = {}

    def keep(module, given, output):
        output.retain_grad()
        seen["out"] = output

    model.fc1.register_forward_hook(keep)
    labels = torch.Generator().manual_seed(3)
    torch.randn(8, 1, 28, 28, generator=labels)
    loss = nn.functional.cross_entropy(model(x), torch.randint(10, (8,), generator=labels))
    loss.backward()
    fc1 = next(box for box in root.children if box.title == "fc1")
    assert fc1.values["std"] == pytest.approx(
        float(seen["out"].detach().std(correction=0)), rel=1e-5
    )
    rms = float(seen["out"].grad.square().mean().sqrt())
    assert fc1.values["grad_rms"] == pytest.approx(rms, rel=1e-5)
    assert fc1.parameters == 256 * 120 + 120
    # Operations that a training loop's monitor leaves out are measured here.
    pool = next(box for box in root.children if box.operation == "max_pool")
    assert pool.values["std"] > 0
    assert pool.values["grad_rms"] > 0


def test_vanishing_and_exploding_stretches():
    torch.manual_seed(0)
    down = boxes_of(graph_nets.sigmoids(), "16x32")
    layers = next(child for child in down.children if child.children)
    levels = [child.gradient_level for child in layers.children]
    assert levels[0] == -2
    assert levels[-1] == 0
    assert levels == sorted(levels)
    assert layers.gradient_level == -2
    assert layers.leaving[1] == 0
    up = boxes_of(graph_nets.exploding(), "16x32")
    layers = next(child for child in up.children if child.children)
    assert layers.children[0].gradient_level == 2
    assert layers.children[-1].signal_level == 2
    assert "vanishing" in graph_text.text(down, 2)
    assert "exploding" in graph_text.text(up, 1)


def test_a_healthy_net_has_no_colour():
    torch.manual_seed(0)
    assert {box.level for box in flat(boxes_of(graph_nets.LeNet(), "32x1x28x28"))} == {0}


def test_not_a_number_is_marked():
    root = boxes_of(graph_nets.Nan(), "4x8")
    assert next(b for b in root.children if b.operation == "log").level == 3
    assert "NaN" in graph_text.text(root)


def test_a_module_called_twice_is_drawn_where_it_runs():
    root = boxes_of(graph_nets.Twice(), "6x8")
    assert titles(root)[:6] == ["input", "a", "act", "b", "act", "norm"]
    assert root.parameters == 2 * 72 + 16


def test_words_and_attention():
    root = boxes_of(graph_nets.Words(), "2x6:50")
    assert titles(root) == ["input", "embedding", "block", "head", "mse_loss"]
    assert root.edges == [(0, 1), (1, 2), (2, 3), (3, 4)]
    block = root.children[2]
    chunk = titles(block).index("chunk")
    views = [b for a, b in block.edges if a == chunk]
    assert [block.children[i].operation for i in views] == ["view"] * 3


def test_two_inputs_and_a_dictionary():
    root = boxes_of(graph_nets.Two(), "3x4", "3x5")
    assert titles(root)[:1] == ["input"]
    assert [box.shape for box in root.children if box.kind == "input"] == [[3, 4], [3, 5]]


def test_the_model_and_torch_stay_as_they_were():
    model = graph_nets.Twice()
    model.a.weight.grad = torch.ones(8, 8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    first = boxes_of(model, "6x8")
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert torch.equal(model.a.weight.grad, torch.ones(8, 8))
    assert model.b.weight.grad is None
    assert [b.values for b in flat(boxes_of(model, "6x8"))] == [b.values for b in flat(first)]
    assert torch.overrides._get_current_function_mode_stack() == []


def test_one_example_is_too_few_for_a_batch_norm():
    traced = trace_target(f"{NETS}:Twice", ["1x8"])
    assert "drawn with" in traced.notes[0]
    assert traced.inputs == [[8, 8]]


@pytest.mark.parametrize(
    ("target", "inputs", "words"),
    [
        (f"{NETS}:LeNet", [], "--input"),
        (
            f"{NETS}:LeNet",
            ["2x3x28x28"],
            r"fails on inputs of shape 2x3x28x28.*in conv2d at graph_n",
        ),
        (f"{NETS}:lenet", ["2x1x28x28"], "has no 'lenet'"),
        (NETS, ["2x1x28x28"], "which class or function"),
        ("tests/nowhere.py:Net", ["2x1"], "no file"),
        ("resnet2", ["2x3x8x8"], "Did you mean"),
        (f"{NETS}:nothing", ["2x1"], "returned int"),
        (f"{NETS}:Bottleneck", ["2x1"], "can't be built"),
        (f"{NETS}:Constant", ["2x4"], "no gradient"),
        (f"{NETS}:Two", ["3x4"], "missing 1 required"),
        (f"{NETS}:LeNet", ["2x0x3"], "is no shape"),
        (f"{NETS}:LeNet", ["99999x99999"], "gigabyte"),
    ],
)
def test_refusals_in_one_sentence(target, inputs, words):
    with pytest.raises(InputError, match=words) as caught:
        trace_target(target, inputs)
    assert "\n" not in str(caught.value)


def test_a_file_that_fails_says_so(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(InputError, match=r"fails while it is loaded: ZeroDivisionError"):
        trace_target(f"{tmp_path}/broken.py:Net", ["1x3"])


def test_our_own_networks_need_no_input():
    traced = trace_target("lenet")
    assert traced.inputs == [[8, 3, 32, 32]]
    assert is_network("lenet")
    assert not is_network("f = lenet(x)")


@st.composite
def graphs(draw_value):
    count = draw_value(st.integers(1, 12))
    pairs = st.tuples(st.integers(IN, count - 1), st.integers(0, count))
    edges = [
        (a, OUT if b == count else b)
        for a, b in draw_value(st.lists(pairs, max_size=25))
        if a < b and (a, b) != (IN, count)
    ]
    return count, edges


@settings(max_examples=80, deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_every_layout_is_in_order(graph, random):
    count, edges = graph
    rows = plan(count, edges)
    rank = {item: n for n, row in enumerate(rows.layers) for item in row}
    assert len(rank) == sum(map(len, rows.layers))
    assert set(range(count)) <= set(rank)
    for route in rows.routes:  # each link leads to the very next row
        assert [rank[item] - rank[route[0]] for item in route] == list(range(len(route)))
    sizes = []
    for _ in range(count):
        width = random.uniform(20, 300)
        sizes.append(Size(width, random.uniform(20, 200), width / 3, width / 2))
    placed = place(rows, sizes)
    for number, row in enumerate(rows.layers):
        for left, right in itertools.pairwise(row):
            end = placed.xs[left] + (sizes[left].width if left < count else 0)
            assert end < placed.xs[right] + 1e-6
        for item in row:
            height = sizes[item].height if item < count else 0
            assert 0 <= placed.ys[item] <= placed.height + 1e-6
            assert height <= placed.rows[number]
    assert min(placed.xs) == pytest.approx(0)


def test_crossings_are_taken_out():
    edges = [(0, 5), (1, 4), (2, 3)]
    rows = plan(6, edges)
    _, below = neighbours(rows.routes, 6)
    assert crossings(rows.layers, below) == 0


def test_a_chain_is_straight():
    rows = plan(4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    placed = place(rows, [Size(60, 40, 30, 30)] * 4)
    assert abs(placed.xs[1] - placed.xs[2]) < 3


def rectangles(root, depth):
    return [s for s in drawing(root, depth).shapes if isinstance(s, Rectangle)]


def test_cards_do_not_overlap(resnet):
    for depth in (1, 2, 3, 4):
        cards = [r for r in rectangles(resnet, depth) if r.width > 20 and r.fill != "open"]
        rows = sorted(cards, key=lambda r: r.y)
        for number, one in enumerate(rows):
            for other in rows[number + 1 :]:
                if other.y >= one.y + one.height:
                    break
                assert one.x + one.width <= other.x or other.x + other.width <= one.x


def test_a_big_net_is_shown_closed(resnet):
    cards = [r for r in rectangles(resnet, None) if r.width > 20 and r.fill != "open"]
    assert 20 < len(cards) <= 40
    everything = [r for r in rectangles(resnet, 9) if r.width > 20 and r.fill != "open"]
    assert len(everything) > 170


def test_page_is_one_file_that_runs_its_own_script_only(resnet):
    text = page(resnet, "<b>net", ["a note"])
    assert "<b>net" not in text
    assert re.search(r"default-src .none.*script-src .{1,6}sha256-", html.unescape(text))
    policy = html.unescape(text).partition("</title>")[0]
    for kind in ("style", "script"):
        asset = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)[-1]
        digest = base64.b64encode(hashlib.sha256(asset.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    data = re.search(r'class="graph-data">(.*?)</script>', text, re.DOTALL)
    root = json.loads(data[1])
    assert root["children"][5]["heading"].startswith("layer1")
    assert len(text) < 1_000_000
    assert not re.search(r"<[^>]* style=", text)


def test_pictures(resnet):
    root = boxes_of(graph_nets.LeNet(), "4x1x28x28")
    assert picture(root).startswith("<svg ")
    content = png(drawing(root))
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    wide, high = (int.from_bytes(content[i : i + 4]) for i in (16, 20))
    assert (wide, high) == (
        math.floor(2 * drawing(root).width),
        math.floor(2 * drawing(root).height),
    )
    assert 'class="graph card"' in draw(*_watched())


def _watched():
    traced = trace_target(f"{NETS}:LeNet", ["4x1x28x28"])
    return traced.graph, traced.signals, traced.parameters, traced.model


def test_a_run_folder_gives_its_own_size(tmp_path):
    recipe = Recipe(model="mlp", image_size=8)
    network = build_network(recipe, 3, 1, 8)
    preprocess = Preprocess("none", (1, 8, 8))
    classifier = Classifier(preprocess, network, ["a", "b", "c"], 8, 1, "stretch", describe(recipe))
    classifier.save(tmp_path)
    traced = trace_target(str(tmp_path))
    assert traced.inputs == [[8, 1, 8, 8]]
