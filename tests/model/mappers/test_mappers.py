import pytest
import torch

from frozenvl.model import mapper as mappers
from frozenvl.model.mappers import MLP, Linear, Mapper, PatchLinear, PixelShuffle, Resampler, Transformer
from frozenvl.util.errors import UserError

KINDS = {
    "linear": (Linear, {}),
    "mlp": (MLP, {"hidden": 5}),
    "patches": (PatchLinear, {}),
    "shuffle": (PixelShuffle, {}),
    "transformer": (Transformer, {"layers": 2, "heads": 4}),
    "long transformer": (Transformer, {"layers": 2, "heads": 4, "length": 3}),
    "resampler": (Resampler, {"heads": 4}),
}
SIZES = {"patches": [(1, 1), (4, 4)], "shuffle": [(1, 1), (16, 4), (4, 4)]}


def each() -> list:
    return [(kind, *sizes) for kind in KINDS for sizes in SIZES.get(kind, [(1, 1), (4, 3)])]


def make(kind: str, tokens: int, k: int, **options: object) -> Mapper:
    torch.manual_seed(0)
    of, own = KINDS[kind]
    return of(8, tokens, 16, k, **own, **options)


def test_all_mappers_are_tested():
    found = {
        value for value in vars(mappers).values() if isinstance(value, type) and issubclass(value, Mapper)
    }
    assert found - {Mapper} == {of for of, _ in KINDS.values()}


@pytest.mark.parametrize(("kind", "tokens", "k"), each())
@pytest.mark.parametrize("n", [0, 1, 3])
def test_shapes(kind, tokens, k, n):
    assert make(kind, tokens, k)(torch.randn(n, tokens, 8)).shape == (n, k, 16)


@pytest.mark.parametrize(("kind", "tokens", "k"), each())
def test_images_are_mapped_apart_and_from_all_their_features(kind, tokens, k):
    mapper = make(kind, tokens, k).eval()
    features = torch.randn(2, tokens, 8)
    changed = features.clone()
    changed[0, -1, 7] += 1
    before, after = mapper(features), mapper(changed)
    torch.testing.assert_close(before[1], after[1], rtol=0, atol=1e-6)
    assert not before[0][-1].isclose(after[0][-1]).any()


@pytest.mark.parametrize(("kind", "tokens", "k"), each())
def test_every_weight_gets_a_gradient(kind, tokens, k):
    mapper = make(kind, tokens, k, norm=True)
    mapper(torch.randn(3, tokens, 8)).square().sum(-1).mul(torch.randn(3, k)).sum().backward()
    for name, parameter in mapper.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("kind", ["transformer", "resampler"])
def test_where_a_feature_stands_matters(kind):
    mapper = make(kind, 4, 3).eval()
    features = torch.randn(1, 4, 8)
    assert not mapper(features).isclose(mapper(features.flip(1)), atol=1e-4).all()


def test_cells_that_lie_together_become_one_vector():
    mapper = make("shuffle", 16, 4).eval()
    features = torch.randn(1, 16, 8)
    for cell in range(16):
        changed = features.clone()
        changed[0, cell] += 1
        moved = (~mapper(changed).isclose(mapper(features), atol=1e-6)).any(-1)[0]
        assert moved.nonzero().flatten().tolist() == [cell // 8 * 2 + cell % 4 // 2]


def test_options():
    features = torch.randn(4, 1, 8)
    for options in ({"dropout": 0.5}, {"prefix_dropout": 0.5}):
        mapper = make("mlp", 1, 2, **options)
        assert mapper.net[1].out_features == 5
        assert not mapper(features).equal(mapper(features))
        mapper.eval()
        assert mapper(features).equal(mapper(features))


@pytest.mark.parametrize(("kind", "tokens", "k"), each())
def test_a_prefix_norm_starts_at_the_size_of_embeddings(kind, tokens, k):
    mapper = make(kind, tokens, k, norm=True)
    table = torch.randn(50, 16) * 0.07
    mapper.start_like(table)
    prefix = mapper(torch.randn(20, tokens, 8) * 30)
    torch.testing.assert_close(prefix.std(), table.std(), rtol=0.2, atol=0)
    plain = make(kind, tokens, k)
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    plain.start_like(table)
    assert all(value.equal(before[name]) for name, value in plain.state_dict().items())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PatchLinear(8, 49, 16, 4), "set k to 49 .it is 4."),
        (lambda: PixelShuffle(8, 49, 16, 4), "49 vectors and k = 4"),
        (lambda: PixelShuffle(8, 16, 16, 3), "16 vectors and k = 3"),
        (lambda: PixelShuffle(8, 8, 16, 4), "8 vectors"),
        (lambda: Transformer(8, 4, 16, 4, heads=3), "3 heads do not divide .* 16"),
        (lambda: Resampler(8, 4, 16, 4, heads=5), "5 heads do not divide .* 16"),
    ],
)
def test_what_cannot_be_made(make, said):
    with pytest.raises(UserError, match=said):
        make()
