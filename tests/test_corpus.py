"""A minute of the corpus: scripts through the real command, and every case's own form.

The whole of it is `make corpus`; tests/corpus/run.py says what is missed.
"""

import ast
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "corpus"))

import case as cases
import run
import scoring

FAULTY = (
    "double-softmax__multilabel_sigmoid",
    "softmax-dim__log_softmax_over_batch",
    "loss-input__nll_on_logits",
    "loss-broadcast__mse_column_vs_row",
    "symmetric-init__zeros_apply_mlp",
    "missing-zero-grad__trainer_class",
    "zero-grad-misplaced__between_backward_and_step",
    "no-step__missing_parentheses",
    "optimizer-misses-parameters__python_list",
    "eval-mode-training__after_first_validation",
    "train-mode-evaluation__dropout_mlp",
    "no-gradient__detached_latent",
)
HEALTHY = (
    "accumulation",
    "finetune_frozen_eval",
    "functional_parameters",
    "grad_scaler",
    "metric_logging",
    "mixup",
    "regression_polynomial",
    "swa_update_bn",
    "torch_func",
    "workers",
)
AT_A_TIME = 2


def jobs(kind, names):
    found = {case.name: case for case in cases.load_all(kind)}
    of_kind = [run.Job(found[name], kind, 0) for name in names]
    return pytest.mark.parametrize("job", of_kind, ids=names)


def all_cases():
    return [*cases.load_all("faulty"), *cases.load_all("healthy")]


each_case = pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
each_faulty = pytest.mark.parametrize("case", cases.load_all("faulty"), ids=lambda case: case.name)


@pytest.fixture(scope="module")
def outcome_of(request, tmp_path_factory):
    """What became of a job; those of all selected tests run at once, two at a time."""
    folder = tmp_path_factory.mktemp("corpus")
    chosen = [getattr(item, "callspec", None) for item in request.session.items]
    selected = [call.params["job"] for call in chosen if call and "job" in call.params]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        tool = [run.default_tool()]
        running = {job: pool.submit(run.run_job, job, tool, folder) for job in selected}
        yield lambda job: running[job].result()
        pool.shutdown(cancel_futures=True)


@jobs("faulty", FAULTY)
def test_the_fault_is_named_with_its_line(job, outcome_of):
    outcome = outcome_of(job)
    assert outcome.findings is not None, outcome.stderr
    verdict = scoring.judge(job.case, outcome)
    assert verdict.strict, f"said {verdict.named}"
    assert verdict.line, f"at {verdict.at}, expected one of {sorted(job.case.right_lines)}"
    assert outcome.tool_failures == []


@jobs("healthy", HEALTHY)
def test_a_healthy_script_hears_nothing(job, outcome_of):
    outcome = outcome_of(job)
    assert outcome.findings is not None, outcome.stderr
    assert outcome.status == 0, outcome.stderr
    assert outcome.score is not None
    assert [f"{f['rule']}: {f['saw']}" for f in outcome.alarms] == []
    assert outcome.tool_failures == []


@each_case
def test_a_case_says_what_it_is(case):
    assert not set(case.header) - set(cases.KEYS)
    assert case.header.get("source")
    assert case.header.get("data")
    assert case.header.get("style")
    compile(case.text, case.path.name, "exec")
    assert "steadygrad" not in case.text.lower()
    if case.healthy:
        assert case.path.parent.name == "healthy"
        assert case.header.get("trap")
        assert not case.right_lines
    else:
        assert case.path.parent.name == "faulty"
        assert case.header.get("severity") in cases.SEVERITIES
        assert case.name.startswith(f"{case.rule}__")
        assert case.fault_lines or case.by_logic


@each_faulty
def test_the_fix_leaves_a_script(case):
    ast.parse(case.fixed)
    assert case.fixed != case.text
    assert "# FAULT" not in case.fixed
    assert "# FIXED" not in case.fixed
    assert "# ALSO" not in case.fixed


def test_the_corpus_is_large():
    assert len(cases.load_all("faulty")) >= 80
    assert len(cases.load_all("healthy")) >= 40
    assert len({case.rule for case in cases.load_all("faulty")}) >= 30


def test_marked_lines_are_replaced_removed_and_inserted():
    text = (
        "a = 1  # FAULT\n# FIXED: a = 2\n# FIXED: b = 3\n"
        "if a:\n    c = 4  # FAULT\n    # FIXED:\n    d = 5  # ALSO\n    # FIXED: e = 6\n"
        "f = 7  # FAULT\n"
    )
    assert cases.fixed_text(text) == "a = 2\nb = 3\nif a:\n    d = 5\n    e = 6\nf = 7\n"


def test_a_marked_end_of_a_call_covers_the_call():
    text = "x = 1\nloss = f(\n    g(x),\n    y,\n)  # FAULT\nz = g(x)  # ALSO\n"
    case = cases.Case(Path("case.py"), text)
    assert case.fault_lines == (5,)
    assert case.right_lines == {2, 3, 4, 5, 6}


def finding(rule, severity="error", line=7, step=3, file="/somewhere/case.py"):
    where = {"file": file, "line": line, "module": None, "parameter": None}
    return {"rule": rule, "severity": severity, "step": step, "where": where}


def judged(findings, severity="error", also=""):
    header = f'"""\nrule: dead-relu\nseverity: {severity}\nalso: {also}\n"""\n'
    case = cases.Case(Path("case.py"), header + "\nx = 1  # FAULT\n")
    outcome = scoring.Outcome("case", "faulty", 0, 0, 1.0, 0.1, findings)
    assert case.fault_lines == (7,)
    return scoring.judge(case, outcome)


def test_judging_wants_the_rule_the_line_and_the_first_place():
    verdict = judged([finding("dead-relu")])
    assert (verdict.found, verdict.line, verdict.first, verdict.soon) == (True,) * 4
    verdict = judged([finding("init-scale", line=2), finding("dead-relu", line=8, step=80)])
    assert (verdict.found, verdict.line, verdict.first, verdict.soon) == (True, *(False,) * 3)
    assert not judged([finding("dead-relu", file="/elsewhere/other.py")]).line
    assert not judged([]).found


def test_judging_takes_notes_only_where_a_note_is_due():
    assert not judged([finding("dead-relu", "note")]).found
    assert judged([finding("dead-relu", "note")], severity="note").found
    assert judged([finding("dead-relu", "error")], severity="warning").found


def test_judging_takes_other_rules_that_are_right_as_well():
    verdict = judged([finding("init-scale")], also="init-scale, no-step")
    assert verdict.found
    assert verdict.first
    assert not verdict.strict
