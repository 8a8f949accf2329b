"""The table of the benchmark on a graphics card."""

from __future__ import annotations

from scripts.numbers_of import lines, origin, read


def gpu_table() -> str:
    results = read("gpu_check")
    found, speeds = results["results"], results["results"]["pictures a second: median, least, most"]
    near = found["least cosine with the processor in fp32"]
    rows = [
        "| precision | batch | the tower alone | prepared pictures | files | least cosine |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for key, ways in speeds.items():
        if isinstance(ways, dict):
            precision, _, batch = key.partition(", batches of ")
            cells = [
                f"{middle} ({least}–{most})"
                for middle, least, most in (ways[way] for way in ("bare", "rows", "files"))
            ]
            cosine = min(near[precision].values())
            rows.append(f"| {precision} | {batch} | {' | '.join(cells)} | {cosine:.4f} |")
    middle, least, most = speeds["files, read and prepared only"]
    pictures = found["pictures"]
    return lines(
        f"ViT-B/32 with random weights in PyTorch {results['versions']['torch']} on one "
        f"{found['card']}: pictures a second, median of {found['rounds']} rounds in turns, in "
        f"brackets the least and the most; {pictures['count']} files of "
        f"{' × '.join(map(str, pictures['pixels']))}. The cosine is the least of any picture or "
        f"text with its row in fp32 on the processor. {origin(results)}",
        "",
        *rows,
        "",
        f"Files that are read and prepared by {speeds['reading threads']} threads, and not "
        f"encoded: {middle} ({least}–{most}) a second.",
    )


def batching_table() -> str:
    """Return queries a second with dynamic batching and without, by threads."""
    results = read("gpu_batching")
    found = results["results"]
    rows = [
        "| queries | batching on, a second | off | times | inputs of a batch |",
        "|---|--:|--:|--:|--:|",
    ]
    for kind, one in found.items():
        if not isinstance(one, dict):
            continue
        on, off = (
            one[f"queries a second, batching {mode}: median, least, most"] for mode in ("on", "off")
        )
        cells = [f"{middle} ({least}–{most})" for middle, least, most in (on, off)]
        times = f"{on[0] / off[0]:.1f}"
        rows.append(
            f"| {kind} | {' | '.join(cells)} | {times} | {one['inputs of a batch, mean']} |"
        )
    told = (
        f"{found['model']}, on one {found['card']}, batches of at most "
        f"{found['most inputs of a batch']}; median of {found['rounds']} rounds in turns, in "
        f"brackets the least and the most."
    )
    return lines(f"{told} {origin(results)}", "", *rows)


TABLES = {"gpu": gpu_table, "gpu_batching": batching_table}
