"""The README's Python example runs as it stands."""

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    accuracy = float(re.search(r"validation accuracy ([\d.]+)%", printed)[1])
    assert accuracy > 85
    assert (tmp_path / "digits.onnx").stat().st_size > 10_000


def test_every_file_it_links_to_exists():
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert len(links) > 5
    for link in links:
        assert (README.parent / link).exists(), link


def test_the_folder_tree_is_the_one_there_is():
    tree = README.read_text(encoding="utf-8").split("src/steadygrad/\n")[1].split("\n    tests/")[0]
    for name in re.findall(r"^ {6}(\S+)", tree, re.MULTILINE):
        assert (README.parent / "src" / "steadygrad" / name).exists(), name
