"""Search by embeddings: image files by text, texts by image.

from frozenvl.model.frozen import FrozenVL
from frozenvl.retrieval import ImageIndex

index = ImageIndex(FrozenVL.from_pretrained("exported"), Path("photos"))
for hit in index.search("a dog in the snow", top=12):
    print(f"{hit.score:.3f}", hit.path)
"""

from frozenvl.retrieval.embedder import Embedder
from frozenvl.retrieval.image_index import Hit, ImageIndex
from frozenvl.retrieval.nearest import nearest

__all__ = ["Embedder", "Hit", "ImageIndex", "nearest"]
