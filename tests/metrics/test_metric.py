"""Descriptions of metrics, and of breakdowns that have no metric of their own."""

from __future__ import annotations

import pytest

from frozenvl.metrics.metric import Metric, main_of, metric_of

ACCURACY = Metric("accuracy", unit="%", digits=2, main=True)
LOSS = Metric("loss", digits=3, better="lower")


def test_a_score_has_the_metric_of_its_name():
    assert metric_of("loss", (ACCURACY, LOSS)) is LOSS


def test_a_breakdown_has_unit_and_digits_of_the_main_metric_and_is_not_shown():
    found = metric_of("answer_type/yes/no", (LOSS, ACCURACY))
    assert (found.name, found.unit, found.digits, found.better) == ("answer_type/yes/no", "%", 2, "higher")
    assert not found.main and not found.shown


@pytest.mark.parametrize("metrics", [(), (LOSS,), (ACCURACY, Metric("other", main=True))])
def test_exactly_one_metric_is_the_main_one(metrics):
    assert main_of((LOSS, ACCURACY)) is ACCURACY
    with pytest.raises(ValueError, match=r"of the metrics .* have main=True"):
        main_of(metrics)
