"""The compiler from top to bottom: RASP to Craft to weights, one function a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Literal

from tracrlab.compiler.assemble import assemble_model
from tracrlab.compiler.compact import Passes, compact_alternatives
from tracrlab.compiler.domains import Analysis, infer_domains
from tracrlab.compiler.fit import Architecture, Fitting, fit_schedule
from tracrlab.compiler.fit_allocation import fit_allocation
from tracrlab.compiler.graph import trace_graph
from tracrlab.compiler.lower import Lowered, lower_graph
from tracrlab.compiler.proving import first_proven
from tracrlab.compiler.robust import gentle_by_size, lowered_gently, not_gentle
from tracrlab.compiler.schedule import layer_schedule, sequential_schedule
from tracrlab.compiler.smallest import Sizes, smallest_schedule
from tracrlab.compiler.value_sets import MAX_TABLE_ENTRIES
from tracrlab.craft.formats import FORMATS, Dtype
from tracrlab.errors import DomainTooLargeError, VocabularyError
from tracrlab.model.artefact import Artefact
from tracrlab.model.config import ModelConfig, Recipe
from tracrlab.model.tokenizer import checked_vocabulary
from tracrlab.rasp.expressions import Selector, SOp
from tracrlab.rasp.values import Value

_MOST_SIGNED = 2**12  # means listed in compact mode though their sign alone is read


def compile_program(
    program: SOp,
    vocab: Iterable[Value],
    max_seq_len: int,
    *,
    causal: bool = False,
    mode: Literal["faithful", "compact"] = "faithful",
    passes: Iterable[str] | None = None,
    fit: Architecture | None = None,
    bos: str = "bos",
    pad: str = "pad",
    dtype: Dtype = "float32",
    most_combinations: int = MAX_TABLE_ENTRIES,
    grounds: bool = True,
    robust: bool = False,
    prove: bool = False,
) -> Artefact:
    """Compile a RASP program into a transformer that computes the same on every input.

    Arguments:
        program: the s-op to compute.
        vocab: the tokens that inputs may contain, any hashable values (a string: its characters).
        max_seq_len: the number of tokens of the longest input, without BOS.
        causal: compile for causal attention; the model equals ``program(tokens, causal=True)``.
        mode: ``"faithful"``, one variable and component for each s-op of the program, or ``"compact"``, the same
            function in a far smaller model.
        passes: the passes of compact mode that are on (all by default), or, each with a ``-`` in front, those that are
            off; see :class:`tracrlab.compiler.compact.passes.Passes`.
        fit: the shape that the model must have; components are placed in its layers, and what is left is zero.
        bos, pad: the special tokens, which must not be in the vocabulary.
        dtype: the number format that the model computes in; ``"float64"`` tells finer fractions apart, the weights for
            ``"bfloat16"`` and ``"float16"`` are numbers of that format, in arrays of ``float32``.
        most_combinations: of the values that a function reads, or that an aggregate averages; more are refused.
        grounds: store counts and copies beside constants that round their errors away, where that is needed. An
            architecture with layer norms cannot hold these.
        robust: magnify nothing: no weight is as large as 4096, and the model is right after a random change of basis of
            its residual stream in float32. Compact models are up to three times larger so; ``grounds`` are off.
        prove: prove that the weights do what is claimed of them, and try the model on a few inputs. Where a model is
            not proven, compact mode makes another one, larger and quieter. Without, the first one is taken as it is; it
            carries no certificate, and says so.

    Returns:
        The model, with its certificate. On every input over ``vocab`` of at most ``max_seq_len`` tokens it equals the
        interpreter.

    Raises:
        CompileError: the program cannot be compiled exactly; names the expression, the reason and a remedy. An
            UnprovenError where there is a model, but no proof that it is exact.
        VocabularyError: the vocabulary, special tokens or length are unusable.
        TypeError: ``program`` is not an s-op, ``passes`` a text, or ``fit`` not an :class:`Architecture`.
        ValueError: there is no such ``mode``, pass or ``dtype``, or passes are named in faithful mode.
    """
    if isinstance(program, Selector) or not isinstance(program, SOp):
        raise TypeError(f"a program is an s-op, not {type(program).__name__}: aggregate a selector or take its width")
    if mode not in ("faithful", "compact"):
        raise ValueError(f'mode must be "faithful" or "compact", not {mode!r}')
    if passes is not None and mode != "compact":
        raise ValueError("there are passes to choose in compact mode only")
    if isinstance(passes, str):
        raise TypeError(f"passes are a list of names, such as ['-codes'], not the text {passes!r}")
    passes = None if passes is None else tuple(passes)
    switched = Passes() if passes is None else Passes.named(passes)
    grounds = grounds and not robust
    switched = replace(switched, grounds=switched.grounds and grounds, totals=switched.totals and not robust)
    if not isinstance(fit, Architecture | None):
        raise TypeError(f"fit is a tracrlab.Architecture, not {fit!r}")
    if dtype not in FORMATS:
        raise ValueError(f"dtype must be {', '.join(FORMATS)}, not {dtype!r}")
    if robust and FORMATS[dtype].is_half:
        raise ValueError(f"robust models compute in float32 or float64, not {dtype}")
    if isinstance(max_seq_len, bool) or not isinstance(max_seq_len, int) or max_seq_len < 1:
        raise VocabularyError(f"max_seq_len must be a positive integer, not {max_seq_len!r}")
    if max_seq_len > MAX_TABLE_ENTRIES:
        raise VocabularyError(f"max_seq_len must be at most {MAX_TABLE_ENTRIES:,}, not {max_seq_len:,}")
    vocabulary = checked_vocabulary(vocab, bos, pad)

    graph = trace_graph(program)
    analysed = partial(
        infer_domains, graph, vocabulary, max_seq_len, causal=causal, most_combinations=most_combinations
    )
    number_format = FORMATS[dtype]
    if mode == "faithful":
        alternatives = _faithfully(
            analysed, partial(lower_graph, bos=bos, pad=pad, dtype=number_format, grounds=grounds)
        )
    else:
        lower = partial(compact_alternatives, bos=bos, pad=pad, dtype=number_format, passes=switched)
        alternatives = _compactly(analysed, lower, switched)
    config = ModelConfig(vocabulary, max_seq_len, causal, bos, pad, mode, dtype)
    sizes_asked = None if fit is None else tuple((name, size) for name, size in vars(fit).items() if size is not None)
    recipe = Recipe(passes, sizes_asked, most_combinations, grounds, robust)
    architecture, reuse = fit or Architecture(), mode == "compact" and switched.reuse

    def placed(alternative: tuple[Analysis, Lowered]) -> Artefact:
        analysis, lowered = alternative
        fitting = Fitting(analysis, mode, architecture)
        sizes = Sizes(lowered, config, architecture, reuse=reuse)
        if fit is not None:
            schedule = fit_schedule(fitting, lowered.components)
        elif mode == "faithful":
            schedule = layer_schedule(lowered.components)
        elif switched.schedule:
            schedule = smallest_schedule(layer_schedule(lowered.components), sizes)
        else:
            schedule = sequential_schedule(lowered.components)
        allocation = sizes.allocation(schedule)
        if reuse:
            allocation = fit_allocation(fitting, lowered, schedule, allocation)
        return replace(assemble_model(fitting, lowered, schedule, allocation, config), recipe=recipe)

    models: Iterator[Artefact] = map(placed, alternatives)  # where one does not fit, the next one may
    if robust:
        ways = partial(lowered_gently, config=config, passes=switched) if mode == "compact" else _in_no_way
        faithfully = partial(lower_graph, bos=bos, pad=pad, dtype=number_format, grounds=False)
        models = _robustly(analysed, ways, faithfully, placed)
    return first_proven(models, program) if prove else next(models)


def _faithfully(
    analysed: Callable[[], Analysis], lower: Callable[[Analysis], Lowered]
) -> Iterator[tuple[Analysis, Lowered]]:
    """The analysis, and the one way in which the components are those of the program."""
    analysis = analysed()
    yield analysis, lower(analysis)


def _robustly(
    analysed: Callable[[], Analysis],
    ways: Callable[[Analysis], list[Lowered]],
    faithfully: Callable[[Analysis], Lowered],
    placed: Callable[[tuple[Analysis, Lowered]], Artefact],
) -> Iterator[Artefact]:
    """Models that magnify nothing, the smallest first, and last that of faithful mode.

    Raises:
        PrecisionError: there is none.
    """
    analysis = analysed()
    compact = gentle_by_size(placed((analysis, way)) for way in ways(analysis))
    yield from compact
    faithful = gentle_by_size([placed((analysis, faithfully(analysis)))])
    if not compact and not faithful:
        raise not_gentle(analysis)
    yield from faithful


def _in_no_way(analysis: Analysis) -> list[Lowered]:
    """Faithful mode has no ways to build a program but its own."""
    return []


def _compactly(
    analysed: Callable[..., Analysis], lower: Callable[[Analysis], Iterator[Lowered]], passes: Passes
) -> Iterator[tuple[Analysis, Lowered]]:
    """The analysis, with what becomes of it in one way after another.

    Means whose sign alone is read are only listed where that is not enough.
    """
    analysis = None
    if passes.totals:
        with suppress(DomainTooLargeError):
            analysis = analysed(most_signed=_MOST_SIGNED)
            if analysis.signs:
                yield from ((analysis, each) for each in lower(analysis))
    if analysis is None or analysis.signs:
        analysis = analysed()
    yield from ((analysis, each) for each in lower(analysis))
