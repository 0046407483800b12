"""A log is made, parsed, grouped, and reported as JSON, which is read back."""

import json
import random
import re
import sys

random.seed(89)
lines = int(sys.argv[1])
LINE = re.compile(r"(?P<ip>[\d.]+) - \[(?P<time>[^\]]+)\] \"(?P<verb>\w+) (?P<path>\S+)\" (?P<code>\d+) (?P<size>\d+)")


def line():
    return '10.%d.%d.%d - [%d:%02d] "%s /%s/%d" %d %d' % (
        random.randrange(4),
        random.randrange(256),
        random.randrange(256),
        random.randrange(24),
        random.randrange(60),
        random.choice(("GET", "POST", "PUT")),
        random.choice(("user", "item", "order", "static/image")),
        random.randrange(9000),
        random.choice((200, 200, 200, 304, 404, 500)),
        random.randrange(1 << 16),
    )


log = "\n".join(line() for _ in range(lines))
records = [match.groupdict() for match in map(LINE.match, log.split("\n")) if match]
by_path = {}
for record in records:
    by_path.setdefault(record["path"], []).append(record)
report = {
    path: {
        "hits": len(hits),
        "bytes": sum(int(hit["size"]) for hit in hits),
        "from": sorted({hit["ip"] for hit in hits}),
        "codes": {code: [hit["time"] for hit in hits if hit["code"] == code] for code in {hit["code"] for hit in hits}},
    }
    for path, hits in by_path.items()
}
text = json.dumps(report, sort_keys=True, indent=1)
back = json.loads(text)
words = " ".join(back).replace("/", " ").split()
print(len(records), len(text), len(back), len(set(words)), max(entry["hits"] for entry in back.values()))
