"""The command line as its user meets it: exit statuses, messages, what comes out."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

from digit_files import write_digits
from steadygrad.record.choices import CHOICES

QUICK = ["--model", "logistic", "--epochs", "1", "--precision", "fp32", "--threads", "1"]
QUICK += ["--memory-format", "contiguous"]
PROMISED = {"test", "val", "classes", "epochs", "steps", "train_seconds", "images_per_second"}
PROMISED |= {"parameters", "findings", "parity", "seed"}


@pytest.fixture(scope="module")
def home(tmp_path_factory, processes):
    """A folder with data of many kinds and one finished run."""
    home = tmp_path_factory.mktemp("home")
    write_digits(home / "photos")
    write_digits(home / "one-class", ["cat"])
    write_digits(home / "lonely", ["cat", "dog"])
    write_digits(home / "lonely", ["owl"], each=1, first=2)
    for name, bad in (("note", 1), ("broken", 6)):
        write_digits(home / name, ["cat", "dog"])
        for number in range(bad):
            (home / name / "cat" / f"text{number}.jpg").write_text("hello, I am text\n")
    (home / "empty").mkdir()
    (home / "file").write_text("x")
    ended = processes.run("train", "photos", "--out", "run", "--json", "s.json", *QUICK, cwd=home)
    assert ended.status == 0, ended.err
    return home


@pytest.fixture
def cli(processes, home):
    def run(*arguments, **how):
        ended = processes.run(*arguments, cwd=home, **how)
        assert "Traceback" not in ended.err
        return ended

    return run


def refused(ended, *words):
    """Exit status 2, one sentence or two on standard error, nothing on standard output."""
    assert ended.status == 2, ended
    assert ended.out == ""
    for word in words:
        assert word in ended.err, (word, ended.err)
    return ended


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("phtos", ["There is no 'phtos'. Did you mean 'photos'?"]),
        ("digts", ["Did you mean 'digits'?"]),
        ("empty", ["There is no picture in 'empty'", "one folder per class"]),
        ("one-class", ["only one class ('cat')", "at least two"]),
        ("broken", ["6 of 46 files", "cat/text0.jpg", "not a picture", "--allow-broken"]),
        ("file", ["'file' is a file"]),
        ("photos/one", ["no class folders"]),
        ("x" * 5000, ["can't be read"]),
    ],
)
def test_data_that_cannot_be_used(cli, home, data, words):
    refused(cli("train", data, "--out", "fresh", *QUICK), *words)
    assert not (home / "fresh").exists()


def test_class_with_one_picture_trains_with_a_note(cli, home):
    ended = cli("train", "lonely", "--out", "lonely-run", *QUICK)
    assert ended.status == 0
    assert "no picture in test: owl" in ended.err
    assert "class-imbalance" in ended.out


def test_text_called_jpg_is_listed_and_left_out(cli, home):
    ended = cli("train", "note", "--out", "note-run", "--quiet", *QUICK)
    assert ended.status == 0
    assert ended.err == ""
    assert "broken-images" in ended.out
    assert "cat/text0.jpg" in ended.out
    assert "text0.jpg" in (home / "note-run" / "report.html").read_text()
    assert "text0" not in (home / "note-run" / "splits.csv").read_text()


def test_many_broken_files_train_when_allowed(cli):
    ended = cli("train", "broken", "--out", "b", "--allow-broken", "--fail-on", "error", *QUICK)
    assert ended.status == 3
    assert "ERROR: broken-images" in ended.out


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read anything")
def test_unreadable_folder(cli, home):
    folder = write_digits(home / "locked")
    folder.chmod(0)
    try:
        refused(cli("train", "locked", *QUICK), "permission denied")
    finally:
        folder.chmod(0o755)


LOCKED = "import os; os.seteuid(65534)"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="becomes another user")
def test_folders_that_this_user_may_not_use(processes):
    """As above, for root, who becomes nobody for it."""
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)  # pytest's own folders let nobody pass
        os.chmod(write_digits(os.path.join(home, "private")), 0o700)
        open_to_all = write_digits(os.path.join(home, "photos"))
        os.chmod(open_to_all, 0o755)
        how = {"cwd": home, "before": LOCKED}
        os.mkdir(os.path.join(home, "mine"))
        ended = processes.run("train", "photos", "--out", "mine", *QUICK, **how)
        refused(ended, "can't be written", "Permission denied")
        os.chmod(os.path.join(home, "mine"), 0o777)
        ended = processes.run("train", "private", "--out", "mine", *QUICK, **how)
        refused(ended, "may not be read", "permission denied")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "run"], ["'run' exists", "--resume run", "--overwrite"]),
        (["--out", "file"], ["'file' is a file"]),
        (["--out", "file/below"], ["can't be written", "Not a directory"]),
        (["--out", "photos"], ["not empty and no run folder"]),
        (["--out", "photos", "--overwrite"], ["not empty and no run folder"]),
        (["--out", "x" * 300], ["can't be written"]),
        (["--json", "nowhere/s.json"], ["no folder 'nowhere'"]),
        (["--json", "photos"], ["is a folder"]),
        (["--recipe", "nowhere"], ["can't be read"]),
        (["--recipe", "file"], ["no recipe.json"]),
        (["--from", "nowhere"], ["no model at"]),
        (["--from", "file"], ["no model.json"]),
        (["--from", "run", "--model", "vgg"], ["its own model, logistic"]),
        (["--from", "run", "--preprocess", "pca"], ["its own preprocess, channel-mean-std"]),
        (["--freeze", "0.5"], ["--from"]),
        (["--model", "nets:tiny"], ["no module 'nets'"]),
        (["--model", "net.py:tiny"], ["no file", "net.py"]),
        (["--model", "timm/resnet18"], ["timm", "pip install"]),
        (["--device", "cudaa"], ["Did you mean 'cuda'?"]),
        (["--fail-on", "eror"], ["'eror' is not one of 'error'"]),
        (["--checkpoint-every", "soon"], ["'soon' is no duration"]),
        (["--budget", "5x"], ["'5x' is no duration", "1h30m"]),
        (["--bach-size", "3"], ["No such option '--bach-size'", "--batch-size"]),
        (["--epochs", "many"], ["'many' is not a valid integer"]),
        (["--channels", "2"], ["3 for colour or 1 for gray"]),
    ],
)
def test_options_that_cannot_be_used(cli, home, options, words):
    before = sorted(os.listdir(home))
    defaults = [] if "--out" in options else ["--out", "fresh"]
    refused(cli("train", "photos", *options, *defaults), *words)
    assert sorted(os.listdir(home)) == before


@pytest.mark.parametrize("name", CHOICES)
def test_mistyped_choice_names_the_nearest(cli, home, name):
    meant = max((choice for choice in CHOICES[name] if choice != "auto"), key=len)
    option = f"--{name.replace('_', '-')}"
    typed = meant[:2] + meant[3:] + "x"
    ended = refused(cli("train", "photos", option, typed), f"'{typed}'", f"Did you mean '{meant}'?")
    assert ", ".join(CHOICES[name]) in ended.err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("epochs", "-1"), ("lr", "-0.1"), ("lr", "nan"), ("dropout", "1"), ("batch-size", "-8")),
        *(("val-fraction", "0.95"), ("warmup", "2"), ("threads", "-1"), ("image-size", "9999")),
        *(("momentum", "1"), ("label-smoothing", "1"), ("budget", "nan"), ("clip-norm", "nan")),
    ],
)
def test_numbers_out_of_range(cli, option, value):
    refused(cli("train", "photos", f"--{option}", value), option)


def test_recipes_that_cannot_be_used(cli, home):
    for content, words in (
        ("[1]", "JSON object"),
        ('{"recipe": 3}', "JSON object"),
        ('{"recipe": {"lrr": 3}}', "no field 'lrr'. Did you mean 'lr'?"),
        ('{"epochs": 1.5}', "'epochs' is 1.5; expected int"),
        ('{"epochs": Infinity}', "expected int"),
        ('{"lr": "fast"}', "expected float"),
        ('{"model": null}', "expected str"),
    ):
        (home / "recipe.json").write_text(content)
        refused(cli("train", "photos", "--recipe", "recipe.json"), words)


def test_recipe_of_a_run_is_taken_and_overruled(cli, home):
    ended = cli("train", "photos", "--out", "again", "--recipe", "run", "--lr", "0.02", "--quiet")
    assert ended.status == 0
    first, second = (
        json.loads((home / run / "recipe.json").read_text())["recipe"] for run in ("run", "again")
    )
    assert second == {**first, "lr": 0.02}


def test_commands_that_do_not_exist(cli):
    refused(cli("trian", "photos"), "There is no command 'trian'. Did you mean 'train'?")
    refused(cli("train"), "Give DATA, or --resume RUN")
    refused(cli("train", "photos", "--resume", "run"), "one of the two")
    refused(cli("train", "--resume", "run"), "finished")
    refused(cli("train", "--resume", "photos"), "no run folder")
    refused(cli("train", "--resume", "nowhere"), "nothing of that name")
    refused(
        cli("train", "--resume", "run", "--batch-size", "3", "--out", "x", "--allow-broken"),
        *("leave out", "--batch-size", "--out", "--allow-broken"),
    )


def test_damaged_run_folder(cli, home):
    shutil.copytree(home / "run", home / "damaged")
    for content in ("", "{", "[]", "{}"):
        (home / "damaged" / "summary.json").unlink(missing_ok=True)
        (home / "damaged" / "recipe.json").write_text(content)
        ended = cli("train", "--resume", "damaged")
        assert ended.status == 1
        assert "damaged" in ended.err
    shutil.copy(home / "run" / "recipe.json", home / "damaged")
    (home / "damaged" / "checkpoint" / "last.safetensors").write_bytes(b"junk")
    ended = cli("train", "--resume", "damaged")
    assert ended.status == 1
    assert "can't be read" in ended.err
    (home / "damaged" / "model.json").write_text("{}")
    refused(cli("evaluate", "damaged", "photos"), "damaged")
    (home / "damaged" / "report.json").write_text("{")
    refused(cli("report", "damaged"), "damaged")


def test_summary_holds_what_is_promised(home):
    summary = json.loads((home / "s.json").read_text())
    assert summary == json.loads((home / "run" / "summary.json").read_text())
    assert summary.keys() >= PROMISED
    assert summary["epochs"] == 1
    assert isinstance(summary["epochs"], int)
    assert summary["classes"] == ["one", "three", "two"]
    assert {"accuracy", "loss"} <= summary["test"].keys() & summary["val"].keys()
    assert {"top1_agreement", "max_abs_probability_difference"} <= summary["parity"].keys()


def test_run_folder_holds_what_is_promised(home):
    names = {"recipe.json", "record.jsonl", "checkpoint", "model.safetensors", "model.json"}
    names |= {"model.onnx", "report.html", "summary.json", "splits.csv", "report.json", "lock"}
    assert set(os.listdir(home / "run")) == names
    for path in (home / "run").rglob("*"):
        if path.is_file() and path.name != "lock":
            assert path.stat().st_mode & 0o777 == 0o644, path


def test_json_on_standard_output(cli):
    ended = cli("train", "photos", "--out", "j", "--json", "-", "--quiet", *QUICK)
    assert json.loads(ended.out).keys() >= PROMISED
    assert json.loads(cli("audit", "photos", "--json", "-").out)["num_files"] == 60
    assert json.loads(cli("evaluate", "run", "photos", "--json", "-").out)["split"] == "test"
    assert json.loads(cli("export", "run", "--json", "-").out)["passed"]
    assert json.loads(cli("rules", "--json", "-").out)[0]["name"] == "broken-images"
    assert json.loads(cli("rules", "leakage", "--json", "-").out)["name"] == "leakage"
    answers = json.loads(cli("predict", "run", "photos/one", "--json", "-").out)
    assert len(answers["predictions"]) == 20


def test_layer_table(cli, home):
    ended = cli("train", "photos", "--summary", *QUICK)
    assert ended.status == 0
    assert "multiply-adds" in ended.out
    assert "3,075" in ended.out
    assert not (home / "runs").exists()


def test_default_run_folders_are_numbered(cli, home):
    for number in (1, 2):
        assert cli("train", "photos", "--quiet", *QUICK).status == 0
        assert (home / "runs" / f"photos-{number}" / "summary.json").exists()


def test_overwrite_replaces_a_run_and_nothing_else(cli, home):
    cli("train", "photos", "--out", "over", "--quiet", *QUICK)
    (home / "over" / "notes.txt").write_text("mine")
    options = ["--out", "over", "--overwrite", "--seed", "5", "--quiet"]
    # Data that can't be used leaves the old run alone.
    refused(cli("train", "empty", *options))
    assert (home / "over" / "model.onnx").exists()
    assert cli("train", "photos", *options, *QUICK).status == 0
    assert json.loads((home / "over" / "summary.json").read_text())["seed"] == 5
    assert (home / "over" / "notes.txt").read_text() == "mine"


def test_predict(cli, home):
    ended = cli("predict", "run", "photos/two", "--top-k", "1")
    assert ended.status == 0
    assert ended.out.splitlines()[0].startswith("photos/two/1.png: two ")
    ended = cli("predict", "run/model.onnx", "photos/one/0.png", "note/cat/text0.jpg", "gone.png")
    assert ended.status == 1
    assert "text0.jpg: not a picture" in ended.err
    assert "gone.png: " in ended.err
    assert "photos/one/0.png: one" in ended.out
    refused(cli("predict", "run", "gone.png"), "None of the files")
    refused(cli("predict", "run", "empty"), "no picture in 'empty'")
    refused(cli("predict", "nowhere", "photos"), "no file 'nowhere'")
    refused(cli("predict", "photos", "photos"), "no model.onnx", "steadygrad export")
    refused(cli("predict", "file", "photos"), "no ONNX model")
    refused(cli("predict", "run"), "Missing argument")
    refused(cli("predict", "run", "photos", "--top-k", "0"), "range")


def test_evaluate_maps_classes_by_name(cli, home):
    write_digits(home / "subset", ["two", "one"][:1], first=1)
    write_digits(home / "turned", ["one"])
    write_digits(home / "turned", ["two", "three"], first=1)
    write_digits(home / "unknown", ["two", "zebra"], first=1)
    write_digits(home / "only-test" / "test", ["three"], first=2)
    whole = json.loads(cli("evaluate", "run", "photos", "--split", "all", "--json", "-").out)
    assert whole["seen_in_training"]
    assert whole["accuracy"] > 0.8
    (home / "turned" / "classes.csv").write_text(
        "path,label\n"
        + "".join(
            f"{name}/{file.name},{name}\n"
            for name in ("two", "three", "one")
            for file in sorted((home / "turned" / name).iterdir())
        )
    )
    turned = json.loads(cli("evaluate", "run", "turned/classes.csv", "--json", "-").out)
    assert turned["split"] == "all"
    assert turned["confusion"] == whole["confusion"]
    subset = json.loads(cli("evaluate", "run", "subset", "--json", "-").out)
    two = whole["classes"].index("two")
    assert subset["confusion"][two] == whole["confusion"][two]
    assert subset["num_images"] == 20
    ended = cli("evaluate", "run", "only-test")
    assert ended.status == 0
    assert "20 test pictures" in ended.out
    refused(cli("evaluate", "run", "unknown"), "does not know the class 'zebra'", "one, three")
    refused(cli("evaluate", "run", "only-test", "--split", "val"), "no val pictures")
    refused(cli("evaluate", "nowhere", "photos"), "'nowhere' is no run folder")
    refused(cli("evaluate", "run", "photos", "--split", "tst"), "'tst' is not one of")


def test_export_and_report_again(cli, home):
    shutil.copytree(home / "run", home / "copy")
    (home / "copy" / "model.onnx").unlink()
    (home / "copy" / "report.html").unlink()
    ended = cli("export", "copy")
    assert ended.status == 0
    assert "the same answer as in training on 60 pictures" in ended.out
    assert cli("predict", "copy", "photos/one/0.png").status == 0
    assert cli("report", "copy").out == f"copy{os.sep}report.html\n"
    assert "<html" in (home / "copy" / "report.html").read_text()
    refused(cli("export", "nowhere"), "no run folder")
    refused(cli("report", "nowhere"), "report.json")


def test_rules(cli):
    catalogue = cli("rules")
    assert catalogue.status == 0
    assert "symmetric-init" in catalogue.out
    assert "Fix" in cli("rules", "leakage").out
    refused(cli("rules", "leakge"), "Did you mean 'leakage'?")


def test_audit(cli):
    ended = cli("audit", "broken", "--fail-on", "error")
    assert ended.status == 3
    assert "cat/text0.jpg: not a picture" in ended.out
    assert cli("audit", "note", "--fail-on", "error").status == 0
    assert cli("audit", "note", "--fail-on", "warning").status == 3
    assert cli("audit", "one-class").status == 0
    refused(cli("audit", "empty"), "no picture")
    refused(cli("audit", "nowhere"), "There is no 'nowhere'")


@pytest.mark.parametrize("init", ["zeros", "constant"])
def test_symmetric_init_is_allowed_and_reported(cli, home, init):
    out = home / f"init-{init}"
    options = ["--model", "mlp", "--width", "8", "--epochs", "1", "--init", init]
    ended = cli("train", "photos", "--out", out, *options, *QUICK[4:], "--fail-on", "error")
    assert ended.status == 3
    before, _, _ = ended.err.partition("epoch 1:")
    assert "ERROR: symmetric-init" in before
    assert "ERROR: symmetric-init" in ended.out
    assert "symmetric-init" in (out / "report.html").read_text()
    summary = json.loads((out / "summary.json").read_text())
    assert "symmetric-init" in [finding["rule"] for finding in summary["findings"]]


HOSTILE = [
    "new\nline",
    "quo'te\"s",
    "<script>alert(1)</script>".replace("/", "\\"),
    os.fsdecode(b"bytes\xff\xfe"),
    "emoji 🐈 :smile: [bold]",
    "x" * 240,
    "--help",
    "\x1b[31mred",
    "a,b;c",
]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems forbid such names")
def test_hostile_names(cli, home):
    data = home / "hostile\n<img src=x>"
    write_digits(data, HOSTILE)
    for name in HOSTILE:
        first = next((data / name).iterdir())
        shutil.move(first, first.with_name(HOSTILE[HOSTILE.index(name) - 1][:200] + ".png"))
    (data / HOSTILE[0] / os.fsdecode(b"bro\xffken<b>.png")).write_text("no picture")
    out = home / os.fsdecode(b"out\xff<i>")
    ended = cli("train", data, "--out", out, *QUICK)
    assert ended.status == 0, ended.err
    assert "\x1b" not in ended.out + ended.err
    summary = json.loads((out / "summary.json").read_text())
    assert sorted(summary["classes"]) == sorted(HOSTILE)
    page = (out / "report.html").read_text(encoding="utf-8")
    for raw in ("<script>alert", "<img src=x", "bro<b>", "<i>"):
        assert raw not in page
    assert "&lt;script&gt;alert" in page
    assert cli("report", out).status == 0
    assert cli("export", out).status == 0
    ended = cli("evaluate", out, data, "--split", "all")
    assert ended.status == 0
    assert "\x1b" not in ended.out
    ended = cli("predict", out, data)
    assert ended.status == 1  # for the broken one
    assert len(ended.out.splitlines()) == 20 * len(HOSTILE)
    assert "\x1b" not in ended.out + ended.err
    answers = json.loads(cli("predict", out, data, "--json", "-").out)["predictions"]
    assert {answer["classes"][0] for answer in answers if answer["classes"]} <= set(HOSTILE)
    assert all(os.path.exists(answer["path"]) for answer in answers)


def test_help_needs_no_torch():
    probe = (
        "import sys, steadygrad.cli as cli\n"
        "for arguments in (['--help'], ['train', '--help'], ['rules'], ['--version']):\n"
        "    try: cli.main(arguments)\n"
        "    except SystemExit as stop: assert not stop.code\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "--checkpoint-every" in ended.stdout
    assert "steadygrad train photos/ --budget 5m" in ended.stdout


def test_predict_needs_no_torch(home):
    probe = (
        "import sys, steadygrad.cli as cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "assert 'torch' not in sys.modules\n"
    )
    command = [sys.executable, "-c", probe, "predict", "run", "photos/one"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=home)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) == 20


@pytest.mark.skipif(os.name != "posix", reason="pipes of this kind")
def test_reader_that_goes_away(home):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "steadygrad", "predict", "run", "photos"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, cwd=home)
    os.close(write)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr
