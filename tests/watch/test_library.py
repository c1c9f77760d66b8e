"""`steadygrad.watch` around a loop in this process."""

import sys
import types

import pytest
import torch
from torch import nn

import steadygrad
from steadygrad.errors import InputError, SteadygradError
from steadygrad.judging.ledger import shown
from steadygrad.record import Where


@pytest.fixture
def parts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def learn(model, optimizer, steps=6, nan_at=-1):
    for step in range(steps):
        images = torch.randn(32, 8)
        labels = (images[:, 0] > 0).long() + 2 * (images[:, 1] > 0).long()
        images = images * float("nan") if step == nan_at else images
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield step


def test_a_block_is_watched_and_torch_is_as_before(parts, capsys):
    before = (nn.Module.__call__, torch.Tensor.backward, torch.optim.SGD.step)
    with steadygrad.watch(*parts) as watching:
        assert list(learn(*parts)) == [0, 1, 2, 3, 4, 5]
    assert (nn.Module.__call__, torch.Tensor.backward, torch.optim.SGD.step) == before
    assert watching.findings == []
    assert watching.failures == []
    assert watching.record.loop.backwards == 6
    assert len(watching.record.loop.parameters) == 4
    assert "nothing wrong seen in 6 steps" in capsys.readouterr().err


def test_findings_arrive_by_callback_by_iteration_and_at_the_end(parts, capsys):
    called, seen = [], {}
    with steadygrad.watch(*parts, on_finding=called.append) as watching:
        for step in learn(*parts, steps=8, nan_at=2):
            for finding in watching.new():
                seen[finding.rule] = step
    assert 2 <= seen["non-finite"] <= 4
    assert "non-finite" in [finding.rule for finding in called]
    assert "non-finite" in [finding.rule for finding in watching.findings]
    assert watching.record.findings == watching.findings
    assert capsys.readouterr().err == ""


def test_start_and_stop_by_hand_with_a_report(parts, tmp_path, capsys):
    page = tmp_path / "page.html"
    watching = steadygrad.watch(*parts, report=page).start()
    list(learn(*parts, nan_at=2))
    findings = watching.stop()
    assert watching.stop() == findings
    assert "non-finite" in page.read_text(encoding="utf-8")
    assert "ERROR non-finite" in capsys.readouterr().err


def test_what_a_callback_raises_ends_the_loop(parts):
    class Enough(Exception):
        pass

    def refuse(finding):
        raise Enough(finding.rule)

    with pytest.raises(Enough), steadygrad.watch(*parts, on_finding=refuse) as watching:
        list(learn(*parts, steps=8, nan_at=2))
    assert watching.findings
    with steadygrad.watch(on_finding=print):
        pass


def test_a_second_watch_is_refused_and_the_first_goes_on(parts):
    with steadygrad.watch(on_finding=print) as watching:
        with pytest.raises(SteadygradError, match="running already"):
            steadygrad.watch().start()
        list(learn(*parts))
    assert watching.record.loop.backwards == 6
    with pytest.raises(SteadygradError, match="started before"):
        watching.start()
    with pytest.raises(SteadygradError, match="never started"):
        steadygrad.watch().stop()


def test_a_mistyped_rule_is_an_error_and_leaves_nothing_running():
    with pytest.raises(InputError, match="Did you mean 'lr-too-high'"):
        steadygrad.watch(ignore=["lr-to-high"]).start()
    with steadygrad.watch(ignore=["lr-too-high"], on_finding=print):
        pass


def test_numbers_and_random_numbers_are_those_of_an_unwatched_loop(parts):
    model, optimizer = parts
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    list(learn(model, optimizer))
    plain, random = [tensor.clone() for tensor in model.parameters()], torch.get_rng_state()
    torch.manual_seed(0)
    nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    model.load_state_dict(start)
    with steadygrad.watch(model, optimizer, on_finding=print):
        list(learn(model, optimizer))
    assert all(torch.equal(a, b) for a, b in zip(plain, model.parameters()))
    assert torch.equal(random, torch.get_rng_state())


def test_a_cell_of_a_notebook_is_named_as_the_reader_sees_it(monkeypatch):
    shell = types.SimpleNamespace(compile=types.SimpleNamespace(_filename_map={"/tmp/k/1.py": 3}))
    notebook = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    assert shown(Where(file="/tmp/k/1.py", line=2), "/").file == "In [3]"
    assert shown(Where(file="/tmp/k/2.py"), "/home").file == "/tmp/k/2.py"


@pytest.mark.parametrize("name", ["lightning", "hugging_face"])
def test_a_callback_without_its_package_says_what_to_install(name, monkeypatch):
    import importlib

    module = importlib.import_module(f"steadygrad.watch.{name}")
    if module.WatchCallback.__mro__[1].__name__ != "Missing":
        pytest.skip("the package is installed")
    with pytest.raises(SteadygradError, match="pip install"):
        module.WatchCallback()
