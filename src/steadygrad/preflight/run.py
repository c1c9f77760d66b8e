"""The whole checklist for DATA and a recipe, within a minute."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from steadygrad import recipes, rules
from steadygrad.build import build, initial_facts, make_batches
from steadygrad.errors import SteadygradError
from steadygrad.fit.job import Show, Silent, with_absolute_paths
from steadygrad.fit.plan import num_training_pictures
from steadygrad.fit.prepare import like_backbone, use_machine
from steadygrad.images.dataset import Images
from steadygrad.images.source import open_source
from steadygrad.models.classifier import Classifier
from steadygrad.preflight.overfit import EXAMPLES, check_overfit
from steadygrad.preflight.rates import check_rates
from steadygrad.preflight.result import SEVERITY_OF, Check
from steadygrad.preflight.sample import open_sample, some_examples
from steadygrad.preflight.signal import check_signal, follow_steps
from steadygrad.preflight.start import check_inputs, check_loss, check_regularised
from steadygrad.preflight.words import preflight_text, verdict
from steadygrad.record import Facts, Finding, Recipe, Record
from steadygrad.report.words import count, plural
from steadygrad.rules.reading import guess_loss
from steadygrad.training_state import TrainingState, start
from steadygrad.trials import try_rates

SECONDS = 50.0
SHARES = {"signal": 0.2, "overfit": 0.35, "rates": 0.35}
"""Of the time left when the pictures are read, what each experiment may take."""
PROBE = 256
"""Pictures statistics and losses are measured on."""


@dataclass
class Preflight:
    """Everything the checklist found."""

    checks: list[Check] = field(default_factory=list[Check])
    record: Record = field(default_factory=Record)
    """What was measured; rules read it."""
    findings: list[Finding] = field(default_factory=list[Finding])
    seconds: float = 0.0
    recipe: Recipe = field(default_factory=Recipe)
    """As a run would resolve it."""

    @property
    def verdict(self) -> str:
        """The whole in a sentence."""
        return verdict(self.checks, self.findings)

    @property
    def severities(self) -> list[str]:
        """Of everything that is wrong: findings, and checks that failed or doubt."""
        failed = [SEVERITY_OF[c.status] for c in self.checks if c.status in SEVERITY_OF]
        return failed + [finding.severity for finding in self.findings]

    def text(self) -> str:
        """As a person reads it."""
        return preflight_text(self.checks, self.findings, self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "verdict": self.verdict,
            "checks": [dataclasses.asdict(check) for check in self.checks],
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
            "recipe": self.recipe.to_dict(),
            "seconds": self.seconds,
        }


def check(
    data: str,
    recipe: Recipe | None = None,
    *,
    data_root: str | None = None,
    seconds: float = SECONDS,
    show: Show | None = None,
) -> Preflight:
    """Run the babysitting checklist for DATA and a recipe; nothing is written, nothing trained.

    A large set is looked at by an even sample. Raises InputError where a run could not begin.

    >>> from steadygrad.record import Recipe
    >>> check("digits", Recipe(model="logistic"), seconds=6).checks[0].name
    'data'
    """
    began, show = time.monotonic(), show or Silent()
    asked = with_absolute_paths((recipe or Recipe()).check())
    asked = like_backbone(use_machine(asked))
    show.stage("reading pictures", total=1)
    images, num_pictures = open_sample(data, asked, data_root, show.advance)
    num_images = num_training_pictures(open_source(data, data_root), asked)
    asked = asked.replace(precision="fp32" if asked.precision == "auto" else asked.precision)
    found = Preflight(recipe=recipes.resolve(asked, images, num_images))
    found.checks.append(_audit(images, num_pictures))
    show.stage("building")
    classifier = build(found.recipe, images)
    experiments = _Experiments(found, images, classifier)
    left = max(3.0, seconds - (time.monotonic() - began))
    for name, work in experiments.all(left):
        show.stage(name)
        found.checks += _attempt(name, work)
    found.findings = rules.run(found.record)
    found.record.findings = found.findings
    found.seconds = time.monotonic() - began
    return found


def _attempt(name: str, work: Callable[[], list[Check]]) -> list[Check]:
    """What an experiment says; a network that breaks in it fails the check, in its own words."""
    began = time.monotonic()
    try:
        checks = work()
    except (RuntimeError, ValueError, TypeError, IndexError, SteadygradError) as error:
        text = " ".join(str(error).split())[:200]
        checks = [Check(name, "fail", f"{type(error).__name__}: {text}", "Training breaks there.")]
    spent = time.monotonic() - began
    return [replace(each, seconds=spent / max(1, len(checks))) for each in checks]


def _audit(images: Images, num_pictures: int) -> Check:
    """What rules say of the pictures alone, in a line; the findings themselves come at the end."""
    audit = images.audit.to_dict()
    findings = rules.run(Record(facts=Facts(audit=audit, classes=list(images.classes))))
    seen = len(images.source)
    sample = f" (an even sample of {count(num_pictures)})" if seen < num_pictures else ""
    saw = f"{plural(seen, 'picture')}{sample}, {len(images.classes)} classes, "
    saw += f"{len(images.audit.broken)} broken"
    numbers = {"pictures": num_pictures, "looked_at": seen, "broken": len(images.audit.broken)}
    severities = [finding.severity for finding in findings]
    named = ", ".join(finding.rule for finding in findings)
    if "error" in severities:
        return Check("data", "fail", saw, f"See below: {named}.", "steadygrad audit", numbers)
    if "warning" in severities:
        return Check("data", "warn", saw, f"See below: {named}.", "steadygrad audit", numbers)
    means = "No broken files, no leaks between splits, no drowned class."
    return Check("data", "pass", saw, means, "", numbers)


class _Experiments:
    """The checks that need the network, on one freshly built state that stays as it is."""

    def __init__(self, found: Preflight, images: Images, classifier: Classifier) -> None:
        self._found, self._images, self._classifier = found, images, classifier
        self._recipe = found.recipe
        self._batches = make_batches(self._recipe.replace(source_size=0), images)
        counts = images.train.class_counts().tolist()
        self._state: TrainingState = start(
            classifier, self._recipe, len(self._batches), class_counts=counts
        )
        self._probe = some_examples(images, PROBE, self._recipe.seed)
        shape = (classifier.channels, classifier.image_size, classifier.image_size)
        found.record.facts = Facts(
            classes=list(images.classes),
            class_counts={"train": counts},
            image_shape=list(shape),
            num_parameters=sum(each.numel() for each in classifier.network.parameters()),
            audit=images.audit.to_dict(),
        )

    def all(self, seconds: float) -> list[tuple[str, Callable[[], list[Check]]]]:
        """Name and work of each, in the order of a course's checklist."""
        share = {name: part * seconds for name, part in SHARES.items()}
        return [
            ("inputs", lambda: [check_inputs(self._state, self._probe[0])]),
            ("loss at the start", self._losses),
            ("signal through depth", lambda: self._signal(share["signal"])),
            ("few examples", lambda: self._overfit(share["overfit"])),
            ("learning rate", lambda: self._rates(share["rates"])),
        ]

    def _losses(self) -> list[Check]:
        record, recipe = self._found.record, self._recipe
        initial = initial_facts(self._classifier, self._images.train, recipe)
        record.facts.initial = initial
        guess = guess_loss(record) or float("nan")
        loss = float(str(initial["loss"]))
        pixels, labels = self._probe
        buffers = {name: value.clone() for name, value in self._classifier.named_buffers()}
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            logits = self._classifier.train()(pixels).float()
        for name, value in self._classifier.named_buffers():
            value.copy_(buffers[name])
        smoothing = max(0.0, recipe.label_smoothing)
        first = check_loss(loss, guess, len(self._images.classes))
        if recipe.start_from:
            first = replace(first, status="skip", means="The backbone has learned already.", fix="")
        return [first, check_regularised(self._state, logits, labels, smoothing)]

    def _signal(self, seconds: float) -> list[Check]:
        record = self._found.record
        failures = follow_steps(self._state, self._recipe, self._batches, record, seconds)
        found = check_signal(record)
        return [replace(found, numbers={**found.numbers, "failures": failures})]

    def _overfit(self, seconds: float) -> list[Check]:
        # As many classes as fit, and never one example alone of two classes.
        pixels, labels = some_examples(self._images, EXAMPLES, self._recipe.seed)
        return [check_overfit(self._state, pixels, labels, seconds)]

    def _rates(self, seconds: float) -> list[Check]:
        trials = try_rates(self._state, self._recipe, self._batches, self._probe, seconds)
        return [check_rates(trials, self._state.lr)]
