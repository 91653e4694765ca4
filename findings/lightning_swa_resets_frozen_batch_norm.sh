#!/usr/bin/env bash
# lightning 2.6.6, Python 3.11: `StochasticWeightAveraging` destroys the batch norm of a frozen encoder, if a number of epochs ends the run.
#
# After the last epoch the callback sets the running mean and variance of every batch norm of the module to 0 and 1, and passes the training data
# once more, to measure them again. A batch norm that is frozen (in eval mode) measures nothing, so it stays at 0 and 1. No warning is given.
# Without `max_epochs` (`max_steps` alone) there is no such pass, and the statistics stay.
#
# Effect: after the fit, the features of a frozen convolutional encoder are other ones than the head was trained on.
# What helps: end the run by steps.
#
# Run:      bash findings/lightning_swa_resets_frozen_batch_norm.sh      (installs torch and lightning into a temporary venv)
# Prints:
#   before: [5.0, 5.0]
#   max_epochs=2: [0.0, 0.0]
#   max_steps=4: [5.0, 5.0]
#   as described
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 lightning==2.6.6 2>/dev/null
cat > "$folder/show.py" <<'PY'
import logging
import warnings

import lightning as L
import torch
from lightning.pytorch.callbacks import StochasticWeightAveraging
from torch import nn

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Frozen(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.encoder = nn.BatchNorm1d(2).requires_grad_(False).eval()
        self.encoder.running_mean.fill_(5.0)
        self.head = nn.Linear(2, 1)

    def training_step(self, batch, _):
        return self.head(self.encoder(batch[0])).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.head.parameters(), lr=0.1)


def mean_after(**limit):
    module = Frozen()
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)), batch_size=2)
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    average = StochasticWeightAveraging(swa_lrs=0.1, swa_epoch_start=1)
    L.Trainer(accelerator="cpu", callbacks=[average], **options, **limit).fit(module, data)
    return module.encoder.running_mean.tolist()


print("before:", Frozen().encoder.running_mean.tolist())
print("max_epochs=2:", mean_after(max_epochs=2))
print("max_steps=4:", mean_after(max_steps=4))
PY
"$folder/venv/bin/python" "$folder/show.py" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" <(cat <<'SEEN'
before: [5.0, 5.0]
max_epochs=2: [0.0, 0.0]
max_steps=4: [5.0, 5.0]
SEEN
) && echo "as described"
