#!/bin/sh
# Python: classes, dictionaries, a graph and its shortest paths. Debian's own
# python3 comes first: a shim in front of it would be measured with it.
PATH=/usr/bin:$PATH
exec python3 -I -S "${0%/*}/objects.py" "$@"
