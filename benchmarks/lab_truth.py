"""Is the circuit of a case what its model does? Every edge of the library's programs, ablated alone and together.

    python -m benchmarks.lab_truth [PROGRAM …]

For each program, as faithful, compact and soft subject, on all inputs at small sizes: how many answers change where all
edges outside the circuit are ablated together, how many of these edges change answers alone, and how many edges of the
circuit are alive, each with a witness, by ablation. Seconds are of this process.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks.markdown import markdown_table
from tracrlab import lab
from tracrlab.lab.inputs import ABLATIONS
from tracrlab.lab.small import VOCABULARIES
from tracrlab.lab.subjects.plain import Mode

SUBJECTS: tuple[tuple[str, Mode], ...] = (("plain", "faithful"), ("plain", "compact"), ("soft", "faithful"))


def main() -> None:
    """Print the table, and what it comes to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", default=list(VOCABULARIES))
    programs = parser.parse_args().programs
    rows, began = [], time.process_time()
    for name in track(programs, "checking", console=Console(stderr=True), transient=True):
        rows += [row(name, subject, mode) for subject, mode in SUBJECTS]
    print("\n".join(markdown_table(rows)))
    print(f"\n{len(rows)} subjects in {time.process_time() - began:.0f} CPU seconds")


def row(name: str, subject: str, mode: Mode) -> dict[str, Any]:
    """What was found of one subject."""
    start = time.process_time()
    truth = lab.case(name, subject=subject, mode=mode).truth
    structural = [own for own in truth.edges.values() if own.structural]
    outside = {edge for edges in truth.alive_outside.values() for edge in edges}
    return {
        "subject": f"{name} {subject if subject == 'soft' else mode}",
        "checked on": truth.checked,
        "edges": len(truth.edges),
        "structural": len(structural),
        **{f"alive ({each})": sum(own.alive[each] for own in structural) for each in ABLATIONS},
        "changed together": max(truth.joint.values()),
        "alive outside": len(outside),
        "without witness": sum(own.alive[each] and each not in own.witness for own in structural for each in ABLATIONS),
        "seconds": time.process_time() - start,
    }


if __name__ == "__main__":
    main()
