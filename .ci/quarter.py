"""Score `mtls diagnose` on a quarter of a laboratory that lies beside the checkout: every server, every fault.

    python3 quarter.py SCORE.py MTLS

Each server gets every fourth fault, starting one further than the server before it. Fails below the least shares.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LEAST = {"verdict_right": 1.0, "top1": 0.92, "top3": 0.99}
LIMIT_SECONDS = 1500


def main() -> None:
    score, mtls = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    truth = [json.loads(line) for line in (score.parent / "truth.jsonl").read_text().splitlines()]
    servers = list(dict.fromkeys(row["server"] for row in truth))
    faults = list(dict.fromkeys(row["fault"] for row in truth))
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        for place, server in enumerate(servers):
            out = Path(folder) / f"{server}.jsonl"
            subprocess.run(
                [
                    sys.executable,
                    str(score),
                    "--mtls",
                    str(mtls),
                    "--servers",
                    server,
                    "--faults",
                    ",".join(faults[place % 4 :: 4]),
                    "--jobs",
                    "2",
                    "--out",
                    str(out),
                ],
                check=True,
                timeout=LIMIT_SECONDS,
                stdout=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
            )
            own = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
            cells += [cell for cell in own if cell.get("fault")]
            print(f"{server:22} {sum(cell['right'] for cell in own):3} of {len(own):3} right", flush=True)
    missed = []
    for mark, least in LEAST.items():
        judged = [cell for cell in cells if cell[mark] is not None]
        share = sum(bool(cell[mark]) for cell in judged) / len(judged) if judged else 0.0
        print(f"{mark:14} {share:.1%} of {len(judged)}")
        if share < least:
            missed.append(f"{mark} {share:.1%} is below {least:.0%}")
    broken = [
        f"{cell['server']} {cell['tls']} {cell['fault']}: {', '.join(cell['failures'])}" for cell in cells if cell["failures"]
    ]
    wrong = [
        f"{c['server']} TLS {c['tls']} {c['fault']}: {c['truth']}, said {c['said']['verdict']} {c['said']['causes'][:3]}"
        for c in cells
        if not c["right"]
    ]
    print("\n".join(wrong))
    if missed or broken:
        sys.exit("\n".join(missed + broken))


main()
