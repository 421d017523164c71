"""The assembled model: parameters, forward pass, labels, encoders, graph and blocks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from tracr.compiler import (
    basis_inference,
    compile_rasp_to_model,
    compiling,
    craft_graph_to_model,
    craft_model_to_transformer,
    expr_to_craft_graph,
    lib,
    nodes,
    rasp_to_graph,
    validating,
)
from tracr.compiler.assemble import (
    AssembledTransformerModel,
    AssembledTransformerModelOutput,
    _make_embedding_modules,
)
from tracr.craft import bases, transformers
from tracr.rasp import rasp
from tracr.transformer.compressed_model import CompressedTransformer
from tracr.transformer.encoder import CategoricalEncoder, NumericalEncoder
from tracr.transformer.model import Transformer, TransformerConfig

from tests.tracr_programs import PROGRAMS, TracrProgram
from tracrlab.model.tokenizer import encode_batch

BOS, PAD = "BOS", "PAD"
CIRCUITS = ["lib_reverse", "lib_shuffle_dyck2", "lib_sort", "share_of_a", "first_occurrences", "never_closes_too_early"]


def compiled(program: Any, vocab: Any = "abc", max_seq_len: int = 4, **settings: Any) -> compiling.TracrOutput:
    return compile_rasp_to_model(
        program, vocab=set(vocab), max_seq_len=max_seq_len, compiler_bos=BOS, compiler_pad=PAD, **settings
    )


def compiled_program(program: TracrProgram) -> compiling.TracrOutput:
    return compiled(program.build(), program.vocab, program.max_seq_len, causal=program.causal)


def test_parameters_have_haikus_names_and_shapes() -> None:
    model = compiled(lib.make_frac_prevs(rasp.tokens == "a"))
    config = model.model_config
    width, joint, hidden = len(model.residual_labels), config.num_heads * config.key_size, config.mlp_hidden_size
    shapes = {name: {kind: array.shape for kind, array in part.items()} for name, part in model.params.items()}
    assert shapes.pop("token_embed") == {"embeddings": (5, width)}
    assert shapes.pop("pos_embed") == {"embeddings": (5, width)}
    for layer in range(config.num_layers):
        for kind in ("query", "key", "value"):
            assert shapes.pop(f"transformer/layer_{layer}/attn/{kind}") == {"w": (width, joint), "b": (joint,)}
        assert shapes.pop(f"transformer/layer_{layer}/attn/linear") == {"w": (joint, width), "b": (width,)}
        assert shapes.pop(f"transformer/layer_{layer}/mlp/linear_1") == {"w": (width, hidden), "b": (hidden,)}
        assert shapes.pop(f"transformer/layer_{layer}/mlp/linear_2") == {"w": (hidden, width), "b": (width,)}
    assert not shapes
    assert (config.layer_norm, config.causal, config.dropout_rate) == (False, False, 0.0)


@pytest.mark.parametrize("name", PROGRAMS)
def test_forward_pass_equals_that_of_the_compiled_model(name: str) -> None:
    """Every residual stream is the compiled model's, in the order of the labels, with 1/2 where None has a label."""
    program = PROGRAMS[name]
    model = compiled_program(program)
    original = model.compiled
    assert original is not None
    labels = [_tracrs_label(str(dimension)) for dimension in original.labels.dimensions]
    tokens = program.random_inputs(1)[0]
    ran = model.apply([BOS, *tokens])
    for residual, step in zip([ran.input_embeddings, *ran.residuals], original.trace(tokens).steps, strict=True):
        values = dict(zip(labels, step.residual.T, strict=True))
        expected = [values.get(label, np.full(len(tokens) + 1, 0.5)) for label in model.residual_labels]
        np.testing.assert_allclose(residual[0], np.transpose(expected), rtol=1e-4, atol=1e-4)
    assert len(model.residual_labels) - len(labels) == _answers_none(model)


def _tracrs_label(label: str) -> str:
    return label.replace(".attn", "_selector_width_attn_output")


def _answers_none(model: compiling.TracrOutput) -> bool:
    return isinstance(model.output_encoder, CategoricalEncoder) and None in model.output_encoder.encoding_map


