"""question → key: 2 KiB of chat, from bytes to the CID, beside serde_json + serde_jcs + sha2 + cid."""

import criterion
from load import rounds
from table import Line


def measure(place):
    one = lambda name: lambda: criterion.once(place, "larder-core", "key", f"^{name}$")[name]
    ours, theirs = rounds(place, one("key/larder"), one("key/serde_jcs"))
    peers = {"serde_jcs + sha2 + cid": theirs}
    return [Line("question → key, 2 KiB chat body", "≤ 6 µs, < 0.5×", ours, "µs", peers, ours <= 6 and ours < theirs / 2)]
