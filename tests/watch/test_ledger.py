from dataclasses import replace

import pytest

from steadygrad.judging.ledger import Ledger, at_least, shown
from steadygrad.record import Finding, Where


def finding(rule="dead-relu", severity="error", step=3, line=7, **fields):
    where = Where(file="/home/ann/train.py", line=line)
    return Finding(rule, severity, step, "saw", "expected", "fix", where=where, **fields)


@pytest.fixture
def ledger():
    return Ledger("/home/ann")


def rules_of(findings):
    return [each.rule for each in findings]


def test_what_two_judgements_in_a_row_say_is_told_once(ledger):
    assert ledger.judge([finding()]) == []
    told = ledger.judge([finding(step=9)])
    assert [(each.rule, each.step, each.where.file) for each in told] == [
        ("dead-relu", 3, "train.py")
    ]
    assert ledger.judge([replace(finding(), saw="grown")]) == []
    assert ledger.settle([finding()])[0].step == 3


def test_a_flicker_is_never_told_nor_kept(ledger):
    for _ in range(3):
        assert ledger.judge([finding()]) == []
        assert ledger.judge([]) == []
    assert ledger.settle([]) == []


def test_a_place_that_moves_is_the_same_fault_and_a_second_place_is_not(ledger):
    ledger.judge([finding(line=7)])
    assert len(ledger.judge([finding(line=9)])) == 1
    assert ledger.judge([finding(line=9)]) == []
    ledger.judge([finding(line=9), finding(line=20)])
    assert [each.where.line for each in ledger.judge([finding(line=9), finding(line=20)])] == [20]


def test_what_grows_worse_is_told_again(ledger):
    ledger.judge([finding(severity="warning")])
    assert [each.severity for each in ledger.judge([finding(severity="warning")])] == ["warning"]
    assert [each.severity for each in ledger.judge([finding()])] == ["error"]
    assert ledger.judge([finding(severity="warning")]) == []


def test_an_error_of_the_birth_stays_and_a_warning_goes(ledger):
    both = [finding("non-finite"), finding("dead-relu", "warning")]
    ledger.judge(both)
    ledger.judge(both)
    assert rules_of(ledger.settle([])) == ["non-finite"]
    assert rules_of(ledger.withdrawn) == ["dead-relu"]


def test_a_cause_found_later_withdraws_what_it_explains(ledger):
    for _ in range(2):
        ledger.judge([finding("not-learning")])
    cause = finding("symmetric-init", numbers={"explains": ["not-learning"]})
    assert rules_of(ledger.settle([cause])) == ["symmetric-init"]
    assert rules_of(ledger.withdrawn) == ["not-learning"]


def test_an_error_of_the_birth_takes_its_consequences_in(ledger):
    for _ in range(2):
        ledger.judge([finding("symmetric-init")])
    final = ledger.settle([finding("not-learning"), finding("leakage", "warning")])
    assert rules_of(final) == ["symmetric-init", "leakage"]
    assert "not-learning" in final[0].saw


def test_what_stopped_the_script_stays(ledger):
    for _ in range(2):
        told = ledger.judge([finding("dead-relu", "warning")])
    assert rules_of(ledger.settle([], keep=told[0])) == ["dead-relu"]


def test_the_final_list_is_in_the_order_of_causes_whatever_came_first(ledger):
    for _ in range(2):
        ledger.judge([finding("overfitting"), finding("missing-zero-grad")])
    final = ledger.settle([finding("bias-before-norm", "note"), finding("leakage")])
    assert rules_of(final) == ["leakage", "missing-zero-grad", "overfitting", "bias-before-norm"]


def test_findings_of_another_process_count_as_told(ledger):
    ledger.remember([finding("non-finite")])
    assert ledger.judge([finding("non-finite")]) == []
    assert rules_of(ledger.settle([])) == ["non-finite"]


@pytest.mark.parametrize(
    ("severity", "bound", "reached"),
    [
        ("error", "error", True),
        ("warning", "error", False),
        ("error", "note", True),
        ("note", "note", True),
        ("error", "never", False),
    ],
)
def test_bounds(severity, bound, reached):
    assert at_least(finding(severity=severity), bound) is reached


def test_paths_are_shown_as_a_person_names_them():
    names = ["/home/ann/a/b.py", "/home/anna/b.py", "<stdin>", "<ipython-input-3-ab>", "b.py", None]
    assert [shown(Where(file=name), "/home/ann").file for name in names] == [
        "a/b.py",
        *names[1:],
    ]
