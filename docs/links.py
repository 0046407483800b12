"""Says which links of a site made of files are dead: `python3 docs/links.py DIRECTORY`."""

import pathlib
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.update(v for k, v in attributes.items() if k in ("id", "name") and v)
        self.links += [v for k, v in attributes.items() if k in ("href", "src") and v]


site = pathlib.Path(sys.argv[1]).resolve()
pages = {path: Page(path.read_text()) for path in site.rglob("*.html")}
looked_at, dead = 0, []
for path, page in pages.items():
    if path.name in ("404.html", "print.html", "toc.html"):
        continue
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        looked_at += 1
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        there = target.exists()
        anchor = unquote(parts.fragment)
        if there and anchor and target in pages:
            there = anchor in pages[target].anchors
        if not there:
            dead.append(f"{path.relative_to(site)}: {link}")
if not looked_at:
    sys.exit(f"no page below {site}")
if dead:
    sys.exit("dead links:\n" + "\n".join(dead))
print(f"{looked_at} links of {len(pages)} pages lead somewhere")