def test_outputs_have_tracrs_shapes_and_can_be_read_as_mappings() -> None:
    model = compiled(lib.make_reverse(rasp.tokens))
    ran = model.apply([BOS, "a", "b"])
    layers, width = model.model_config.num_layers, len(model.residual_labels)
    assert isinstance(ran, AssembledTransformerModelOutput)
    assert ran.decoded == [BOS, "b", "a"]
    assert ran.unembedded.shape == (1, 3) and ran.unembedded.dtype == np.int32
    assert [array.shape for array in ran.residuals] == [(1, 3, width)] * (2 * layers)
    assert [array.shape for array in ran.layer_outputs] == [(1, 3, width)] * (2 * layers)
    assert [array.shape for array in ran.attn_logits] == [(1, model.model_config.num_heads, 3, 3)] * layers
    assert np.array_equal(ran.transformer_output, ran.residuals[-1])
    assert np.allclose(ran.input_embeddings + sum(ran.layer_outputs), ran.transformer_output, atol=1e-5)
    assert (
        list(ran)
        == list(ran.keys())
        == [
            "decoded",
            "unembedded",
            "layer_outputs",
            "residuals",
            "attn_logits",
            "transformer_output",
            "input_embeddings",
        ]
    )
    assert ran["decoded"] is ran.decoded and "other" not in ran
    assert AssembledTransformerModelOutput.from_tuple(ran.to_tuple()).decoded == ran.decoded
    assert ran.replace(decoded=[]).decoded == []


def test_logits_are_masked_under_a_causal_mask() -> None:
    ran = compiled(PROGRAMS["running_count"].build(), causal=True).apply([BOS, "a", "b"])
    assert ran.attn_logits[0][0, 0, 0, 1:].tolist() == [pytest.approx(-1e30)] * 2


def test_forward_uses_the_parameters_it_is_given() -> None:
    model = compiled(rasp.tokens == "a")
    ids = np.array([[0, 1, 2]])
    params = {name: dict(part) for name, part in model.params.items()}
    params["transformer/layer_0/mlp/linear_2"]["b"] = np.ones(len(model.residual_labels), np.float32)
    before, after = (model.forward(given, ids).transformer_output.output for given in (model.params, params))
    assert np.allclose(after - before, 1)
    whole = model.get_compiled_model()(ids)
    assert np.array_equal(whole.unembedded_output, model.forward(model.params, ids).unembedded_output)
    assert np.array_equal(model.get_compiled_model().embed(ids), whole.transformer_output.input_embeddings)


def test_forward_computes_with_jax_if_it_is_given_its_arrays() -> None:
    jax = pytest.importorskip("jax")
    model = compiled(lib.make_reverse(rasp.tokens))
    params = jax.tree_util.tree_map(jax.numpy.array, model.params)
    assert model.input_encoder is not None
    ids = jax.numpy.array([model.input_encoder.encode([BOS, *"abc"])])
    answer = jax.jit(lambda given: model.forward(given, ids).unembedded_output)(params)
    assert isinstance(answer, jax.Array) and np.array_equal(answer, model.apply([BOS, *"abc"]).unembedded)


def test_a_transformer_of_ones_own_runs_given_parameters() -> None:
    model = compiled(lib.make_hist())
    ran = model.apply([BOS, "a", "a"])
    alone = Transformer(model.model_config, params=model.params)(ran.input_embeddings, np.ones((1, 3)))
    assert np.array_equal(alone.output, ran.transformer_output)
    with pytest.raises(NotImplementedError, match=r"params=model\.params"):
        Transformer(model.model_config)
    with pytest.raises(NotImplementedError, match="no layer norm"):
        Transformer(TransformerConfig(1, 1, 1, 1, 0.0), params=model.params)


