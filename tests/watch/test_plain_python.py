"""A watched script can't tell that it is watched: the same output, status and traceback."""

import pytest
from watch_scripts import plainly, watched, without_our_words, write

SCRIPT = """
import os, sys
print(sorted(globals()))
print(__name__, __file__, __spec__ and __spec__.name, __package__)
print(__builtins__.__name__, type(__loader__).__name__)
print(sys.argv, sys.path[0], os.getcwd(), sys.modules["__main__"].__dict__ is globals())
print(os.environ.get("OMP_WAIT_POLICY"), sys.stdout.errors, sys.stderr.errors)
print("torch" in sys.modules, [name for name in sys.modules if name.startswith("torch")])
import atexit
atexit.register(print, "at exit")
"""
ENDINGS = {
    "an exception": "def f(x):\n    return 1 / x\nf(0)",
    "a cause": "try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError('b') from error",
    "a context": "try:\n    {}['a']\nexcept KeyError:\n    int('x')",
    "a group": "raise ExceptionGroup('two', [ValueError(1), KeyError(2)])",
    "exit 7": "import sys; sys.exit(7)",
    "exit 0": "import sys; sys.exit()",
    "a text": "import sys; sys.exit('no such data')",
    "exit True": "raise SystemExit(True)",
    "a syntax error": "def (",
    "a missing import": "import no_such_module",
    "an own hook": "import sys\nsys.excepthook = lambda *a: print('hook', a[1])\n1 / 0",
    "a failing thread": "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()",
    "a thread that goes on": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.3), print('late'))).start()\nprint('soon')",
    "a pool": "from concurrent.futures import ThreadPoolExecutor\n"
    "pool = ThreadPoolExecutor(2)\npool.submit(print, 'in pool')",
    "an encoding": "print('\\u00e4\\udc80'.encode('utf-8', 'surrogateescape'))\n'\\udc80'.encode()",
}


def same(folder, *words, **extra):
    plain, other = plainly(folder, *words, **extra), watched(folder, *words, **extra)
    assert other.out == plain.out
    assert without_our_words(other.err) == plain.err
    assert other.status == plain.status
    assert "no training was seen: the script never imported torch" in other.err
    return plain


def test_a_script_sees_the_names_arguments_and_path_it_has_under_python(tmp_path):
    write(tmp_path, "sub/helper.py", "print('helper')")
    write(tmp_path, "sub/look.py", SCRIPT + "import helper\n")
    seen = same(tmp_path, "sub/look.py", "--lr", "0.1", "--json", "-m", "x", "--", "--help")
    assert "helper" in seen.out
    assert seen.status == 0
    assert "at exit" in seen.out


def test_a_script_behind_a_link_finds_its_neighbours(tmp_path):
    write(tmp_path, "real/helper.py", "print('helper')")
    write(tmp_path, "real/look.py", SCRIPT + "import helper\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "look.py")
    assert "helper" in same(tmp_path, "link.py").out


def test_a_module_runs_as_python_m_runs_it(tmp_path):
    write(tmp_path, "package/__init__.py", "print('package')")
    write(tmp_path, "package/other.py", "word = 'other'")
    write(tmp_path, "package/train.py", SCRIPT + "from . import other\nprint(other.word)\n")
    write(tmp_path, "package/__main__.py", SCRIPT + "from .other import word\nprint(word)\n")
    assert "other" in same(tmp_path, "-m", "package.train", "--lr", "1", "--json", "x").out
    assert "other" in same(tmp_path, "-m", "package", "-m").out
    assert "other" in same(tmp_path, "-mpackage.train", "--quiet").out


@pytest.mark.parametrize("name", ENDINGS)
def test_a_script_ends_as_under_python(tmp_path, name):
    write(tmp_path, "script.py", f"print('begin')\n{ENDINGS[name]}\n")
    same(tmp_path, "script.py")


def test_a_folder_with_a_main_runs(tmp_path):
    write(tmp_path, "app/__main__.py", SCRIPT)
    plain, other = plainly(tmp_path, "app"), watched(tmp_path, "app")
    assert (other.out, other.status) == (plain.out, plain.status)


def test_a_failing_import_of_torch_looks_the_same(tmp_path):
    write(tmp_path, "torch/__init__.py", "1 / 0")
    write(
        tmp_path,
        "script.py",
        "import importlib.util\nimportlib.util.find_spec('torch')\nimport torch",
    )
    same(tmp_path, "script.py")


def test_children_of_the_script_are_plain(tmp_path):
    code = """
    import multiprocessing, os, sys

    def work(method):
        print(method, __name__, [m for m in sys.modules if m.startswith("steadygrad.watch.run")])

    if __name__ == "__main__":
        for method in ("spawn", "forkserver"):
            process = multiprocessing.get_context(method).Process(target=work, args=(method,))
            process.start()
            process.join()
        sys.stdout.flush()
        if os.fork() == 0:
            print("a fork that comes out at the end")
        else:
            os.wait()
    """
    write(tmp_path, "script.py", code)
    assert "spawn __mp_main__ []" in same(tmp_path, "script.py").out
    assert watched(tmp_path, "script.py").err.count("steadygrad:") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Name a script"),
        (("nothing.py",), "There is no script 'nothing.py'"),
        (("-m", "no.such"), "There is no module 'no.such'"),
        (("-m", "empty"), "has no __main__.py"),
        (("empty",), "has no __main__.py"),
        (("--ignore", "lr-to-high", "script.py"), "Did you mean 'lr-too-high'?"),
        (("--fail-on", "all", "script.py"), "--fail-on"),
        (("--stop-after", "0", "script.py"), "--stop-after"),
        (("--json", "no/where.json", "script.py"), "no folder 'no' to write in"),
        (("--report", "empty", "script.py"), "is a folder"),
        (("--out", "script.py", "script.py"), "is a file"),
        (("--bogus", "script.py"), "--bogus"),
    ],
)
def test_what_can_not_be_used_is_one_sentence(tmp_path, words, sentence):
    write(tmp_path, "script.py", "print('ran')")
    write(tmp_path, "empty/__init__.py", "")
    ended = watched(tmp_path, *words)
    assert ended.status == 2
    assert sentence in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


def test_a_silent_rank_says_nothing(tmp_path):
    write(tmp_path, "script.py", "print('ran')")
    ended = watched(tmp_path, "--json", "found.json", "script.py", RANK="1")
    assert (ended.out, ended.err, ended.status) == ("ran\n", "", 0)
    assert not (tmp_path / "found.json").exists()
