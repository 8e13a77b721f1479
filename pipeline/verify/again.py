"""The same bytes again: shards spread over the corpus are cut once more from their plan and the stored recordings.

That kills, order and number of workers change nothing follows from it for these shards: each is made alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from pipeline import artifact
from pipeline.verify.corpus import Corpus
from pipeline.verify.verdict import Tally, Verdict

Remake = Callable[[int], bytes | None]  # the tar of a part of the plan; None when its recordings are gone


def shards_are_the_same_when_made_again(corpus: Corpus, remake: Remake, most: int | None) -> Verdict:
    """I6: a shard cut again, alone, has the bytes it has; of `most` shards at even distances, None for all."""
    tally = Tally("I6", "shards cut again, each alone, have the same bytes")
    place = corpus.made["shard_index"]
    num_shards = artifact.num_parts(place)
    chosen = num_shards if most is None else min(most, num_shards)
    for turn in range(chosen):
        number = turn * num_shards // chosen
        [row] = artifact.read_part(place, number, ("shard_id", "sha256")).to_pylist()
        data = remake(number)
        if data is None:
            tally.note("shards that cannot be cut again: their recordings are no longer stored")
        else:
            is_same = hashlib.sha256(data).hexdigest() == row["sha256"]
            tally.check(is_same, f"shard {row['shard_id']} has other bytes when it is cut again")
    if chosen < num_shards:
        tally.note(f"of {num_shards:,} shards were cut again; remake=null takes all", chosen)
    return tally.verdict()