def test_labels_are_sorted_and_name_variables_as_tracr_does() -> None:
    rasp.RASPExpr._ids = itertools.count(1)
    model = compiled(lib.make_hist(), "ab", 11)
    labels = model.residual_labels
    assert labels == [
        *(f"hist_1:{width}" for width in range(1, 12)),
        "hist_1_selector_width_attn_output",
        *(f"indices:{place}" for place in range(11)),
        "one",
        "tokens:BOS",
        "tokens:PAD",
        "tokens:a",
        "tokens:b",
    ]


def test_input_encoder_numbers_the_sorted_tokens() -> None:
    encoder = compiled(rasp.tokens, [3, 1, 10]).input_encoder
    assert isinstance(encoder, CategoricalEncoder)
    assert encoder.encoding_map == {1: 0, 3: 1, 10: 2, BOS: 3, PAD: 4}
    assert (encoder.bos_token, encoder.pad_token, encoder.bos_encoding, encoder.pad_encoding) == (BOS, PAD, 3, 4)
    assert encoder.vocab_size == 5
    assert encoder.decode(encoder.encode([BOS, 10, 1])) == [BOS, 10, 1]


def test_none_is_a_value_of_the_answer() -> None:
    encoder = compiled(lib.shift_by(1, rasp.tokens)).output_encoder
    assert isinstance(encoder, CategoricalEncoder)
    assert list(encoder.encoding_map) == ["a", "b", "c", None]


