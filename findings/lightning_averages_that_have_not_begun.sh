#!/usr/bin/env bash
# lightning 2.6.6, torch 2.14.1, Python 3.11: averaging callbacks that have not begun put the untrained weights in place of the trained.
#
# `EMAWeightAveraging(update_starting_at_step=N)` validates and saves the average from the first step on. Until step N the "average" is
# the copy of the model from before the fit. `StochasticWeightAveraging` with `max_epochs=-1` moves its average into the model at the
# end, also if `swa_epoch_start` was never reached. No warning is given.
# In addition, a checkpoint with `save_weights_only` never holds the average: no callback is asked for it.
#
# Effect: validation scores and checkpoints of the initial weights; with SWA the result of the training is lost.
# What helps: take the average only if its counter `n_averaged` is above 0.
#
# Run:      bash findings/lightning_averages_that_have_not_begun.sh      (installs torch and lightning into a temporary venv)
# Prints:
#   trained 3 steps, weight 0 -> 3
#   EMA from step 100 on: validated 0, saved 0
#   EMA from step 0 on, weights only: saved 3
#   SWA from epoch 50 on: weight after the fit 0
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 lightning==2.6.6 2>/dev/null
cat > "$folder/show.py" <<'PY'
import logging
import sys
import warnings

import lightning as L
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, StochasticWeightAveraging

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Count(L.LightningModule):
    """Each step adds 1 to its only weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = 0

    def training_step(self, batch, index):
        return -self.weight.sum()

    def validation_step(self, batch, index):
        self.seen = int(self.weight)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


def fit(*callbacks, weights_only=False):
    module = Count()
    trainer = L.Trainer(
        accelerator="cpu", max_steps=3, max_epochs=-1, callbacks=list(callbacks), logger=False, num_sanity_val_steps=0,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, check_val_every_n_epoch=None,
        val_check_interval=3,
    )  # fmt: skip
    saved = []

    class Save(L.Callback):
        def on_train_batch_end(self, trainer, module, *_):
            trainer.save_checkpoint(sys.argv[1], weights_only=weights_only)
            saved.append(int(torch.load(sys.argv[1])["state_dict"]["weight"]))

    trainer.callbacks.append(Save())
    loader = torch.utils.data.DataLoader(torch.zeros(9, 1))
    trainer.fit(module, loader, torch.utils.data.DataLoader(torch.zeros(1, 1)))
    return module, saved[-1]


print("trained 3 steps, weight 0 ->", int(fit()[0].weight))
module, saved = fit(EMAWeightAveraging(update_starting_at_step=100))
print(f"EMA from step 100 on: validated {module.seen}, saved {saved}")
module, saved = fit(EMAWeightAveraging(decay=0.5), weights_only=True)
print(f"EMA from step 0 on, weights only: saved {saved}")
module, saved = fit(StochasticWeightAveraging(swa_lrs=1.0, swa_epoch_start=50))
print(f"SWA from epoch 50 on: weight after the fit {int(module.weight)}")
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder/x.ckpt" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
trained 3 steps, weight 0 -> 3
EMA from step 100 on: validated 0, saved 0
EMA from step 0 on, weights only: saved 3
SWA from epoch 50 on: weight after the fit 0
SEEN
) && echo "as described"
