"""A knowledge base of training runs: small classifiers on many data sets, with the accuracy and energy of each run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.inference.extras import need
from rover_energy.inference.metering import CORE_POWER

Array = NDArray[np.float64]
PURPOSE = "the knowledge base of runs"
GENERATED, TESTED = 18, 800  # data sets, and rows of each that are kept for the test


@dataclass(frozen=True)
class Run:
    """One run. features: of model, settings and data, all known before it. accuracy [0..1]; energy [J], by processor time."""

    dataset: str
    model: str
    features: tuple[float, ...]
    accuracy: float
    energy: float


def datasets(seed: int) -> Iterator[tuple[str, Array, Array]]:
    """Twenty-one of them: two that come with scikit-learn, one of them also with noise, and the rest generated."""
    source = need("sklearn.datasets", PURPOSE, "scikit-learn")
    rng = np.random.default_rng(seed)
    digits, digit = source.load_digits(return_X_y=True)
    yield "digits", digits, digit
    yield "digits noisy", digits + rng.normal(0.0, 6.0, digits.shape), digit
    cancer, malignant = source.load_breast_cancer(return_X_y=True)
    yield "cancer", cancer, malignant
    for i in range(GENERATED):
        width, classes = int(rng.integers(8, 41)), int(rng.integers(2, 7))
        x, y = source.make_classification(
            int(rng.integers(500, 2001)) + TESTED, width, n_informative=max(4, width // 2), n_classes=classes,
            n_clusters_per_class=int(rng.integers(1, 3)), class_sep=float(rng.uniform(0.6, 1.6)), random_state=seed + i,
        )  # fmt: skip
        yield f"generated {i}", x, y


def candidates(seed: int) -> list[tuple[str, tuple[float, ...], Callable[[], Any]]]:
    """Sixty ways to learn: name of the model, its settings as numbers, how to make it."""
    linear, tree = need("sklearn.linear_model", PURPOSE, "scikit-learn"), need("sklearn.tree", PURPOSE, "scikit-learn")
    ensemble, near = need("sklearn.ensemble", PURPOSE, "scikit-learn"), need("sklearn.neighbors", PURPOSE, "scikit-learn")
    network, bayes = need("sklearn.neural_network", PURPOSE, "scikit-learn"), need("sklearn.naive_bayes", PURPOSE, "scikit-learn")
    made: list[tuple[str, tuple[float, ...], Callable[[], Any]]] = []
    for c in (0.01, 0.1, 1.0, 10.0):
        for steps in (20, 100, 400):
            made.append(("linear", (c, steps), partial(linear.LogisticRegression, C=c, max_iter=steps)))
    for depth in (2, 4, 6, 8, 12, 20):
        made.append(("tree", (depth, 1), partial(tree.DecisionTreeClassifier, max_depth=depth, random_state=seed)))
    for name in ("RandomForestClassifier", "ExtraTreesClassifier"):
        for trees in (5, 20, 60):
            for depth in (4, 8, 16):
                kind = partial(getattr(ensemble, name), trees, max_depth=depth, random_state=seed)
                made.append((name, (trees, depth), kind))
    for k in (1, 3, 5, 9, 15, 25):
        made.append(("neighbours", (k, 1), partial(near.KNeighborsClassifier, k)))
    for width in (8, 16, 32, 64, 128):
        for steps in (10, 30, 90):
            made.append(("network", (width, steps), partial(network.MLPClassifier, (width,), max_iter=steps, random_state=seed)))
    for smooth in (1e-9, 1e-3, 1e-1):
        made.append(("bayes", (smooth, 1), partial(bayes.GaussianNB, var_smoothing=smooth)))
    return made


def landmarks(x: Array, y: Array) -> tuple[float, ...]:
    """Accuracies of four learners that cost next to nothing, on every third row of the training data: what it is like.

    Landmarking: Pfahringer, Bensusan and Giraud-Carrier 2000, "Meta-learning by landmarking various learning algorithms".
    """
    near, bayes = need("sklearn.neighbors", PURPOSE, "scikit-learn"), need("sklearn.naive_bayes", PURPOSE, "scikit-learn")
    tree = need("sklearn.tree", PURPOSE, "scikit-learn")
    discriminant = need("sklearn.discriminant_analysis", PURPOSE, "scikit-learn")
    learners = (
        bayes.GaussianNB(), tree.DecisionTreeClassifier(max_depth=5, random_state=0), near.KNeighborsClassifier(1),
        discriminant.LinearDiscriminantAnalysis(),
    )  # fmt: skip
    held = np.arange(len(x)) % 3 == 0
    return tuple(float(learner.fit(x[~held], y[~held]).score(x[held], y[held])) for learner in learners)


def run_all(seed: int) -> list[Run]:
    """Train every candidate on every data set. The energy is processor time times the declared power of a core."""
    scale = need("sklearn.preprocessing", PURPOSE, "scikit-learn").StandardScaler
    ways = candidates(seed)
    models = sorted({name for name, _, _ in ways})
    rng = np.random.default_rng(seed)
    runs = []
    for name, x, y in datasets(seed):
        order = rng.permutation(len(x))
        cut = len(x) - TESTED if name.startswith("generated") else int(0.7 * len(x))
        train, test = order[:cut], order[cut:]
        scaler = scale().fit(x[train])
        a, b = scaler.transform(x[train]), scaler.transform(x[test])
        marks = landmarks(a, y[train])
        classes = len(np.unique(y))
        size = (np.log(cut), np.log(x.shape[1]), float(classes), np.log(cut / x.shape[1]), np.log(cut / classes))
        facts = (*size, max(marks), *marks, *(mark - max(marks) for mark in marks))
        for model, settings, make in ways:
            learner, began = make(), time.process_time()
            learner.fit(a, y[train])
            right = float(learner.score(b, y[test]))
            energy = (time.process_time() - began) * CORE_POWER
            flags = tuple(float(model == m) for m in models)
            known = (*flags, *(float(np.log(s)) for s in settings), *(float(f) for f in facts))
            runs.append(Run(name, model, known, right, max(energy, 1e-6)))
    return runs