def test_numerical_answers_decode_to_the_numbers_that_can_occur() -> None:
    halved = rasp.numerical(rasp.Map(lambda x: None if x == 0 else x / 3, rasp.tokens))
    model = compiled(halved, range(4))
    assert isinstance(model.output_encoder, NumericalEncoder)
    assert model.apply([BOS, 0, 1, 2]).decoded == [BOS, None, 1 / 3, 2 / 3]
    assert NumericalEncoder().decode([0.25]) == NumericalEncoder().encode([0.25]) == [0.25]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], "First input token must be BOS token. Should be 'BOS', but was missing."),
        (["a"], "First input token must be BOS token. Should be 'BOS', but was 'a'."),
        ([BOS, "z"], "Inputs \\['z'\\] not found in encoding"),
        ([BOS, ["a"]], "not found in encoding"),
        ([BOS, *"aaaaa"], "are longer than the maximum sequence length 5"),
    ],
)
def test_unusable_inputs_are_refused(tokens: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compiled(rasp.tokens).apply(tokens)


@pytest.mark.parametrize(("vocab", "kind"), [({"a", BOS}, "BOS"), ({"a", PAD}, "PAD")])
def test_special_tokens_must_not_be_in_the_vocabulary(vocab: set[str], kind: str) -> None:
    with pytest.raises(ValueError, match=f"Compiler {kind} token must not be present in the vocab"):
        compiled(rasp.tokens, vocab)


def test_the_model_is_also_what_a_fork_returns() -> None:
    output = compiled(lib.make_hist())
    assert isinstance(output, AssembledTransformerModel) and isinstance(output, compiling.TracrOutput)
    assert output.model is output
    assert isinstance(output.craft_model, transformers.SeriesWithResiduals)
    assert set(output.graph) >= {"tokens"}


def test_graph_has_the_labels_that_tracr_gives() -> None:
    rasp.RASPExpr._ids = itertools.count(1)
    extracted = rasp_to_graph.extract_rasp_graph(lib.make_sort_freq(5))
    assert list(extracted.graph) == [
        "sort_freq_1",
        "select_2",
        "tokens",
        "target_pos_3",
        "indices",
        "smaller_4",
        "sequence_map_5",
        "map_6",
        "hist_7",
        "same_tok_8",
    ]
    assert extracted.sink[nodes.ID] == "sort_freq_1"
    assert [source[nodes.ID] for source in extracted.sources] == ["tokens", "indices"]
    assert ("select_2", "sort_freq_1") in extracted.graph.edges


@pytest.mark.parametrize("name", CIRCUITS)
def test_blocks_do_what_the_model_does(name: str) -> None:
    program = PROGRAMS[name]
    model = compiled_program(program)
    space = bases.VectorSpaceWithBasis(model.craft_model.residual_space.basis)
    labels = [str(direction) for direction in space.basis]
    places = [model.residual_labels.index(label) for label in labels]
    for tokens in program.random_inputs(5):
        ran = model.apply([BOS, *tokens])
        after = model.craft_model.apply(space.make_vector(ran.input_embeddings[0][:, places]))
        assert [str(direction) for direction in after.basis_directions] == labels
        assert np.allclose(after.magnitudes, ran.transformer_output[0][:, places], atol=1e-3)


@pytest.mark.parametrize("name", CIRCUITS)
def test_blocks_read_and_write_what_their_expressions_say(name: str) -> None:
    model = compiled_program(PROGRAMS[name])
    graph = model.graph
    for label, node in graph.nodes.items():
        block = node.get(nodes.MODEL_BLOCK)
        if block is None:
            assert not isinstance(node[nodes.EXPR], rasp.Aggregate | rasp.SelectorWidth)
            continue
        last = block.blocks[-1] if isinstance(block, transformers.SeriesWithResiduals) else block
        written = last.w_ov.output_space if isinstance(last, transformers.AttentionHead) else last.snd.output_space
        assert {direction.name for direction in written.basis} == {label}
        assert set(written.basis) <= set(node[nodes.OUTPUT_BASIS])


def test_compiling_stage_by_stage_gives_the_same_model() -> None:
    program = lib.make_reverse(rasp.tokens)
    extracted = rasp_to_graph.extract_rasp_graph(program)
    graph, sources, sink = extracted.graph, extracted.sources, extracted.sink
    basis_inference.infer_bases(graph, sink, {"a", "b"}, 3)
    assert graph.nodes["tokens"][nodes.VALUE_SET] == {"a", "b"}
    expr_to_craft_graph.add_craft_components_to_rasp_graph(graph, bos_dir=bases.BasisDirection("tokens", BOS))
    craft_model = craft_graph_to_model.craft_graph_to_model(graph, sources)
    model = craft_model_to_transformer.craft_model_to_transformer(craft_model, graph, sink, 3, BOS, PAD)
    assert model.apply([BOS, "a", "b"]).decoded == [BOS, "b", "a"]
    layers = craft_graph_to_model._allocate_modules_to_layers(graph, sources)
    depth = craft_graph_to_model.compute_computational_depth(graph, [source[nodes.ID] for source in sources])
    label = {node[nodes.EXPR].name: label for label, node in graph.nodes.items()}
    order = [label[name] for name in ("length", "opp_idx", "opp_idx-1", "reverse")]
    assert [layers[name] % 2 for name in order] == [0, 1, 1, 0]
    assert sorted(order, key=lambda name: (depth[name], layers[name])) == order
    assert depth["tokens"] == 0
    for stage in (expr_to_craft_graph.add_craft_components_to_rasp_graph, _craft_model):
        with pytest.raises(ValueError, match=r"call .* first"):
            stage(rasp_to_graph.extract_rasp_graph(program).graph)


def _craft_model(graph: Any) -> Any:
    return craft_graph_to_model.craft_graph_to_model(graph, [])


def test_validation_reports_what_tracr_does_not_support() -> None:
    before = rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.LT)
    assert validating.validate(lib.make_shuffle_dyck2(), "()") == []
    for program, reason in [
        (rasp.numerical(rasp.tokens), "tokens should always be categorical"),
        (rasp.SelectorWidth(rasp.Select(rasp.numerical(rasp.tokens), rasp.tokens, rasp.Comparison.EQ)), "keys must be"),
        (rasp.Aggregate(before, rasp.tokens, default=1), "only supports None as default"),
        (rasp.Aggregate(before, rasp.numerical(rasp.tokens)), "must match its input encoding"),
        (rasp.LinearSequenceMap(rasp.tokens, rasp.tokens, 1, 1), "only supports numerical inputs"),
        (rasp.numerical(rasp.tokens + rasp.tokens), "only supports categorical inputs"),
    ]:
        reasons = [unsupported.reason for unsupported in validating.static_validate(program)]
        assert any(reason in each for each in reasons), reasons
    (unsupported,) = validating.dynamic_validate(rasp.Aggregate(before, rasp.tokens), [1, 2, 3])
    assert "width > 1" in unsupported.reason
    number = rasp.numerical(rasp.Map(lambda x: x, rasp.tokens))
    (unsupported,) = validating.dynamic_validate(rasp.numerical(rasp.Aggregate(before, number, default=0)), [0, 2])
    assert "binary inputs 0, 1. But got {2}" in unsupported.reason


