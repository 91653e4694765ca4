"""Training objectives, one file each."""

from frozenvl.objectives.captioning import Captioning
from frozenvl.objectives.contrastive import Contrastive
from frozenvl.objectives.drawing import Drawing
from frozenvl.objectives.label_matching import LabelMatching
from frozenvl.objectives.matching import Matching
from frozenvl.objectives.objective import Objective
from frozenvl.objectives.pixel_reconstruction import PixelReconstruction
from frozenvl.objectives.reconstruction import Reconstruction
from frozenvl.objectives.self_critical import SelfCritical

__all__ = [
    "Captioning",
    "Contrastive",
    "Drawing",
    "LabelMatching",
    "Matching",
    "Objective",
    "PixelReconstruction",
    "Reconstruction",
    "SelfCritical",
]
