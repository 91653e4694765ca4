"""Checkpoints: content, refusals, and atomic writing."""

from __future__ import annotations

import errno
import os
import shutil
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from running import add, checkpoint, history, one_line, same_weights, score

from frozenvl.cli import main
from frozenvl.training.checkpoint import SafeCheckpointIO, read_checkpoint
from frozenvl.training.trained_run import load_trained, run_folder
from frozenvl.util.errors import RunError, UserError

NO_VALIDATION = ("--trainer.limit_val_batches", 0)
STILL = ("--model.optimizer.lr", 0.0, "--model.optimizer.weight_decay", 0.0, "--trainer.max_steps", 2)


@pytest.fixture
def last(tiny_run) -> Path:
    return tiny_run / "checkpoints" / "last.ckpt"


def test_a_checkpoint_holds_trained_parts_and_the_state_for_resuming(last, tiny_language):
    held = torch.load(last, weights_only=True)
    assert held["state_dict"] and all(key.startswith("model.mapper.") for key in held["state_dict"])
    assert held["optimizer_states"] and held["lr_schedulers"] and held["loops"] and held["callbacks"]
    assert held["global_step"] == 6 and held["frozenvl"]["precision"] == "fp32"
    trained = sum(value.numel() * 4 for value in held["state_dict"].values())
    assert last.stat().st_size < 3 * trained + 40_000  # weights and AdamW's two moments


def test_a_trained_encoder_is_saved_with_its_buffers(frozenvl, tiny_run, capfd):
    trainable = ("--model.vision.init_args.trainable", "true", *NO_VALIDATION, "--trainer.max_steps", 2)
    assert frozenvl("fit", *trainable) == 0
    held = checkpoint("tiny")["state_dict"]
    assert any(key.startswith("model.vision.") and "running_mean" in key for key in held)
    capfd.readouterr()
    assert frozenvl("validate", *trainable, "--ckpt_path", tiny_run / "checkpoints" / "last.ckpt") == 2
    assert "model.vision." in one_line(capfd.readouterr().err)