def test_ids_of_the_compiled_model_are_those_of_its_tokens() -> None:
    """Token ids differ between the two forms of a model, answers do not."""
    model = compiled(lib.make_hist())
    assert model.compiled is not None and model.input_encoder is not None
    assert encode_batch(model.compiled.config, [["a", "c"]]).tolist() == [[3, 0, 2]]
    assert model.input_encoder.encode([BOS, "a", "c"]) == [0, 2, 4]
    assert model.compiled(["a", "c"]) == model.apply([BOS, "a", "c"]).decoded[1:]


def test_parameters_are_in_the_order_of_their_names() -> None:
    params = compiling.compile_rasp_to_model(lib.make_hist(), vocab={"a", "b"}, max_seq_len=3).params
    assert list(params) == sorted(params)
    assert list(params["pos_embed"]) == ["embeddings"]
    assert {tuple(each) for name, each in params.items() if name.startswith("transformer")} == {("b", "w")}


# Compression ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compressible() -> Any:
    """A model, its embeddings of an input, and a map to a wider space under which no angle changes."""
    model = compiling.compile_rasp_to_model(lib.make_reverse(rasp.tokens), vocab={"a", "b"}, max_seq_len=3)
    embeddings = model.apply(["compiler_bos", "a", "b", "b"]).input_embeddings
    size = embeddings.shape[-1]
    w_emb = np.linalg.qr(np.random.default_rng(0).normal(size=(size + 4, size)))[0]
    return model, embeddings, w_emb


def compressed(model: Any, w_emb: np.ndarray, inside: bool) -> CompressedTransformer:
    """The model's layers, or, with ``inside``, those that work in the other space."""
    params: dict[str, Any] = {"compressed_transformer": {"w_emb": w_emb}}
    for name, each in model.params.items():
        w, renamed = each.get("w"), f"compressed_{name}"
        if w is None or not inside:
            params[renamed] = each
        elif name.endswith(("attn/linear", "mlp/linear_2")):
            params[renamed] = {"w": w @ w_emb.T, "b": each["b"] @ w_emb.T}
        else:
            params[renamed] = {"w": w_emb @ w, "b": each["b"]}
    return CompressedTransformer(model.model_config, params=params)


@pytest.mark.parametrize("inside", [False, True])
def test_a_compression_that_loses_nothing_changes_nothing(compressible: Any, inside: bool) -> None:
    model, embeddings, w_emb = compressible
    transformer, mask = compressed(model, w_emb, inside), np.ones(embeddings.shape[:2])
    found = transformer(embeddings, mask, embedding_size=len(w_emb), unembed_at_every_layer=not inside)
    own = Transformer(model.model_config, params=model.params)(embeddings, mask)
    assert np.allclose(found.output, own.output, atol=1e-4)
    for kind in ("layer_outputs", "attn_logits"):
        for one, other in zip(getattr(found, kind), getattr(own, kind), strict=True):
            assert np.allclose(one, other, atol=1e-3)
    for one, other in zip(found.residuals, own.residuals, strict=True):
        assert np.allclose(one, other @ w_emb.T, atol=1e-4)


def test_a_compression_that_loses_directions_changes_the_output(compressible: Any) -> None:
    model, embeddings, w_emb = compressible
    narrow, mask = w_emb[:5], np.ones(embeddings.shape[:2])
    found = compressed(model, narrow, False)(embeddings, mask, embedding_size=5, unembed_at_every_layer=True)
    assert found.residuals[0].shape[-1] == 5
    assert not np.allclose(found.output, Transformer(model.model_config, params=model.params)(embeddings, mask).output)


