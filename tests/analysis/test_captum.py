"""Captum is optional."""

import sys

import pytest

from frozenvl.analysis.grad_cam import GradCAM
from frozenvl.analysis.integrated_gradients import IntegratedGradients
from frozenvl.analysis.lime import Lime
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("method", [IntegratedGradients(), GradCAM(), Lime(samples=4, seeds=1)])
def test_without_captum_a_method_says_how_to_install_it(method, model_of, function_of, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "captum"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(
        UserError, match=r"needs the library captum.*pip install 'frozenvl\[explain\]'.*occlusion"
    ):
        method.maps(function_of(model_of()))
