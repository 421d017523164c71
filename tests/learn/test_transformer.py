"""A model in PyTorch answers as in NumPy, whatever the batch, format, kernel or hooks, and it can be changed."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

import tracrlab
from tests.learn.plain_transformer import FORMS, plain_pair, some_ids
from tests.library_models import MODELS, library_inputs, library_model
from tests.model.cases import CASES, inputs_of, model_of
from tests.model.test_forward import transformer
from tracrlab import CompiledModel
from tracrlab.errors import InputError, PrecisionError
from tracrlab.learn.transformer import Form, Transformer, torch_model
from tracrlab.model.config import ModelConfig
from tracrlab.model.readout import RawReadout
from tracrlab.model.weights import Weights, weight_shapes
from tracrlab.rasp.library import PROGRAMS

pytestmark = pytest.mark.frameworks

seeds = st.integers(0, 2**32 - 1)


def answers(module: Transformer, inputs: list[Any]) -> list[list[Any]]:
    ids = module.encode(inputs)
    with torch.no_grad():
        return module.decode(module(ids), ids)


# The same answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "mode", "causal"), MODELS)
def test_library_models_answer_as_in_numpy(name: str, mode: Any, causal: bool) -> None:
    model, inputs = library_model(name, mode, causal), library_inputs(name)
    expected = model.run_batch(inputs)
    assert answers(model.to_torch(), inputs) == expected
    assert answers(model.to_torch(logits="raw", fused=False), inputs) == expected
    assert answers(model.to_torch(dtype=torch.float64), inputs) == expected


@pytest.mark.parametrize("name", CASES)
def test_models_answer_as_in_numpy(name: str) -> None:
    model, inputs = model_of(name), inputs_of(name, seed=5, n_inputs=50)
    assert answers(model.to_torch(), inputs) == model.run_batch(inputs)
    assert answers(model.to_torch(), [[]]) == [[]]


LONG = [("reverse", "faithful", 100), ("hist", "faithful", 300), ("hist", "compact", 300), ("sort", "compact", 60)]


@pytest.mark.parametrize(("name", "mode", "length"), LONG)
@pytest.mark.parametrize("fused", [True, False])
def test_long_inputs_answer_as_in_numpy(name: str, mode: Any, length: int, fused: bool) -> None:
    """Where scores are large and many positions share attention, rounding them apart would show."""
    vocab = PROGRAMS[name].vocabulary(8)
    model = tracrlab.compile(PROGRAMS[name].build(), vocab, length, mode=mode)
    rng = np.random.default_rng(length)
    inputs = [[vocab[place] for place in rng.choice(8, size=n, p=rng.dirichlet(np.ones(8)))] for n in (length, 7)]
    assert answers(model.to_torch(fused=fused), inputs) == model.run_batch(inputs)


def random_module(seed: int, causal: bool, d_head: int, fused: bool) -> tuple[ModelConfig, Weights, Transformer]:
    """Weights that use every part of the architecture."""
    rng = np.random.default_rng(seed)
    config = ModelConfig(("a", "b"), 4, causal).with_shape(
        d_model=5, n_layers=2, n_heads=2, d_head=d_head, d_mlp=4, d_vocab_out=3
    )
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in weight_shapes(config).items()}
    weights = Weights(**arrays)
    readout = RawReadout(weights.W_U, np.zeros(3), model_of("hist").output, config.pad_id, "float32")
    return config, weights, torch_model(config, weights, readout, dtype=torch.float64, fused=fused)


@settings(max_examples=30)
@given(seeds, st.booleans(), st.sampled_from([3, 4]), st.booleans(), st.lists(st.integers(0, 1), max_size=4))
def test_random_weights_give_the_logits_of_a_plain_transformer(
    seed: int, causal: bool, d_head: int, fused: bool, tokens: list[int]
) -> None:
    config, weights, module = random_module(seed, causal, d_head, fused)
    rows = [[config.bos_id, *tokens], [config.bos_id, *tokens[:-1]]]
    ids = torch.tensor([row + [config.pad_id] * (config.n_ctx - len(row)) for row in rows])
    watched, _ = module.run_with_cache(ids)
    for logits in (module(ids), watched):
        for row, found in zip(rows, logits.tolist(), strict=True):
            expected = transformer(config, weights, row)
            assert np.allclose(found[: len(row)], expected, rtol=1e-9, atol=1e-9)


# Logits --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_the_right_class_leads_by_the_margin_and_divergences_are_finite(name: str) -> None:
    model = model_of(name)
    inputs = inputs_of(name, seed=6, n_inputs=20)
    for margin in (1.0, 25.0):
        module = model.to_torch(margin=margin)
        ids = module.encode(inputs)
        at_tokens = (ids != model.config.pad_id) & (torch.arange(ids.shape[1]) > 0)
        logits = module(ids)[at_tokens]
        if logits.shape[1] > 1:
            best, second = logits.topk(2).values.T
            assert (best - second >= margin).all()
        shuffled = logits.flip(0).log_softmax(dim=-1)
        assert functional.kl_div(shuffled, logits.softmax(dim=-1), reduction="none").isfinite().all()


def test_values_too_many_for_float32_come_in_float64() -> None:
    model = tracrlab.compile(PROGRAMS["frac_prevs"].build(), "ax", 60)
    inputs = ["xa" * 30, "a" * 59 + "x", "xxa" * 20]
    assert model.to_torch().unembed.W_U.dtype == torch.float64
    assert answers(model.to_torch(), inputs) == model.run_batch(inputs)
    assert model.to_torch(logits="raw").unembed.W_U.dtype == torch.float32


def test_weights_beyond_a_format_are_refused() -> None:
    with pytest.raises(PrecisionError, match=r"unembed.W_U: its weights are beyond the range of torch.float16. Use"):
        model_of("fractions").to_torch(margin=1000, dtype=torch.float16)


@settings(max_examples=30)
@given(FORMS, st.booleans(), seeds)
def test_biases_norms_and_other_neurons_are_those_of_a_plain_transformer(form: Form, causal: bool, seed: int) -> None:
    module, plain = plain_pair(form, causal=causal, seed=seed)
    ids = some_ids(module.config)
    watched, _ = module.run_with_cache(ids)
    for logits in (module(ids), watched):
        for row, found in zip(ids.tolist(), logits.detach().numpy(), strict=True):
            there = np.array(row) != module.config.pad_id
            np.testing.assert_allclose(found[there], plain.run(row)[0][there], rtol=1e-9, atol=1e-9)


# A module ------------------------------------------------------------------------------------------------------------


def test_parameters_are_named_and_shaped_as_in_transformer_lens() -> None:
    model = model_of("steps")
    c, state = model.config, model.to_torch().state_dict()
    shapes = {"embed.W_E": (c.d_vocab, c.d_model), "pos_embed.W_pos": (c.n_ctx, c.d_model)}
    for layer in range(c.n_layers):
        attention, mlp = f"blocks.{layer}.attn.", f"blocks.{layer}.mlp."
        shapes |= {attention + name: (c.n_heads, c.d_model, c.d_head) for name in ("W_Q", "W_K", "W_V")}
        shapes |= {attention + "W_O": (c.n_heads, c.d_head, c.d_model)}
        shapes |= {mlp + "W_in": (c.d_model, c.d_mlp), mlp + "W_out": (c.d_mlp, c.d_model)}
    n_classes = len(model.output.values) + model.output.nullable
    shapes |= {"unembed.W_U": (c.d_model, n_classes), "unembed.b_U": (n_classes,)}
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == shapes
    for layer in range(c.n_layers):
        assert np.array_equal(state[f"blocks.{layer}.attn.W_Q"].numpy(), model.weights.W_Q[layer])


def test_gradients_reach_every_parameter_that_matters() -> None:
    module = model_of("steps").to_torch()
    ids = module.encode(inputs_of("steps", seed=1))
    functional.cross_entropy(module(ids).flatten(0, 1), torch.ones(ids.numel(), dtype=torch.long)).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert module.embed.W_E.grad is not None
    assert module.embed.W_E.grad.any()


def test_second_derivatives_exist_without_fused_attention() -> None:
    module = model_of("steps").to_torch(fused=False)
    logits = module(module.encode(["abc"]))
    (first,) = torch.autograd.grad(logits.square().sum(), module.embed.W_E, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), module.embed.W_E)
    assert second.isfinite().all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_answer_alike(copied: Any) -> None:
    module, inputs = model_of("steps").to_torch(), inputs_of("steps", seed=2)
    assert answers(copied(module), inputs) == answers(module, inputs)


def test_it_compiles_into_one_graph() -> None:
    """In a process of its own, where types are not checked: the checks are no part of any graph."""
    module, inputs = model_of("steps").to_torch(), inputs_of("steps", seed=4)
    code = "import pickle, sys, torch\n" + (
        "module, ids = pickle.load(sys.stdin.buffer)\n"
        "compiled = torch.compile(module, fullgraph=True, backend='aot_eager')\n"
        "pickle.dump(compiled(ids).detach(), sys.stdout.buffer)\n"
    )
    ids = module.encode(inputs)
    run = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps((module, ids)), capture_output=True, check=True
    )
    assert torch.equal(pickle.loads(run.stdout), module(ids))


def test_it_says_where_it_is() -> None:
    module = model_of("hist").to_torch()
    assert module.device == torch.device("cpu") == module.encode(["a"]).device
    assert module.to("meta").device == torch.device("meta")


def test_bad_ids_are_refused() -> None:
    module = model_of("hist").to_torch()
    with pytest.raises(InputError, match="the ids have 1 axes"):
        module(torch.zeros(3, dtype=torch.long))
    with pytest.raises(InputError, match="the ids have 9 positions, but the model has 7"):
        module(torch.zeros(1, 9, dtype=torch.long))
    with pytest.raises(InputError, match="'z' is not in the vocabulary"):
        module.encode(["z"])


def test_without_pytorch_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import tracrlab; from tracrlab.rasp import tokens\n"
        "try: tracrlab.compile(tokens, 'ab', 2).to_torch()\n"
        "except tracrlab.errors.MissingDependencyError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.count("\n") == 1
    assert run.stdout.endswith("install it with: pip install 'tracrlab[torch]'\n")


# Hooks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_the_cache_holds_what_happens_in_numpy(name: str) -> None:
    model, tokens = model_of(name), max(inputs_of(name, seed=7), key=len)
    module, trace = model.to_torch(), model.trace(tokens)
    _, cache = module.run_with_cache(module.encode([tokens]))
    assert set(cache) == set(module.hook_points())
    near = {"rtol": 0, "atol": 1e-4}
    assert np.allclose((cache["hook_embed"] + cache["hook_pos_embed"])[0].detach(), trace.steps[0].residual, **near)
    for layer in range(model.config.n_layers):
        attention, mlp = trace.steps[1 + 2 * layer], trace.steps[2 + 2 * layer]
        own = {key.removeprefix(f"blocks.{layer}."): value[0].detach().numpy() for key, value in cache.items()}
        assert np.allclose(own["hook_resid_mid"], attention.residual, **near)
        assert np.allclose(own["hook_resid_post"], mlp.residual, **near)
        assert np.allclose(own["attn.hook_pattern"], attention.pattern, **near)
        assert np.allclose(own["attn.hook_result"].sum(axis=1), own["hook_attn_out"], **near)
        assert np.allclose(np.maximum(own["mlp.hook_pre"], 0), own["mlp.hook_post"], **near)
        assert np.allclose(own["hook_resid_pre"] + own["hook_attn_out"] + own["hook_mlp_out"], mlp.residual, **near)


@pytest.mark.parametrize("form", [Form(), Form("gelu", biases=True, layer_norm=True)], ids=str)
@pytest.mark.parametrize("reader", ["a1.h0<q>", "a1.h1<k>", "a0.h1<v>", "m1"])
def test_what_one_part_reads_can_be_edited(form: Form, reader: str) -> None:
    """As if one edge into it, of all that there are, carried something more, and nothing else."""
    module, plain = plain_pair(form)
    ids, more = some_ids(module.config)[:1], np.array([0.0, 1, 3, -1, 2])[:, None] * [1.0, -2, 3, 0, 0.5]
    node, _, kind = reader.removesuffix(">").partition("<")
    layer = int(node[1])
    point = f"blocks.{layer}.hook_{kind}_input" if kind else f"blocks.{layer}.hook_mlp_in"

    def edit(read: torch.Tensor) -> torch.Tensor:
        own = read.clone()
        (own[:, :, int(node[-1])] if kind else own).add_(torch.as_tensor(more))
        return own

    handle = module.get_submodule(point).register_forward_hook(lambda point, inputs, output: edit(output))
    logits = module(ids)[0].detach().numpy()
    handle.remove()
    tokens = plain.run(ids[0].tolist())[1]["tokens"]
    wanted = plain.run(ids[0].tolist(), edges={f"tokens->{reader}": tokens + more})[0]
    assert not np.allclose(logits, module(ids)[0].detach().numpy())
    np.testing.assert_allclose(logits, wanted, rtol=1e-9, atol=1e-9)


def test_what_nobody_watches_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs of heads are copied only where somebody listens to them."""
    module = model_of("steps").to_torch()
    ids, copies = module.encode(["abc"]), list[torch.Tensor]()
    repeat = torch.Tensor.repeat
    monkeypatch.setattr(torch.Tensor, "repeat", lambda x, *sizes: copies.append(x) or repeat(x, *sizes))
    module(ids)
    assert not copies
    module.run_with_cache(ids, ["blocks.0.hook_k_input"])
    assert len(copies) == 1


