"""Replacing what parts write and read is what it is by definition, for every place, value, position and row."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import tracrlab
from tests.learn.plain_transformer import FORMS, every_edge, plain_pair, some_ids
from tests.model.cases import CASES, inputs_of, model_of
from tracrlab.errors import InterventionError
from tracrlab.learn.interventions import Mean, Plus, Resample, Value, Zero
from tracrlab.learn.patching import activations, edge_gradients, gradients, inserted, run, run_each
from tracrlab.learn.places import Site, Subspace, place, variable
from tracrlab.learn.transformer import Form, Transformer
from tracrlab.model.circuit import Edge, Node, Reader, possible_edges
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.frameworks

SMALL = plain_pair(Form())[0].config
EDGES = every_edge(SMALL)
NODES = sorted({edge.partition("->")[0] for edge in EDGES})
seeds = st.integers(0, 2**32 - 1)


def some_values(names: list[str], seed: int) -> dict[str, Tensor]:
    """A value [p, d] of chance for each."""
    rng = np.random.default_rng(seed)
    return {name: torch.as_tensor(rng.normal(size=(5, SMALL.d_model))) for name in names}


def assert_same(module: Transformer, ids: Tensor, logits: Tensor, wanted: list[np.ndarray]) -> None:
    """Logits are those that are wanted, wherever there is no padding."""
    for row, found, other in zip(ids.tolist(), logits.detach().numpy(), wanted, strict=True):
        there = np.array(row) != module.config.pad_id
        np.testing.assert_allclose(found[there], other[there], rtol=1e-8, atol=1e-8)


# Replacing -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    form=FORMS,
    causal=st.booleans(),
    seed=seeds,
    edges=st.lists(st.sampled_from(EDGES), unique=True, max_size=6),
    nodes=st.lists(st.sampled_from(NODES), unique=True, max_size=2),
)
def test_replaced_edges_and_nodes_are_those_of_a_plain_transformer(
    form: Form, causal: bool, seed: int, edges: list[str], nodes: list[str]
) -> None:
    module, plain = plain_pair(form, causal=causal, seed=seed)
    ids, values = some_ids(module.config), some_values(edges + nodes, seed)
    logits = run(module, ids, {name: Value(value) for name, value in values.items()})
    carried = {name: value.numpy() for name, value in values.items()}
    of_edges, of_nodes = ({name: carried[name] for name in names} for names in (edges, nodes))
    assert_same(module, ids, logits, [plain.run(row, of_edges, of_nodes)[0] for row in ids.tolist()])


@settings(max_examples=20)
@given(form=FORMS, seed=seeds, names=st.lists(st.sampled_from([*NODES, *EDGES]), unique=True, min_size=1, max_size=4))
def test_what_is_there_on_other_inputs_and_on_average(form: Form, seed: int, names: list[str]) -> None:
    module, plain = plain_pair(form, seed=seed)
    ids, other = some_ids(module.config), some_ids(module.config).flip(0)
    written = [plain.run(row)[1] for row in other.tolist()]
    there = [np.array(row) != module.config.pad_id for row in other.tolist()]

    def wanted(value: dict[str, list[np.ndarray]]) -> list[np.ndarray]:
        rows = [{name: value[name][number] for name in names} for number in range(len(ids))]
        parts = [
            ({n: v for n, v in row.items() if "->" in n}, {n: v for n, v in row.items() if n in NODES}) for row in rows
        ]
        return [plain.run(row, *part)[0] for row, part in zip(ids.tolist(), parts, strict=True)]

    sources = {name: name.partition("->")[0] for name in names}
    resampled = {name: [each[sources[name]] for each in written] for name in names}
    assert_same(module, ids, run(module, ids, dict.fromkeys(names, Resample(other))), wanted(resampled))
    pooled = {
        name: [np.concatenate([each[source][at] for each, at in zip(written, there, strict=True)]).mean(axis=0)] * 3
        for name, source in sources.items()
    }
    full = {name: [np.broadcast_to(mean, (5, SMALL.d_model)) for mean in means] for name, means in pooled.items()}
    assert_same(module, ids, run(module, ids, dict.fromkeys(names, Mean(other, pooled=True))), wanted(full))
    each_position = {
        name: [
            np.stack(
                [
                    np.mean([each[source][p] for each, at in zip(written, there, strict=True) if at[p]], axis=0)
                    for p in range(5)
                ]
            )
        ]
        * 3
        for name, source in sources.items()
    }
    assert_same(module, ids, run(module, ids, dict.fromkeys(names, Mean(other))), wanted(each_position))


@pytest.mark.parametrize("name", ["a0.h1", "m0", "positions", "a0.h0->m1", "tokens->a1.h0<k>"])
def test_only_the_positions_that_are_given_are_changed(name: str) -> None:
    module, plain = plain_pair(Form("gelu", biases=True, layer_norm=True))
    ids = some_ids(module.config)
    mask = torch.tensor([[False, True, False, True, True]] * 2 + [[True, False, False, False, True]])
    zero, source = (partial(Zero), name.partition("->")[0])

    def wanted(row: list[int], at: Tensor) -> np.ndarray:
        value = np.where(at.numpy()[:, None], 0, plain.run(row)[1][source])
        return plain.run(row, *(({name: value}, {}) if "->" in name else ({}, {name: value})))[0]

    expected = [wanted(row, at) for row, at in zip(ids.tolist(), mask, strict=True)]
    assert_same(module, ids, run(module, ids, {name: zero(mask)}), expected)
    expected = [wanted(row, mask[0]) for row in ids.tolist()]
    assert_same(module, ids, run(module, ids, {name: zero([1, 3, 4])}), expected)
    assert_same(module, ids, run(module, ids, {name: zero(mask[0])}), expected)


def test_adding_is_replacing_by_the_sum() -> None:
    module, plain = plain_pair(Form("gelu"))
    ids, more = some_ids(module.config), np.array([1.0, -2, 0.5, 0, 3])
    logits = run(module, ids, {"m0": Plus(more), "a0.h0->logits": Plus(2 * more)})

    def wanted(row: list[int]) -> np.ndarray:
        written = plain.run(row)[1]
        return plain.run(row, {"a0.h0->logits": written["a0.h0"] + 2 * more}, {"m0": written["m0"] + more})[0]

    assert_same(module, ids, logits, [wanted(row) for row in ids.tolist()])


def test_neurons_are_replaced_one_by_one() -> None:
    module, plain = plain_pair(Form(biases=True))
    ids = some_ids(module.config)
    p = plain.parameters

    def wanted(row: list[int]) -> np.ndarray:
        post = activations(module, torch.tensor([row]), ["blocks.0.mlp.hook_post"])["blocks.0.mlp.hook_post"]
        own = post[0].detach().numpy().copy()
        own[:, 2] = 7
        return plain.run(row, {}, {"m0": own @ p["blocks.0.mlp.W_out"] + p["blocks.0.mlp.b_out"]})[0]

    assert_same(module, ids, run(module, ids, {"m0.n2": Value(7.0)}), [wanted(row) for row in ids.tolist()])


@given(seed=seeds, k=st.integers(1, 4), orthonormal=st.booleans())
@settings(max_examples=20)
def test_a_subspace_is_exchanged_and_what_is_orthogonal_to_it_stays(seed: int, k: int, orthonormal: bool) -> None:
    module, _ = plain_pair(Form("gelu"), seed=seed)
    ids, rng = some_ids(module.config), np.random.default_rng(seed)
    basis = rng.normal(size=(5, k))
    basis = np.linalg.qr(basis)[0] if orthonormal else basis
    where = Subspace(Site("blocks.0.hook_resid_post"), torch.as_tensor(basis))
    own, other = (activations(module, each, [where.site])[where.site] for each in (ids, ids.flip(0)))
    projection = torch.as_tensor(basis @ np.linalg.pinv(basis))
    whole = own - own @ projection + other @ projection
    wanted = run(module, ids, {where.site: Value(whole)})
    torch.testing.assert_close(run(module, ids, {where: Resample(ids.flip(0))}), wanted)
    coordinates = activations(module, ids, [where])[where]
    np.testing.assert_allclose((coordinates @ where.basis.T).detach(), (own @ projection).detach(), atol=1e-8)


def test_the_basis_of_a_subspace_can_be_learned() -> None:
    """As distributed alignment search does: its gradient is what small changes of it do."""
    module, _ = plain_pair(Form("gelu"))
    ids, rng = some_ids(module.config), np.random.default_rng(0)
    basis, change = (torch.as_tensor(rng.normal(size=(5, 2))) for _ in range(2))

    def total(basis: Tensor) -> Tensor:
        exchanged: Tensor = run(module, ids, {Subspace(Site("blocks.0.hook_resid_mid"), basis): Resample(ids.flip(0))})
        return exchanged.tanh().sum()

    (slope,) = torch.autograd.grad(total(basis.requires_grad_()), basis)
    with torch.no_grad():
        low, high = (total(basis + step * change) for step in (-1e-6, 1e-6))
    assert (slope * change).sum().item() == pytest.approx((high - low).item() / 2e-6, rel=1e-4)


def test_runs_in_one_batch_are_those_one_by_one() -> None:
    module, _ = plain_pair(Form("gelu", biases=True))
    ids, other = some_ids(module.config), some_ids(module.config).flip(0)
    replaced = [{edge: Resample(other)} for edge in EDGES] + [{"m0": Zero([1]), "a0.h0->m0": Zero()}, {}]
    together = run_each(module, ids, replaced, at_once=7)
    for logits, replace in zip(together, replaced, strict=True):
        torch.testing.assert_close(logits, run(module, ids, replace))


def test_nothing_stays_inserted() -> None:
    module, _ = plain_pair(Form())
    ids = some_ids(module.config)
    before = module(ids)
    with inserted(module, {"a0.h0->m0": Zero(), "tokens": Zero()}):
        assert not torch.equal(module(ids), before)
    assert torch.equal(module(ids), before)
    assert not any(point.is_watched for point in module.hook_points().values())
    with pytest.raises(InterventionError):
        run(module, ids, {"m0": Zero(), "m7": Zero()})
    assert torch.equal(module(ids), before)


def test_an_edge_that_carries_what_it_did_changes_no_bit() -> None:
    module, _ = plain_pair(Form("gelu", fused=False))
    ids = some_ids(module.config)
    same = {edge: Resample(ids) for edge in EDGES}
    watched = run(module, ids, {"a0.h0->m0": Zero([])})
    assert torch.equal(run(module, ids, {"a0.h0->m0": Resample(ids)}), watched)
    torch.testing.assert_close(run(module, ids, same), module(ids))


# Gradients -----------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(form=FORMS, seed=seeds, edge=st.sampled_from(EDGES), frozen=st.booleans())
def test_gradients_of_edges_are_what_small_changes_do(form: Form, seed: int, edge: str, frozen: bool) -> None:
    module, plain = plain_pair(Form("gelu", form.biases, form.layer_norm), seed=seed)
    module.requires_grad_(not frozen)
    ids = some_ids(module.config)[:1]
    (change,) = some_values(["change"], seed).values()

    def metric(logits: Tensor) -> Tensor:
        return logits[:, 3, 0] - logits[:, 2, 1].square() / 10

    found = edge_gradients(module, ids, metric, [Edge.parse(edge)])[Edge.parse(edge)]
    source = plain.run(ids[0].tolist())[1][edge.partition("->")[0]]

    def value(amount: float) -> float:
        logits = plain.run(ids[0].tolist(), {edge: source + amount * change.numpy()})[0]
        return float(metric(torch.as_tensor(logits)[None]))

    slope, step = float((found[0] * change).sum()), 1e-5
    assert slope == pytest.approx((value(step) - value(-step)) / (2 * step), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", ["a0.h1", "m0", "m0.n1", "blocks.0.hook_resid_mid"])
def test_gradients_at_places_are_what_small_changes_do(name: str) -> None:
    module, _ = plain_pair(Form("gelu", biases=True))
    ids = some_ids(module.config)[:1]
    found = gradients(module, ids, lambda logits: logits.square().mean(dim=(1, 2)), [name])[name]
    change = torch.as_tensor(np.random.default_rng(0).normal(size=tuple(found.shape)))
    with torch.no_grad():
        low, high = (run(module, ids, {name: Plus(step * change)}).square().mean() for step in (-1e-5, 1e-5))
    assert (found * change).sum().item() == pytest.approx((high - low).item() / 2e-5, rel=1e-3)


def test_gradients_pass_through_what_is_put_there() -> None:
    module, _ = plain_pair(Form("gelu"))
    ids = some_ids(module.config)
    run(module, ids, {"blocks.1.hook_resid_post": Resample(ids.flip(0))}).square().sum().backward()
    assert module.embed.W_E.grad is not None
    assert module.embed.W_E.grad.any()


# Names ---------------------------------------------------------------------------------------------------------------


def test_names_are_printed_as_they_are_parsed() -> None:
    assert sorted(str(edge) for edge in possible_edges(2, 2, constant=False)) == sorted(EDGES)
    for name in EDGES:
        assert str(Edge.parse(name)) == name == str(place(name))
        assert Edge.parse(name).reader == Reader.parse(name.partition("->")[2])
    for name in [*NODES, "logits"]:
        assert str(Node.parse(name)) == name
    for model in map(model_of, CASES):
        edges = model.circuit().edges
        possible = possible_edges(model.config.n_layers, model.config.n_heads)
        assert [edge for edge in possible if edge in edges] == list(edges)
        assert all(Edge.parse(str(edge)) == edge for edge in edges)
    assert str(place("m1.n3")) == "blocks.1.mlp.hook_post[3:4]"
    assert str(Site("x", head=1, side="input")) == "x.h1 (input)"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("m9", r"there is no place 'blocks.9.hook_mlp_out' in Transformer"),
        ("nothing", "there is no place 'nothing'"),
        ("m0->a0.h0<q>", r"is no edge: a0.h0 does not come after m0"),
        ("m0->m0", "does not come after"),
        ("m0->a1.h0", "reads nothing"),
        ("m0->m1<q>", "reads nothing"),
        ("x->m1", "no part of a model"),
        ("tokens->positions", "reads nothing"),
        ("logits->m0", "does not come after"),
    ],
)
def test_what_is_not_there_is_refused(name: str, message: str) -> None:
    module, _ = plain_pair(Form())
    with pytest.raises(InterventionError, match=message):
        run(module, some_ids(module.config), {name: Zero()})


def test_what_does_not_fit_is_refused() -> None:
    module, _ = plain_pair(Form())
    ids = some_ids(module.config)
    for bad in (Value(torch.zeros(3, 4, 5)), Value(np.zeros(3)), Resample(ids[:2]), Mean(ids[:, :4]), Zero([9])):
        with pytest.raises(InterventionError, match="m0: what is to be put there does not fit"):
            run(module, ids, {"m0": bad})
    for ask in (activations, lambda *each: gradients(each[0], each[1], torch.sum, each[2])):
        with pytest.raises(InterventionError, match="carries what its source writes"):
            ask(module, ids, ["m0->m1"])


# Compiled models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_what_the_embedding_writes_is_the_sum_of_its_parts(name: str) -> None:
    model = model_of(name)
    module = model.to_torch()
    ids = module.encode([each for each in inputs_of(name, seed=1) if each])
    found = activations(module, ids, ["tokens", "positions", "constant", "blocks.0.hook_resid_pre"])
    stream = found.pop("blocks.0.hook_resid_pre")
    torch.testing.assert_close(sum(found.values()), stream)
    at_tokens = (ids != model.config.pad_id) & (torch.arange(ids.shape[1]) > 0)
    assert len(found["constant"][at_tokens].unique(dim=0)) == 1


@pytest.mark.parametrize("mode", ["faithful", "compact"])
@pytest.mark.parametrize("name", ["hist", "frac_prevs", "reverse", "sort_unique"])
def test_edges_outside_the_circuit_change_no_answer_and_those_inside_do(name: str, mode: str) -> None:
    model = tracrlab.compile(PROGRAMS[name].build(), PROGRAMS[name].vocabulary(3), 4, mode=mode)  # type: ignore[arg-type]
    module, edges = model.to_torch(), model.circuit().edges
    ids = module.encode([each for n in (1, 2, 3) for each in itertools.product(model.config.vocab, repeat=n)])
    outside = [edge for edge in possible_edges(model.config.n_layers, model.config.n_heads) if edge not in edges]
    wanted = module.decode(module(ids), ids)
    assert module.decode(run(module, ids, dict.fromkeys(outside, Zero())), ids) == wanted
    assert module.decode(run(module, ids, dict.fromkeys(outside, Mean(ids))), ids) == wanted
    moving = [edge for edge in edges if not edge.is_constant and edge.source.kind != "positions"]
    for logits, edge in zip(run_each(module, ids, [{edge: Zero()} for edge in moving]), moving, strict=True):
        assert module.decode(logits, ids) != wanted, edge


def test_a_path_is_patched() -> None:
    """The fraction of the other input arrives where only the last head's values carry its ``is_x``."""
    model = tracrlab.compile(PROGRAMS["frac_prevs"].build(), "abx", 4)
    module = model.to_torch()
    ids, other = module.encode(["xaab"]), module.encode(["bxxx"])
    patched = run(module, ids, {"m0->a1.h0<v>": Resample(other)})
    assert module.decode(patched, ids) == model.run_batch(["bxxx"])
    last = run(module, ids, {"m0->a1.h0<v>": Resample(other, positions=[4])})
    assert module.decode(last, ids) == [[1, 0.5, 1 / 3, 0.5]]