def test_without_a_size_nothing_is_compressed(compressible: Any) -> None:
    model, embeddings, w_emb = compressible
    mask = np.ones(embeddings.shape[:2])
    own = Transformer(model.model_config, params=model.params)(embeddings, mask)
    assert np.array_equal(compressed(model, w_emb, False)(embeddings, mask).output, own.output)


def test_a_compression_of_another_size_is_refused(compressible: Any) -> None:
    model, embeddings, w_emb = compressible
    with pytest.raises(ValueError, match=r"w_emb is \(\d+, \d+\), not \(3, \d+\)"):
        compressed(model, w_emb, False)(embeddings, np.ones(embeddings.shape[:2]), embedding_size=3)
    with pytest.raises(NotImplementedError, match="CompressedTransformer runs given parameters"):
        CompressedTransformer(model.model_config)


# Stages one by one ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CIRCUITS)
def test_blocks_run_in_the_space_of_those_who_made_the_input(name: str) -> None:
    """Tokens, positions, and directions of one's own for BOS and the constant, which nothing embeds but the caller."""
    program = PROGRAMS[name]
    if program.causal:
        pytest.skip("stages compile for full attention")
    expression = program.build()
    extracted = rasp_to_graph.extract_rasp_graph(expression)
    basis_inference.infer_bases(extracted.graph, extracted.sink, set(program.vocab), program.max_seq_len)
    bos, one = bases.BasisDirection("a beginning"), bases.BasisDirection("zero and one", 1)
    expr_to_craft_graph.add_craft_components_to_rasp_graph(extracted.graph, bos_dir=bos, one_dir=one)
    model = craft_graph_to_model.craft_graph_to_model(extracted.graph, extracted.sources)
    space = bases.join_vector_spaces(
        bases.VectorSpaceWithBasis([bos, one]),
        bases.VectorSpaceWithBasis.from_values("tokens", program.vocab),
        bases.VectorSpaceWithBasis.from_values("indices", range(program.max_seq_len)),
    )
    output = bases.VectorSpaceWithBasis(extracted.sink[nodes.OUTPUT_BASIS])

    def at(*directions: bases.BasisDirection) -> bases.VectorInBasis:
        return bases.VectorInBasis.sum([space.vector_from_basis_direction(each) for each in (*directions, one)])

    for tokens in program.random_inputs(5):
        embedded = [
            at(bases.BasisDirection("tokens", token), bases.BasisDirection("indices", place))
            for place, token in enumerate(tokens)
        ]
        ran = model.apply(bases.VectorInBasis.stack([at(bos), *embedded])).project(output).magnitudes[1:]
        for found, value in zip(ran, expression(tokens), strict=True):
            if value is None:
                wanted = np.zeros(output.num_dims)
            elif rasp.is_numerical(expression):
                wanted = np.array([float(value)])
            else:
                wanted = output.vector_from_basis_direction(
                    bases.BasisDirection(output.basis[0].name, value)
                ).magnitudes
            np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_sublayers_of_constants_and_of_blocks_built_by_hand() -> None:
    networkx = pytest.importorskip("networkx")
    constant = rasp.Map(lambda x: 1, rasp.Full(3))
    program = rasp.SequenceMap(lambda x, y: (x, y), rasp.tokens, constant)
    extracted = rasp_to_graph.extract_rasp_graph(program)
    basis_inference.infer_bases(extracted.graph, extracted.sink, {"a"}, 2)
    expr_to_craft_graph.add_craft_components_to_rasp_graph(extracted.graph)
    layers = craft_graph_to_model._allocate_modules_to_layers(extracted.graph, extracted.sources)
    assert set(layers) == set(extracted.graph) and layers["tokens"] == -1
    with pytest.raises(ValueError, match="cannot have model blocks set already"):
        expr_to_craft_graph.add_craft_components_to_rasp_graph(extracted.graph)

    blocks = {type(block): block for block in compiled(lib.make_hist()).craft_model.blocks}
    graph = networkx.DiGraph()
    for label, kind in [("in", None), ("a", "attn"), ("b", "mlp"), ("c", "mlp"), ("d", "attn"), ("alone", None)]:
        block = None if kind is None else blocks[transformers.MLP if kind == "mlp" else transformers.MultiAttentionHead]
        graph.add_node(label, **{nodes.ID: label, nodes.MODEL_BLOCK: block})
    networkx.add_path(graph, ["in", "a", "b", "c", "d"])
    layers = craft_graph_to_model._allocate_modules_to_layers(graph, [graph.nodes["in"]])
    assert layers == {"in": -1, "a": 0, "b": 1, "c": 3, "d": 4, "alone": -1}
    depth = craft_graph_to_model.compute_computational_depth(graph, ["in"])
    assert depth == {"in": 0, "a": 1, "b": 2, "c": 3, "d": 4, "alone": -1}


