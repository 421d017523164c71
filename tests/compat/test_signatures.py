"""Tracr's names are there, and take the arguments that they take there."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

SIGNATURES = {
    "rasp.rasp": {
        "annotate": "expr **annotations",
        "Map": "f inner simplify",
        "SequenceMap": "f fst snd",
        "LinearSequenceMap": "fst snd fst_fac snd_fac",
        "Full": "fill",
        "sop_not": "sop",
        "ConstantSOp": "value check_length",
        "Select": "keys queries predicate",
        "ConstantSelector": "value check_length",
        "SelectorWidth": "selector",
        "SelectorAnd": "fst snd",
        "SelectorOr": "fst snd",
        "SelectorNot": "inner",
        "selector_not": "inner simplify",
        "selector_and": "fst snd simplify",
        "selector_or": "fst snd simplify",
        "_attempt_simplify": "fst snd combine",
        "Aggregate": "selector sop default",
        "numerical": "sop",
        "categorical": "sop",
        "get_encoding": "sop",
        "is_numerical": "sop",
        "is_categorical": "sop",
        "default_encoding": "expr",
        "default_name": "expr",
        "evaluate": "expr xs",
        "RASPExpr.copy": "self",
        "RASPExpr.named": "self name",
        "RASPExpr.annotated": "self **annotations",
        "DefaultRASPEvaluator.evaluate": "self expr xs",
        "Comparison.__call__": "self key query",
    },
    "rasp.causal_eval": {"evaluate": "expr xs", "CausalEvaluator.evaluate": "self expr xs"},
    "compiler.compiling": {
        "compile_rasp_to_model": "program vocab max_seq_len causal compiler_bos compiler_pad mlp_exactness"
    },
    "compiler": {"compile_rasp_to_model": "program vocab max_seq_len causal compiler_bos compiler_pad mlp_exactness"},
    "compiler.validating": {
        "TracrUnsupportedExpr": "expr reason",
        "_static_validate_expr": "expr",
        "static_validate": "program",
        "dynamic_validate": "program xs",
        "validate": "program xs",
    },
    "compiler.rasp_to_graph": {"extract_rasp_graph": "tip", "ExtractRaspGraphOutput": "graph sink sources"},
    "compiler.basis_inference": {"infer_bases": "graph sink vocab max_seq_len", "InferBasesOutput": "graph"},
    "compiler.expr_to_craft_graph": {
        "add_craft_components_to_rasp_graph": "graph bos_dir one_dir causal mlp_exactness"
    },
    "compiler.craft_graph_to_model": {
        "compute_computational_depth": "graph sources_ids",
        "_allocate_modules_to_layers": "graph sources",
        "craft_graph_to_model": "graph sources",
    },
    "compiler.craft_model_to_transformer": {
        "craft_model_to_transformer": "craft_model graph sink max_seq_len compiler_bos compiler_pad causal"
    },
    "compiler.assemble": {
        "AssembledTransformerModel.apply": "self tokens",
        "EmbeddingModules": "token_embed pos_embed unembed",
        "assemble_craft_model": "craft_model tokens_space indices_space output_space categorical_output causal",
    },
    "compiler.lib": {
        "make_length": "",
        "make_reverse": "sop",
        "make_pair_balance": "sop open_token close_token",
        "make_shuffle_dyck": "pairs",
        "make_shuffle_dyck2": "",
        "make_hist": "",
        "make_sort_unique": "vals keys",
        "make_sort": "vals keys max_seq_len min_key",
        "make_sort_freq": "max_seq_len",
        "make_frac_prevs": "bools",
        "shift_by": "offset sop",
        "detect_pattern": "sop pattern",
        "make_count_less_freq": "n",
        "make_count": "sop token",
        "make_nary_sequencemap": "f *sops",
    },
    "craft.bases": {
        "BasisDirection": "name value",
        "VectorInBasis": "basis_directions magnitudes _basis_is_sorted",
        "VectorInBasis.sum": "vectors",
        "VectorInBasis.stack": "vectors axis",
        "VectorInBasis.project": "self basis_container",
        "VectorInBasis.add_directions": "self vector",
        "VectorInBasis.copy_with_new_magnitudes": "self new_magnitudes",
        "VectorSpaceWithBasis": "basis",
        "VectorSpaceWithBasis.make_vector": "self magnitudes",
        "VectorSpaceWithBasis.issubspace": "self other",
        "VectorSpaceWithBasis.basis_vectors": "self",
        "VectorSpaceWithBasis.vector_from_basis_direction": "self basis_direction",
        "VectorSpaceWithBasis.null_vector": "self",
        "VectorSpaceWithBasis.from_names": "names",
        "VectorSpaceWithBasis.from_values": "name values",
        "direct_sum": "*vs",
        "join_vector_spaces": "*vs",
        "ensure_dims": "vs num_dims name",
    },
    "craft.vectorspace_fns": {
        "Linear": "input_space output_space matrix",
        "Linear.from_action": "input_space output_space action",
        "Linear.combine_in_parallel": "fns",
        "project": "from_space to_space",
        "ScalarBilinear": "left_space right_space matrix",
        "ScalarBilinear.from_action": "left_space right_space action",
    },
    "craft.transformers": {
        "relu": "x",
        "AttentionHead": "w_qk w_ov residual_space causal",
        "AttentionHead.w_ov_residual": "self x",
        "AttentionHead.as_multi": "self",
        "MultiAttentionHead": "sub_blocks",
        "MultiAttentionHead.heads": "self",
        "MLP": "fst snd residual_space",
        "MLP.combine_in_parallel": "mlps",
        "SeriesWithResiduals": "blocks",
        "SeriesWithResiduals.apply": "self x",
    },
    "craft.chamber.categorical_attn": {
        "categorical_attn": "query_space key_space value_space output_space bos_space one_space attn_fn default_output "
        "causal always_attend_to_bos use_bos_for_default_output softmax_coldness"
    },
    "craft.chamber.categorical_mlp": {
        "map_categorical_mlp": "input_space output_space operation",
        "map_categorical_to_numerical_mlp": "input_space output_space operation",
        "sequence_map_categorical_mlp": "input1_space input2_space output_space operation one_space hidden_name",
    },
    "craft.chamber.numerical_mlp": {
        "map_numerical_mlp": "f input_space output_space input_value_set one_space large_number hidden_name",
        "map_numerical_to_categorical_mlp": "f input_space output_space input_value_set one_space large_number "
        "hidden_name",
        "linear_sequence_map_numerical_mlp": "input1_basis_direction input2_basis_direction output_basis_direction "
        "input1_factor input2_factor hidden_name",
    },
    "craft.chamber.selector_width": {
        "selector_width": "query_space key_space output_space bos_space one_space attn_fn out_value_set "
        "categorical_output causal softmax_coldness mlp_large_number label"
    },
    "transformer.encoder": {
        "CategoricalEncoder": "basis enforce_bos bos_token pad_token max_seq_len",
        "Encoder.encode": "self inputs",
        "Encoder.decode": "self encodings",
    },
    "transformer.model": {
        "TransformerConfig": "num_heads num_layers key_size mlp_hidden_size dropout_rate activation_function "
        "layer_norm causal",
        "TransformerOutput": "layer_outputs residuals attn_logits output input_embeddings",
        "CompiledTransformerModel": "transformer token_embed position_embed unembed use_unembed_argmax pad_token",
        "CompiledTransformerModel.embed": "self tokens",
        "CompiledTransformerModelOutput": "transformer_output unembedded_output",
    },
    "transformer.attention": {"AttentionOutput": "out logits"},
    "transformer.compressed_model": {
        "CompressedTransformer": "config name",
        "CompressedTransformer.__call__": "self embeddings mask use_dropout embedding_size unembed_at_every_layer",
    },
    "utils.debugging": {"print_arrays": "arrays labels colwidth"},
    "utils.errors": {"ignoring_arithmetic_errors": "fun"},
}

NAMES = {
    "rasp.rasp": "RASPExpr SOp TokensType IndicesType LengthType Selector Comparison Encoding Predicate Annotator "
    "Value NumericValue SelectorValue RASPEvaluator DefaultRASPEvaluator DEFAULT_ANNOTATORS tokens indices length",
    "rasp.rasp.DefaultRASPEvaluator": "eval_tokens eval_indices eval_length eval_sequence_map eval_map eval_full "
    "eval_constant_sop eval_selector_width eval_aggregate eval_select eval_constant_selector eval_selector_and "
    "eval_selector_or eval_selector_not",
    "compiler.compiling": "COMPILER_BOS COMPILER_PAD TracrOutput",
    "compiler.validating": "DynamicValidationEvaluator",
    "compiler.nodes": "Node NodeID ID EXPR VALUE_SET OUTPUT_BASIS MODEL_BLOCK",
    "compiler.lib": "length",
    "compiler.assemble": "AssembledTransformerModelOutput ModelForward AssembledTransformerModel",
    "craft.vectorspace_fns": "VectorFunction",
    "craft.transformers": "Block",
    "craft.chamber.categorical_attn": "QueryKeyToAttnLogit",
    "craft.tests_common": "strip_bos_token VectorFnTestCase",
    "transformer.encoder": "Encoder NumericalEncoder",
}


def test_every_name_takes_tracrs_arguments() -> None:
    found = {
        (module, name): parameters(found_at(f"tracr.{module}", name))[: len(expected.split())]
        for module, members in SIGNATURES.items()
        for name, expected in members.items()
    }
    assert found == {(module, name): e.split() for module, members in SIGNATURES.items() for name, e in members.items()}


def found_at(module: str, name: str) -> Any:
    value: Any = import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    return value


def parameters(function: Any) -> list[str]:
    """The names of the parameters, in order; a star marks those that take the rest."""
    signature = inspect.signature(function).parameters.values()
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [stars.get(parameter.kind, "") + parameter.name for parameter in signature]


@pytest.mark.parametrize("place", NAMES)
def test_names_exist(place: str) -> None:
    module, _, attribute = place.partition(".Default")
    owner = import_module(f"tracr.{module}")
    owner = getattr(owner, f"Default{attribute}") if attribute else owner
    missing = [name for name in NAMES[place].split() if not hasattr(owner, name)]
    assert not missing


def test_arguments_that_tracr_adds_are_optional() -> None:
    """What is there beyond Tracr's arguments must not be asked for."""
    for module, members in SIGNATURES.items():
        for name, expected in members.items():
            function = found_at(f"tracr.{module}", name)
            for parameter in list(inspect.signature(function).parameters.values())[len(expected.split()) :]:
                assert parameter.default is not inspect.Parameter.empty, (module, name, parameter.name)
