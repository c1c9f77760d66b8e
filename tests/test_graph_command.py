"""`steadygrad graph` as its user meets it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from steadygrad.cli import main

NETS = str(Path(__file__).with_name("graph_nets.py"))


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["graph", *arguments])
    out = capsys.readouterr()
    return ended.value.code, out.out, out.err


def test_an_expression(capsys, tmp_path):
    out = tmp_path / "f.svg"
    code, text, _ = run(capsys, "f = (x + y) * z", "x=-2", "y=5", "z=-4", "--out", str(out))
    assert code == 0
    assert "∂f/∂x = -4, ∂f/∂y = -4, ∂f/∂z = 3" in text
    assert out.read_text().startswith("<svg ")


def test_json_instead_of_text(capsys, tmp_path):
    out = str(tmp_path / "f.png")
    code, text, _ = run(capsys, "norm(w)", "w=[3, 4]", "--out", out, "--json", "-")
    found = json.loads(text)
    assert code == 0
    assert found["value"] == 5
    assert found["gradients"] == {"w": [0.6, 0.8]}


def test_a_network(capsys, tmp_path):
    page, numbers = tmp_path / "net.html", tmp_path / "net.json"
    code, text, _ = run(
        capsys, f"{NETS}:LeNet", "--input", "4x1x28x28", "--out", str(page), "--json", str(numbers)
    )
    assert code == 0
    assert "44,426 parameters" in text
    assert "conv2d 5×5" in text
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert json.loads(numbers.read_text())["children"][1]["parameters"] == 156


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x + y", "x=1"], "'y' has no value"),
        (["x", "x=one"], "expected a number"),
        (["x", "x=1", "x=2"], "'x' is given twice"),
        (["resnet19"], "Did you mean 'resnet18'"),
        (["runs/photos-1"], "no folder 'runs/photos-1'"),
        (["missing.module:Net", "--input", "1x1"], "A model is named package.module:callable"),
        ([f"{NETS}:Two", "--input", "3x4"], "give --input once for each argument"),
        (["x", "x"], "NAME=NUMBER"),
        (["x", "x=1", "--input", "1x2"], "is for an expression"),
        (["x", "x=1", "--out", "a.pdf"], "must end in .svg or .png"),
        ([f"{NETS}:LeNet", "--input", "big"], "is no shape"),
        ([f"{NETS}:LeNet", "--input", "1x1x2x2"], "fails on inputs of shape 1x1x2x2"),
        (["missing.py:Net", "--input", "1x1"], "no file 'missing.py'"),
    ],
)
def test_one_clear_sentence_and_exit_2(capsys, arguments, words):
    code, text, error = run(capsys, *arguments)
    assert code == 2
    assert text == ""
    assert words in error
    assert error.count("\n") == 1


def test_what_is_no_number_is_null_in_json(capsys, tmp_path):
    out = ("--out", str(tmp_path / "f.svg"), "--json", "-")
    _, text, _ = run(capsys, "log(x) / y", "x=-1", "y=0", *out)
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["value"] is None
    out = ("--out", str(tmp_path / "n.html"), "--json", "-")
    _, text, _ = run(capsys, f"{NETS}:Nan", "--input", "4x8", *out)
    assert json.loads(text, parse_constant=pytest.fail)["operations"] > 1
    assert "NaN or infinite" in text
    data = (tmp_path / "n.html").read_text().partition('class="graph-data">')[2]
    json.loads(data.partition("</script>")[0], parse_constant=pytest.fail)


def test_a_model_in_evaluation_mode_is_drawn_so_with_a_word(capsys, tmp_path):
    (tmp_path / "own.py").write_text(
        "from torch import nn\n"
        "net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.9), nn.Linear(8, 2)).eval()\n"
    )
    out = str(tmp_path / "net.svg")
    code, text, _ = run(capsys, f"{tmp_path}/own.py:net", "--input", "4x8", "--out", out)
    assert code == 0
    assert "evaluation mode" in text


def test_help_has_an_example():
    from steadygrad.cli.graph import command

    assert 'steadygrad graph "f = (x + y) * z"' in CliRunner().invoke(command, ["--help"]).output
