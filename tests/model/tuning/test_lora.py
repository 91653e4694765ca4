"""LoRA: low-rank updates of linear layers."""

from __future__ import annotations

import pytest
import torch
from losses import loss_of
from running import CONFIG
from tuned import SAMPLES

from frozenvl.model.tuning import LoRA
from frozenvl.training.parsing import configuration_parser
from frozenvl.util.errors import UserError


def test_each_target_gets_two_low_rank_matrices_and_nothing_else_is_trained(build):
    language = build(tuning=LoRA(3, targets=["q_proj", "v_proj"])).language
    trained = {name: tuple(p.shape) for name, p in language.named_parameters() if p.requires_grad}
    assert len(trained) == len(language.layers) * 2 * 2
    assert all(".q_proj.lora_" in name or ".v_proj.lora_" in name for name in trained)
    assert {min(shape) for shape in trained.values()} == {3}


def test_updates_are_scaled_by_alpha_over_rank(build, processor_of):
    """Half of alpha with twice the matrices gives the same loss."""
    losses = []
    for alpha, factor in ((8.0, 1.0), (4.0, 2.0), (4.0, 1.0)):
        model = build(tuning=LoRA(4, alpha=alpha))
        torch.manual_seed(0)
        with torch.no_grad():
            for name, weight in model.language.named_parameters():
                if "lora_B" in name:
                    weight.copy_(factor * torch.randn_like(weight) * 0.1)
        losses.append(loss_of(model, processor_of(model)(SAMPLES)).nll.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert losses[0] != pytest.approx(losses[2], rel=1e-3)


def updated(model) -> set[str]:
    """Returns the paths of the modules that LoRA updates."""
    names = [name for name, weight in model.language.model.named_parameters() if weight.requires_grad]
    return {name.partition(".lora_")[0] for name in names}


def linear_layers(model, *ends: str) -> set[str]:
    """Returns the paths of linear layers but the head, or only of those whose path ends so."""
    head = model.language.model.get_output_embeddings()
    modules = model.language.model.named_modules()
    return {
        path
        for path, module in modules
        if type(module).__name__ in ("Linear", "Conv1D")
        and module is not head
        and (path.endswith(ends) or not ends)
    }


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("targets", ["all-linear", "All-Linear"])
def test_all_linear_updates_every_linear_layer_but_the_head(build, kind, targets):
    assert updated(build(kind, tuning=LoRA(2, targets=targets))) == linear_layers(build(kind))


@pytest.mark.parametrize(
    ("targets", "ends"),
    [
        (["q_proj"], ("q_proj",)),
        (["layers.0.self_attn.q_proj", "down_proj"], ("layers.0.self_attn.q_proj", "down_proj")),
        (["self_attn.k_proj"], ("self_attn.k_proj",)),
        (r".*\.0\.self_attn\.[qv]_proj", ("0.self_attn.q_proj", "0.self_attn.v_proj")),
        (".*(up|down)_proj", ("up_proj", "down_proj")),
    ],
)
def test_lists_and_regular_expressions_name_modules_as_peft_takes_them(build, targets, ends):
    expected = linear_layers(build("llama"), *ends)
    assert expected and updated(build("llama", tuning=LoRA(2, targets=targets))) == expected


def test_targets_in_a_configuration_keep_their_type(tmp_path):
    read = configuration_parser()
    options = ["--config", str(CONFIG), "--model.tuning", "frozenvl.model.tuning.LoRA"]
    for written, targets in (
        ("all-linear", "all-linear"),
        ("[q_proj, v_proj]", ["q_proj", "v_proj"]),
        (".*[qv]_proj", ".*[qv]_proj"),
        ("null", None),
    ):
        found = read([*options, f"--model.tuning.targets={written}"])["model"]["tuning"]["init_args"]
        assert found["targets"] == targets
        (tmp_path / "x.yaml").write_text(f"model: {{tuning: {{init_args: {{targets: '{written}'}}}}}}")
        if isinstance(targets, str):
            again = read([*options, "--config", f"{tmp_path}/x.yaml"])["model"]["tuning"]["init_args"]
            assert again["targets"] == targets


@pytest.mark.parametrize("targets", ["", [], [""], ["q_proj", ""]])
def test_empty_targets_are_refused(targets):
    with pytest.raises(
        UserError, match=r"LoRA: targets is .*; name the modules to update, write all-linear, or"
    ):
        LoRA(targets=targets)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["nothing"], "it has no module 'nothing'; its linear layers are .*q_proj"),
        (["q_proj", "v_prj"], "it has no module 'v_prj'; its linear layers are .*v_proj"),
        (["all-linear"], "it has no module 'all-linear'; write all-linear without a list"),
        ("q_proj", r"no module matches 'q_proj', a regular .*; for a name, write a list: \[q_proj\]"),
        ("nothing.*", r"no module matches 'nothing\.\*'.*; its linear layers are .*q_proj"),
        (
            ["self_attn"],
            "'self_attn' names model.layers.0.self_attn, a LlamaAttention without a matrix of its own; ",
        ),
        (
            ".*norm",
            "'.*norm' names model.*norm, a LlamaRMSNorm without a matrix of its own; its linear layers",
        ),
    ],
)
def test_unknown_target_modules_are_refused(build, targets, message):
    with pytest.raises(UserError, match=f"LoRA on .*{message}") as found:
        build("llama", tuning=LoRA(targets=targets))
    assert "\n" not in str(found.value)


def test_an_invalid_regular_expression_is_refused():
    with pytest.raises(
        UserError, match=r"^LoRA: targets is '\(q_proj', no regular expression \(missing \), unt"
    ):
        LoRA(targets="(q_proj")