def test_the_cache_holds_what_is_asked_for() -> None:
    module = model_of("hist").to_torch()
    ids = module.encode(["aab"])
    _, cache = module.run_with_cache(ids, ["blocks.0.attn.hook_pattern"])
    assert list(cache) == ["blocks.0.attn.hook_pattern"]
    with pytest.raises(KeyError, match=r"no hook point blocks\.9\.hook_z"):
        module.run_with_cache(ids, ["blocks.9.hook_z"])
    assert not any(point.is_watched for point in module.hook_points().values())


def with_hook(module: Transformer, name: str, edit: Any, inputs: list[str]) -> list[list[Any]]:
    handle = module.get_submodule(name).register_forward_hook(lambda module, inputs, output: edit(output))
    try:
        return answers(module, inputs)
    finally:
        handle.remove()


@pytest.mark.parametrize("mode", ["faithful", "compact"])
def test_an_edited_pattern_changes_the_answer(mode: Any) -> None:
    """The last head of ``reverse`` moves tokens to where it looks; if everything looks at itself, nothing moves."""
    model = tracrlab.compile(PROGRAMS["reverse"].build(), "abc", 4, mode=mode)
    module, (layer, head) = model.to_torch(), model.circuit().expression("reverse").heads[0]

    def look_at_yourself(pattern: torch.Tensor) -> torch.Tensor:
        edited = pattern.clone()
        edited[:, head] = torch.eye(pattern.shape[-1])
        return edited

    assert with_hook(module, f"blocks.{layer}.attn.hook_pattern", look_at_yourself, ["abca"]) == [list("abca")]
    assert answers(module, ["abca"]) == [list("acba")]


@pytest.mark.parametrize("point", ["attn.hook_z", "attn.hook_result", "attn.hook_v", "hook_attn_out"])
def test_a_head_that_writes_nothing_leaves_nothing(point: str) -> None:
    model: CompiledModel = model_of("reverse")
    layer, _ = model.circuit().expression("reverse").heads[0]
    assert with_hook(model.to_torch(), f"blocks.{layer}.{point}", torch.zeros_like, ["abc"]) == [[None] * 3]


def test_an_edited_variable_changes_what_reads_it() -> None:
    model = tracrlab.compile(PROGRAMS["sort_unique"].build(), "1234", 4)
    target = model.labels.variable("target_pos")

    def turned_around(residual: torch.Tensor) -> torch.Tensor:
        edited = residual.clone()
        edited[0, 1:, target.dimensions] = residual[0, 1:, target.dimensions].flip(0)
        return edited

    point = f"blocks.{target.sublayer // 2}.hook_resid_post"
    assert with_hook(model.to_torch(), point, turned_around, ["1234"]) == [list("4321")]
