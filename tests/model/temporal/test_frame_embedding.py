"""Frame embedding: what it adds to which vectors."""

from __future__ import annotations

import torch
from in_motion import FORTH, GREEN, RED, build

from frozenvl.model.temporal import FrameEmbedding
from frozenvl.prompt import Sample
from frozenvl.training.optim import parameter_groups


def test_an_untrained_one_changes_nothing(language, tiny_vision):
    samples = [Sample("0", ("a", FORTH, "b"), " c"), Sample("1", (RED, "b"), " c")]
    models = [build(language, tiny_vision, temporal) for temporal in (FrameEmbedding(4), None)]
    with_part, without = (model.score(model.processor()(samples)) for model in models)
    assert with_part.equal(without)


def test_each_vector_of_a_frame_gets_that_of_its_number(language, tiny_vision):
    model = build(language, tiny_vision, FrameEmbedding(4), trained=True)
    plain = build(language, tiny_vision, None)
    batch = model.processor()([(GREEN, FORTH)])
    with torch.no_grad():
        added = (
            model.run(batch).prefix
            - plain.run(plain.processor()([(GREEN, *FORTH.frames)])).prefix[[0, 1, 0, 2]]
        )
    expected = torch.cat([torch.zeros(1, model.language.dim), model.temporal.embedding[:3].detach()])
    torch.testing.assert_close(added, expected[:, None].expand(-1, 2, -1), rtol=1e-4, atol=1e-5)


def test_an_image_of_two_videos_is_encoded_once(language, tiny_vision):
    model = build(language, tiny_vision, FrameEmbedding(4))
    batch = model.processor()([(FORTH, RED), (RED, GREEN)])
    assert batch.images.shape[0] == 3 and batch.views.tolist() == [[0], [1], [2], [0], [1]]
    assert batch.numbers.tolist() == [[0], [1], [2], [-1], [-1]]
    assert len(batch.image_keys) == len(set(batch.image_keys)) == 5


def test_the_embedding_is_trained_without_weight_decay(language, tiny_vision):
    model = build(language, tiny_vision, FrameEmbedding(4))
    groups = parameter_groups({"temporal": model.temporal}, {})
    (group,) = [group for group in groups if any(w is model.temporal.embedding for w in group["params"])]
    assert group.get("weight_decay") == 0