@pytest.mark.parametrize("program", [rasp.tokens, rasp.categorical(rasp.tokens), rasp.annotate(rasp.tokens, kind="x")])
def test_sources_that_are_programs_have_their_values(program: Any) -> None:
    extracted = rasp_to_graph.extract_rasp_graph(program)
    basis_inference.infer_bases(extracted.graph, extracted.sink, {"a", "b"}, 3)
    assert extracted.sink[nodes.VALUE_SET] == {"a", "b"}


def test_embeddings_of_a_space_of_ones_own() -> None:
    spaces = [bases.VectorSpaceWithBasis.from_values(name, range(2)) for name in ("a token", "an index", "answer")]
    modules = _make_embedding_modules(bases.join_vector_spaces(*spaces), *spaces)
    assert modules.token_embed(np.array([1])).tolist() == [[0, 1, 0, 0, 0, 0]]
    assert modules.pos_embed(np.array([0, 2])).tolist() == [[0] * 6, [0, 0, 0, 1, 0, 0]]
    assert modules.unembed(np.eye(6)[[4, 5]], use_unembed_argmax=True).tolist() == [0, 1]


# Warnings ------------------------------------------------------------------------------------------------------------


def test_warnings_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    rasp.SequenceMap(lambda x, y: x, rasp.tokens, rasp.tokens)
    assert "both inputs" in caplog.text
    caplog.clear()
    inverse = rasp.numerical(rasp.Map(lambda x: 1 / x, rasp.tokens))
    assert compiled(inverse, {0, 1}).apply([BOS, 0, 1]).decoded == [BOS, None, 1]
    assert caplog.text.count("fails on 0") == 1


def test_constants_whose_length_is_not_checked() -> None:
    short = rasp.ConstantSOp([1, 2, 3], check_length=False)
    assert short("longer") == [1, 2, 3]
    assert rasp.SequenceMap(lambda x, y: (x, y), short, rasp.tokens)("abcd") == [(1, "a"), (2, "b"), (3, "c"), None]
    corner = rasp.ConstantSelector([[True]], check_length=False)
    assert rasp.SelectorWidth(corner)("ab") == [1, 0]


# New parameters ------------------------------------------------------------------------------------------------------


@pytest.mark.frameworks
@pytest.mark.parametrize("kind", [Transformer, CompressedTransformer])
def test_haiku_makes_parameters_that_are_named_as_given_ones(kind: Any) -> None:
    haiku, jax = pytest.importorskip("haiku"), pytest.importorskip("jax")
    model = compiled(lib.make_hist(), "ab", 3)
    embeddings = model.apply([BOS, "a", "b"]).input_embeddings
    run = haiku.transform(lambda: kind(model.model_config)(embeddings, np.ones((1, 3))).output)
    params = run.init(jax.random.PRNGKey(0))
    prefix = "compressed_" if kind is CompressedTransformer else ""
    own = {name: part for name, part in model.params.items() if name.startswith("transformer")}
    assert {name.removeprefix(prefix) for name in params} == set(own)
    for name, part in own.items():
        assert {key: array.shape for key, array in params[prefix + name].items()} == {
            key: array.shape for key, array in part.items()
        }
    assert run.apply(params, None).shape == embeddings.shape
    given = {prefix + name: part for name, part in own.items()}
    np.testing.assert_allclose(run.apply(given, None), model.apply([BOS, "a", "b"]).transformer_output, atol=1e-4)
