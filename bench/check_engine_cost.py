#!/usr/bin/env python3
"""Counts the engine's instructions for one Suggest and one Report, and fails when they have grown.

    bench/check_engine_cost.py build/dev/bin/engine_cost
    bench/check_engine_cost.py build/dev/bin/engine_cost --update

They are counted by valgrind, so that they do not depend on how fast the machine is or what else it
does; and as two runs' difference, so that the start does not count. The number to compare with is
in engine_cost.txt beside this script; --update writes it anew, for a change that is worth it.
Exit status: 0 as before, 1 more by over a tenth, 77 valgrind is not there.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

EXPECTED = pathlib.Path(__file__).resolve().parent / "engine_cost.txt"
MOST = 1.10
WORKERS = 16  # In each step of engine_cost.
STEPS = (40, 140)
SKIPPED = 77

# Which of their variants OpenSSL and the C library choose depends on the processor; here always the
# plainest one, which on real processors is far from the fastest.
PLAIN = {
    "OPENSSL_ia32cap": "~0xffffffffffffffff:~0xffffffffffffffff",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM",
}


def instructions(program, steps):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program,
             os.path.join(folder, "data"), str(steps)],
            env={**os.environ, **PLAIN}, capture_output=True, text=True, timeout=300, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        sys.exit(f"valgrind failed:\n{done.stdout}{done.stderr}")
    return int(found.group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="engine_cost, of a build with -O2")
    parser.add_argument("--update", action="store_true", help="let what is counted be the measure")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("skipped: there is no valgrind (apt-get install valgrind)")
        return SKIPPED
    few, many = (instructions(options.program, steps) for steps in STEPS)
    counted = (many - few) / ((STEPS[1] - STEPS[0]) * WORKERS)
    if options.update:
        EXPECTED.write_text(f"{counted:.0f}\n", encoding="ascii")
    expected = float(EXPECTED.read_text(encoding="ascii"))
    print(f"{counted:.0f} instructions for one Suggest and one Report, "
          f"{counted / expected:.3f} of {expected:.0f}")
    if counted <= MOST * expected:
        return 0
    print(f"That is more than {MOST} of what it was. callgrind_annotate shows where; if it is worth "
          f"it, run this with --update and say in the commit why.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
