"""Which fault brings about which: complete, without cycles, root causes first."""

import re
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steadygrad import rules
from steadygrad.record import Finding
from steadygrad.rules import causes
from steadygrad.rules.causes import EXPLAINS, FACTS, ORDER, OUTCOMES, STATISTICS, merge


def finding(rule: str, severity="error", step=0, **numbers) -> Finding:
    return Finding(rule, severity, step, f"{rule} was seen.", "expected", "fix", numbers=numbers)


def names(findings) -> list[str]:
    return [one.rule for one in findings]


def test_the_map_knows_every_rule_of_the_catalogue_and_no_other():
    assert len(set(ORDER)) == len(ORDER) == 52
    assert set(EXPLAINS) == set(ORDER)
    assert {name for effects in EXPLAINS.values() for name in effects} <= set(ORDER)
    assert {rules.name_of(rule) for rule in rules.RULES} <= set(ORDER)


def test_rules_are_asked_in_the_order_of_causes():
    asked = [rules.name_of(rule) for rule in rules.RULES]
    assert asked == [name for name in ORDER if name in asked]


def test_nothing_explains_itself_and_no_effect_is_named_twice():
    for name, effects in EXPLAINS.items():
        assert name not in causes.consequences(name), name
        assert len(set(effects)) == len(effects), name


def test_outcomes_explain_no_fact_and_no_statistic():
    for name in OUTCOMES:
        assert causes.consequences(name) <= set(OUTCOMES)


@pytest.mark.parametrize(
    ("cause", "effects"),
    [
        ("input-scale", ["dead-relu", "exploding-gradient", "loss-at-init", "not-learning"]),
        ("input-scale", ["saturated-activation", "lr-too-high", "collapsed-output", "non-finite"]),
        ("double-softmax", ["not-learning", "vanishing-gradient", "loss-at-init"]),
        ("no-step", ["not-learning", "underfitting", "lr-too-low"]),
        ("optimizer-misses-parameters", ["not-learning", "underfitting", "lr-too-low"]),
        ("no-gradient", ["not-learning", "underfitting", "lr-too-low"]),
        ("lr-too-high", ["dead-relu", "non-finite", "not-learning", "exploding-gradient"]),
        ("label-misalignment", ["not-learning", "overfitting"]),
        ("eval-mode-training", ["norm-gap", "not-learning"]),
    ],
)
def test_one_fault_is_one_finding(cause, effects):
    found = [finding(name, step=20) for name in effects] + [finding(cause, "warning", step=20)]
    (left,) = merge(found)
    assert left.rule == cause
    assert sorted(left.numbers["explains"]) == sorted(effects)
    assert left.saw.count("This explains") == 1
    assert all(left.saw.count(name) == 1 for name in effects)
    assert left.severity == "error"  # the cause of an error is an error


def test_causes_reach_through_others():
    # What explains a dead ReLU explains what that brings about, seen or not.
    assert "no-gradient" in causes.consequences("missing-zero-grad")
    (left,) = merge([finding("no-gradient"), finding("missing-zero-grad")])
    assert left.rule == "missing-zero-grad"


def test_unrelated_faults_stand_side_by_side():
    found = [finding("underfitting", "note"), finding("leakage"), finding("graph-retained")]
    assert names(merge(found)) == ["leakage", "graph-retained", "underfitting"]


def test_a_statistic_explains_nothing_that_was_there_long_before():
    late = finding("lr-too-high", step=400)
    assert names(merge([late, finding("non-finite", step=400)])) == ["lr-too-high"]
    assert names(merge([late, finding("non-finite", step=389)])) == ["non-finite", "lr-too-high"]
    assert names(merge([late, finding("non-finite", step=390)])) == ["lr-too-high"]


def test_a_fact_explains_whatever_came_before_it_was_noticed():
    found = [finding("optimizer-misses-parameters", step=500), finding("not-learning", step=100)]
    assert names(merge(found)) == ["optimizer-misses-parameters"]


def test_a_certain_finding_is_only_explained_by_facts():
    nan = finding("non-finite", certain=True)
    assert names(merge([finding("lr-too-high"), nan])) == ["non-finite", "lr-too-high"]
    nan = finding("non-finite", certain=True)
    assert names(merge([finding("input-scale"), nan])) == ["input-scale"]


def test_facts_before_statistics_before_outcomes_and_notes_last():
    found = [
        finding("overfitting"),
        finding("vanishing-gradient"),
        finding("graph-retained", "warning"),
        finding("bias-before-norm", "note"),
    ]
    expected = ["graph-retained", "vanishing-gradient", "overfitting", "bias-before-norm"]
    for order in permutations(found):
        assert names(merge(order)) == expected


def test_errors_come_before_warnings_of_the_same_rank():
    found = [finding("leakage", "warning"), finding("graph-retained")]
    assert names(merge(found)) == ["graph-retained", "leakage"]


def test_several_findings_of_one_rule_are_named_once():
    (left,) = merge([finding("dead-relu", step=1), finding("dead-relu"), finding("input-scale")])
    assert left.numbers["explains"] == ["dead-relu"]


def test_a_rule_of_ones_own_is_neither_cause_nor_effect():
    assert names(merge([finding("my-own"), finding("input-scale"), finding("not-learning")])) == [
        "input-scale",
        "my-own",
    ]


@given(st.lists(st.tuples(st.sampled_from(ORDER), st.integers(0, 300)), max_size=12))
def test_everything_found_is_told_or_explained(drawn):
    found = [finding(rule, "warning", step) for rule, step in drawn]
    left = merge(found)
    told = {one.rule for one in left}
    explained = {name for one in left for name in one.numbers.get("explains", ())}
    assert {rule for rule, _ in drawn} == told | explained
    for cause, effect in product(left, left):
        assert cause is effect or not causes.explains(cause, effect)


def test_the_tiers_do_not_overlap():
    assert not set(FACTS) & set(STATISTICS)
    assert not (set(FACTS) | set(STATISTICS)) & set(OUTCOMES)
    assert all(re.fullmatch(r"[a-z-]+", name) for name in ORDER)