def test_a_variable_is_where_the_labels_say() -> None:
    model = tracrlab.compile(PROGRAMS["sort_unique"].build(), "1234", 4)
    module, target = model.to_torch(), variable(model.labels, "target_pos")
    ids, other = module.encode(["1234"]), module.encode(["4321"])
    assert module.decode(run(module, ids, {target: Resample(other)}), ids) == [list("4321")]
    found = activations(module, other, [target])[target]
    assert model.labels.variable("target_pos").variable.decode(found[0, 1:].detach().numpy()) == [3, 2, 1, 0]
    tokens = variable(model.labels, "tokens")
    assert module.decode(run(module, ids, {tokens: Resample(other)}), ids) == [list("1234")]
    assert module.decode(run(module, ids, {tokens: Resample(module.encode(["2341"]), [1])}), ids) != [list("1234")]


# Other models --------------------------------------------------------------------------------------------------------


def test_heads_and_mlps_of_any_module_are_replaced_by_their_path() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=7, n_positions=6, n_embd=8, n_layer=2, n_head=2)
    host = transformers.GPT2LMHeadModel(config).double().eval()
    ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
    nothing = {f"transformer.h.{layer}.{part}": Zero() for layer in range(2) for part in ("attn", "mlp")}
    embedded = host.transformer.wte(ids) + host.transformer.wpe(torch.arange(3))
    with torch.no_grad():
        bare = host.lm_head(host.transformer.ln_f(embedded))
        torch.testing.assert_close(run(host, ids, nothing).logits, bare)
        head = Site("transformer.h.1.attn.c_proj", dimensions=range(4, 8), side="input")
        mixed = activations(host, ids, [head])[head]
        edited = host.transformer.h[1].attn.c_proj.weight.clone()
        edited[4:8] = 0
        whole = run(host, ids, {head: Zero()}).logits
        host.transformer.h[1].attn.c_proj.weight.copy_(edited)
        torch.testing.assert_close(whole, host(ids).logits)
    assert mixed.shape == (2, 3, 4)


def test_an_input_that_is_given_by_name_is_no_place() -> None:
    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            inner: Tensor = self.inner(input=x)
            return inner

    with pytest.raises(InterventionError, match="the inputs of inner are given by name"):
        run(Named(), torch.zeros(1, 2), {Site("inner", side="input"): Zero()})


@settings(max_examples=20)
@given(form=FORMS, seed=seeds, name=st.sampled_from([*NODES, *EDGES]))
def test_what_is_there_at_other_positions_of_other_inputs(form: Form, seed: int, name: str) -> None:
    module, plain = plain_pair(form, seed=seed)
    ids, other = some_ids(module.config), some_ids(module.config).flip(0)
    taken = torch.as_tensor(np.random.default_rng(seed).integers(0, ids.shape[1], ids.shape))
    source = name.partition("->")[0]
    carried = [plain.run(row)[1][source][at] for row, at in zip(other.tolist(), taken.numpy(), strict=True)]
    parts = [({name: each}, {}) if "->" in name else ({}, {name: each}) for each in carried]
    wanted = [plain.run(row, *part)[0] for row, part in zip(ids.tolist(), parts, strict=True)]
    assert_same(module, ids, run(module, ids, {name: Resample(other, taken=taken)}), wanted)