def test_a_checkpoint_made_to_run_code_is_refused_and_runs_none(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "evil.ckpt"
    torch.save({"frozenvl": {}, "state_dict": Evil()}, path)
    for read in (read_checkpoint, SafeCheckpointIO().load_checkpoint):
        with pytest.raises(UserError, match=r"evil.ckpt: refused: .* could run code"):
            read(path)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_no_checkpoint_is_one_error_line(tmp_path, last):
    whole = last.read_bytes()
    foreign = tmp_path / "foreign.ckpt"
    torch.save({"state_dict": {}}, foreign)
    for name, content in {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}.items():
        (tmp_path / f"{name}.ckpt").write_bytes(content)
    for name in ("cut.ckpt", "empty.ckpt", "text.ckpt", "foreign.ckpt", "nowhere.ckpt", ""):
        with pytest.raises(UserError) as error:
            read_checkpoint(tmp_path / name)
        assert str(error.value).startswith(str(tmp_path / name)) and "\n" not in str(error.value)


@pytest.mark.parametrize("how", ["fit --ckpt_path", "validate --ckpt_path", "fit --init_from"])
@pytest.mark.parametrize("other", ["language", "k", "mapper"])
def test_a_checkpoint_of_another_model_is_one_error_line(frozenvl, last, tmp_path, capfd, how, other):
    from tiny import language_model

    options, message = {
        "language": (("--model.language", language_model(tmp_path / "other", seed=1)), "language"),
        "k": (("--model.k", 3), "trained with k = 2, this model has 3"),
        "mapper": (
            ("--model.mapper.init_args.hidden", 17),
            "model.mapper.net.1.bias is 16 there, 17 in this model",
        ),
    }[other]
    command, where = how.split()
    assert frozenvl(command, where, last, *options) == 2
    assert message in one_line(capfd.readouterr().err)


def test_a_language_model_may_move_to_another_folder(frozenvl, last, tiny_language, tmp_path):
    moved = shutil.copytree(tiny_language, tmp_path / "moved")
    assert frozenvl("validate", "--ckpt_path", last, "--model.language", moved, *NO_VALIDATION) == 0


def test_init_from_loads_only_the_weights(frozenvl, last):
    """The run starts at step 0 with its own schedule and order of data."""
    start = ("--init_from", last, *NO_VALIDATION)
    assert frozenvl("fit", *start, *add("probes.Seen", folder="seen"), "--trainer.max_steps", 2) == 0
    assert [row["step"] for row in history("tiny")] == [1, 2]
    assert history("tiny")[0]["train/lr"] == pytest.approx(0.01)
    assert frozenvl("fit", *start, *STILL, name="still") == 0
    assert same_weights(checkpoint("still"), torch.load(last, weights_only=True))


@pytest.mark.parametrize("folder", ["run", "export"])
def test_init_from_takes_the_folder_of_a_run_or_of_an_export(frozenvl, last, folder):
    path = last.parent.parent
    if folder == "export":
        assert main(["export", str(path), "export"]) == 0
        path = "export"
    assert frozenvl("fit", "--init_from", path, *NO_VALIDATION, *STILL, name="still") == 0
    assert same_weights(checkpoint("still"), torch.load(last, weights_only=True))


def test_init_from_takes_rounded_weights_as_fp32(frozenvl, last):
    assert main(["export", str(last.parent.parent), "half", "--dtype", "float16"]) == 0
    assert frozenvl("fit", "--init_from", "half", *NO_VALIDATION, *STILL, name="still") == 0
    whole = torch.load(last, weights_only=True)["state_dict"]
    rounded = {name: value.half().float() for name, value in whole.items()}
    assert same_weights(checkpoint("still"), {"state_dict": rounded})
    assert not same_weights(checkpoint("still"), {"state_dict": whole})


def test_init_from_a_folder_that_is_neither_or_of_another_model_is_one_error_line(
    frozenvl, last, tmp_path, capfd
):
    assert main(["export", str(last.parent.parent), "export"]) == 0
    capfd.readouterr()
    (tmp_path / "empty").mkdir()
    shutil.copytree("export", "cut")
    Path("cut/model.safetensors").write_bytes(Path("export/model.safetensors").read_bytes()[:100])
    shutil.copytree("export", "text")
    Path("text/config.json").write_text("{")
    for options, message in {
        (
            "empty",
        ): "empty: a folder without checkpoints, and no export; name a .ckpt file, a run or an export",
        ("cut",): "cut/model.safetensors: cannot be read",
        ("text",): "text/config.json: not the configuration of an export",
        ("export", "--model.k", 3): "export was trained with k = 2, this model has 3",
    }.items():
        assert frozenvl("fit", "--init_from", *options, *NO_VALIDATION, name="new") == 2
        assert message in one_line(capfd.readouterr().err)


def test_a_resumed_run_has_to_use_the_recorded_precision(frozenvl, capfd):
    low = ("--model.precision", "bf16", "--trainer.max_steps", 2)
    assert frozenvl("fit", *low) == 0
    assert checkpoint("tiny")["frozenvl"]["precision"] == "bf16"
    assert all(value.dtype != torch.bfloat16 for value in checkpoint("tiny")["state_dict"].values())
    more = (*NO_VALIDATION, "--ckpt_path", "last", "--trainer.max_steps", 4)
    assert frozenvl("fit", *more, "--model.precision", "fp32") == 2
    assert "was trained in bf16" in one_line(capfd.readouterr().err)
    assert frozenvl("fit", *more, "--model.precision", "auto") == 0
    assert checkpoint("tiny")["global_step"] == 4
    assert checkpoint("tiny")["frozenvl"]["precision"] == "bf16"


def full_disk(*_) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("room", [100, 5_000, 39_000, 41_000])
def test_a_disk_that_is_full_at_any_byte_is_one_error_line(tmp_path, monkeypatch, room):
    """Where the data do not fit, torch raises its own error after that of the disk."""

    @contextmanager
    def small_disk(path):
        with whole_file(path) as file:
            write, written = file.write, 0

            def limited(data):
                nonlocal written
                written += len(data)
                return full_disk() if written > room else write(data)

            yield SimpleNamespace(write=limited, flush=file.flush)

    from frozenvl.training import checkpoint as module

    whole_file = module.whole_file
    monkeypatch.setattr(module, "whole_file", small_disk)
    with pytest.raises(RunError, match=r"last.ckpt: cannot be written .No space left on device.; free some"):
        SafeCheckpointIO().save_checkpoint({"weights": torch.zeros(10_000)}, tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_previous_checkpoint_intact(last, tmp_path, monkeypatch):
    path = Path(shutil.copy(last, tmp_path / "last.ckpt"))
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(
        RunError, match=r"last.ckpt: cannot be written .No space left on device.; free some space"
    ):
        SafeCheckpointIO().save_checkpoint({"frozenvl": {}}, path)
    assert path.read_bytes() == last.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_is_not_copied_in_memory_while_it_is_written(tmp_path):
    weights = torch.ones(5_000_000)
    tracemalloc.start()
    SafeCheckpointIO().save_checkpoint(
        {"frozenvl": {}, "state_dict": {"weights": weights}}, tmp_path / "last.ckpt"
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000 < (tmp_path / "last.ckpt").stat().st_size


def test_a_run_on_a_full_disk_is_one_error_line(frozenvl, monkeypatch, capfd):
    from frozenvl.training import checkpoint as module

    @contextmanager
    def file_to_write(path):
        with monkeypatch.context() as disk, whole_file(path) as file:
            disk.setattr(os, "fsync", full_disk)
            yield file

    whole_file = module.whole_file
    folder = Path.cwd()
    monkeypatch.setattr(module, "whole_file", file_to_write)
    monkeypatch.chdir(folder)
    assert frozenvl("fit", *NO_VALIDATION) == 1
    assert "free some space" in one_line(capfd.readouterr().err)
    assert not [file for file in folder.rglob("*") if file.suffix in (".ckpt", ".tmp")]


CSV = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "logs"}}
BOARD = {"class_path": "lightning.pytorch.loggers.TensorBoardLogger", "init_args": {"save_dir": "tb"}}
SHORT = (*NO_VALIDATION, "--model.schedule", "constant", "--trainer.max_steps")


def laid_over(**trainer: object) -> tuple[str, str]:
    """Returns the option that lays a file with keys of the trainer over the configuration."""
    Path("over.yaml").write_text(yaml.safe_dump({"trainer": trainer}))
    return "--config", "over.yaml"


def keeps(**settings: object) -> tuple[str, str]:
    """Returns the option that replaces the callbacks by one ModelCheckpoint."""
    settings = {"every_n_train_steps": 2, "save_last": True, "filename": "{step}"} | settings
    return laid_over(
        callbacks=[{"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": settings}]
    )


@pytest.mark.parametrize(
    "logger",
    [CSV, [BOARD, CSV], {"class_path": "probes.Remote"}, False],
    ids=["csv", "two", "remote", "none"],
)
def test_a_run_keeps_its_files_in_its_folder_whatever_the_logger(frozenvl, logger):
    over = laid_over(logger=logger)
    assert frozenvl("fit", *SHORT, 2, *over) == 0
    files = {path.name for path in Path("runs/tiny").iterdir()}
    assert {"checkpoints", "config.yaml", "history.jsonl", "cost.json"} <= files
    assert sorted(path.name for path in Path("runs/tiny/checkpoints").iterdir()) == [
        "last.ckpt",
        "step=2.ckpt",
    ]
    assert not [path for path in Path().rglob("*.ckpt") if "runs" not in path.parts]
    assert load_trained(Path("runs/tiny")).step == 2
    assert frozenvl("fit", *SHORT, 4, *over, "--resume", "true") == 0
    assert [row["step"] for row in history("tiny")] == [1, 2, 3, 4]


@pytest.mark.parametrize("dirpath", ["disk", "runs/tiny/kept"])
def test_checkpoints_in_a_folder_of_ones_own_are_found(frozenvl, dirpath, capfd):
    """Without validation nothing else tells that there is a run: it began anew and dropped the history."""
    over, folder = keeps(dirpath=dirpath), Path(dirpath)
    assert frozenvl("fit", *SHORT, 3, *over) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["last.ckpt", "step=2.ckpt"]
    assert frozenvl("fit", *SHORT, 4, *over) == 2
    assert "runs/tiny: holds a run of that name; go on with --ckpt_path last" in one_line(
        capfd.readouterr().err
    )
    assert frozenvl("fit", *SHORT, 4, *over, "--resume", "true") == 0
    assert frozenvl("fit", *SHORT, 6, *over, "--ckpt_path", "last") == 0
    assert [row["step"] for row in history("tiny")] == [1, 2, 3, 4, 5, 6]
    assert sorted(path.name for path in folder.iterdir()) == ["last.ckpt", "step=6.ckpt"]
    assert frozenvl("validate", "--ckpt_path", "last", "--trainer.limit_val_batches", 1) == 0
    assert score("tiny", "captions")["step"] == 6
    for path in (Path("runs/tiny"), folder / "last.ckpt", (folder / "step=6.ckpt").absolute()):
        assert load_trained(path).step == 6 and run_folder(path).samefile("runs/tiny")
    assert frozenvl("fit", *SHORT, 2, *over, "--overwrite", "true") == 0
    assert sorted(path.name for path in folder.iterdir()) == ["last.ckpt", "step=2.ckpt"]
    assert [row["step"] for row in history("tiny")] == [1, 2]


def test_checkpoints_of_a_callback_that_the_module_brings_are_in_the_folder(frozenvl):
    over = (*laid_over(logger=CSV, callbacks=[]), "--model", "probes.BringsCheckpoints")
    frozenvl.models = [option.replace("--model.", "--model.init_args.") for option in frozenvl.models]
    assert frozenvl("fit", *over, *NO_VALIDATION, "--trainer.max_steps", 2) == 0
    assert [path.name for path in Path("runs/tiny/checkpoints").iterdir()] == ["last.ckpt"]
    assert frozenvl("fit", *over, *NO_VALIDATION, "--trainer.max_steps", 4, "--resume", "true") == 0
    assert len(history("tiny")) == 4


@pytest.mark.parametrize("named", ["best", "hpc"])
def test_checkpoints_that_only_lightning_names_are_one_error_line(frozenvl, capfd, named):
    for command in ("fit", "validate"):
        assert frozenvl(command, "--ckpt_path", named) == 2
        assert one_line(capfd.readouterr().err) == (
            f"--ckpt_path {named} is known to the process that trained alone; name the file"
        )


def test_runs_that_share_a_folder_keep_their_checkpoints_apart(frozenvl):
    over = keeps(dirpath="disk")
    assert frozenvl("fit", *SHORT, 2, *over, name="one") == 0
    assert frozenvl("fit", *SHORT, 2, *over, "--seed_everything", 1, name="other") == 0
    assert sorted(path.name for path in Path("disk").iterdir()) == [
        "last-v1.ckpt", "last.ckpt", "step=2-v1.ckpt", "step=2.ckpt",
    ]  # fmt: skip
    assert frozenvl("fit", *SHORT, 4, *over, "--resume", "true", name="one") == 0
    assert frozenvl("fit", *SHORT, 6, *over, "--seed_everything", 1, "--ckpt_path", "last", name="other") == 0
    assert [load_trained(Path("runs") / name).step for name in ("one", "other")] == [4, 6]
    assert run_folder(Path("disk/last-v1.ckpt")).name == "other"
    assert frozenvl("fit", *SHORT, 2, *over, "--overwrite", "true", name="other") == 0
    assert load_trained(Path("runs/one")).step == 4


def test_a_run_never_writes_over_the_checkpoint_of_another(frozenvl, capfd):
    over = keeps(dirpath="disk", enable_version_counter=False)
    assert frozenvl("fit", *SHORT, 2, *over, name="one") == 0
    before = Path("disk/last.ckpt").read_bytes()
    assert frozenvl("fit", *SHORT, 2, *over, name="other") == 1
    line = one_line(capfd.readouterr().err)
    assert "a checkpoint of another run; give each run a ModelCheckpoint.dirpath of its own, such as" in line
    assert "disk/${name}" in line and Path("disk/last.ckpt").read_bytes() == before
    own = keeps(dirpath="disk/${name}", enable_version_counter=False)
    assert frozenvl("fit", *SHORT, 2, *own, name="other") == 0
    assert Path("disk/other/last.ckpt").is_file()


def test_a_lost_folder_of_checkpoints_does_not_begin_the_run_anew(frozenvl, capfd):
    over = keeps(dirpath="disk")
    assert frozenvl("fit", *SHORT, 2, *over) == 0
    Path("disk").rename("away")
    for options in (("--resume", "true"), ("--ckpt_path", "last"), ()):
        assert frozenvl("fit", *SHORT, 4, *over, *options) == 2
        assert "tiny" in one_line(capfd.readouterr().err) and len(history("tiny")) == 2
    assert main(["export", "runs/tiny", "exported"]) == 2
    assert "disk/last.ckpt: the last checkpoint of runs/tiny was written there and is gone" in one_line(
        capfd.readouterr().err
    )
    assert frozenvl("fit", *SHORT, 4, *over, "--ckpt_path", "away/last.ckpt") == 0
    assert [row["step"] for row in history("tiny")] == [1, 2, 3, 4]
    assert load_trained(Path("runs/tiny")).step == 4


def test_a_run_of_an_earlier_version_goes_on_by_the_path_of_its_checkpoint(frozenvl, capfd):
    """Its checkpoints name no run, and its folder records none."""
    over = keeps(dirpath="disk")
    assert frozenvl("fit", *SHORT, 2, *over) == 0
    shutil.rmtree("runs/tiny/checkpoints")
    for path in Path("disk").iterdir():
        held = torch.load(path, weights_only=True)
        del held["run"]
        torch.save(held, path)
    assert frozenvl("fit", *SHORT, 4, *over, "--resume", "true") == 2
    assert "name one with --ckpt_path" in one_line(capfd.readouterr().err)
    assert frozenvl("fit", *SHORT, 4, *over, "--ckpt_path", "disk/last.ckpt") == 0
    assert load_trained(Path("runs/tiny")).step == 4 and len(history("tiny")) == 4


def test_lightning_does_not_choose_a_checkpoint_by_itself(frozenvl):
    """With an OnExceptionCheckpoint, Lightning resumes from any last.ckpt in a folder of checkpoints."""
    over = keeps(dirpath="disk")
    assert frozenvl("fit", *SHORT, 2, *over, name="one") == 0
    rescue = add("lightning.pytorch.callbacks.OnExceptionCheckpoint", dirpath="rescued")
    assert frozenvl("fit", *SHORT, 2, *over, *rescue, "--model.k", 3, name="other") == 0
    assert [row["step"] for row in history("other")] == [1, 2]


def test_a_remote_folder_is_refused(frozenvl, capfd):
    assert frozenvl("fit", *SHORT, 2, *keeps(dirpath="s3://bucket/x")) == 2
    assert "ModelCheckpoint.dirpath is s3://bucket/x; checkpoints are written to a local folder" in one_line(
        capfd.readouterr().err
    )
    assert not Path("runs/tiny/history.jsonl").exists()


def test_without_a_last_checkpoint_the_newest_is_resumed(frozenvl):
    over = keeps(save_last=False, save_top_k=-1)
    assert frozenvl("fit", *SHORT, 5, *over) == 0
    assert frozenvl("fit", *SHORT, 6, *over, "--resume", "true") == 0
    assert [row["step"] for row in history("tiny")] == [1, 2, 3, 4, 5, 6]
    assert load_trained(Path("runs/tiny")).step == 6


def test_a_run_whose_time_is_over_says_that_it_counts_all_jobs(frozenvl, capfd):
    limit = ("--trainer.max_time", "00:00:00:01")
    slow = ("--model.optimizer", "probes.SlowOptimizer", "--model.optimizer.lr", 0.01, *keeps())
    assert frozenvl("fit", *SHORT, 500, *limit, *slow) == 0
    steps = len(history("tiny"))
    assert 2 <= steps < 20 and "over all its jobs" not in capfd.readouterr().err
    assert frozenvl("fit", *SHORT, 500, *limit, *slow, "--resume", "true") == 0
    line = "frozenvl: the run has trained for trainer.max_time (0:00:01), over all its jobs; raise it"
    assert line in capfd.readouterr().err and len(history("tiny")) == steps
    more = ("--trainer.max_time", "00:00:00:02")
    assert frozenvl("fit", *SHORT, 500, *more, *slow, "--resume", "true") == 0
    assert len(history("tiny")) > steps


def test_weights_alone_are_no_run_to_resume(frozenvl, capfd):
    over = keeps(save_weights_only=True)
    assert frozenvl("fit", *SHORT, 2, *over) == 0
    assert load_trained(Path("runs/tiny")).step == 2
    for options in (("--resume", "true"), ("--ckpt_path", "last")):
        assert frozenvl("fit", *SHORT, 4, *over, *options) == 2
        line = one_line(capfd.readouterr().err)
        assert "last.ckpt: holds weights alone (ModelCheckpoint.save_weights_only)" in line
        assert line.endswith("with --init_from runs/tiny/checkpoints/last.ckpt")
    assert len(history("tiny")) == 2
    assert frozenvl("fit", *SHORT, 2, "--init_from", "runs/tiny/checkpoints/last.ckpt", name="next") == 0
    assert frozenvl("validate", "--ckpt_path", "last", "--trainer.limit_val_batches", 1) == 0


def test_a_stopped_run_can_be_resumed_though_it_saves_weights_alone(frozenvl):
    over = (*keeps(save_weights_only=True), *add("probes.SignalAt", step=3))
    assert frozenvl("fit", *SHORT, 4, *over) == 143
    assert frozenvl("fit", *SHORT, 4, *keeps(save_weights_only=True), "--resume", "true") == 0
    assert [row["step"] for row in history("tiny")] == [1, 2, 3, 4]
