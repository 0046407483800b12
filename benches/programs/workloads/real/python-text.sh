#!/bin/sh
# Python: text, JSON, regular expressions, sorting. See python-objects.sh.
PATH=/usr/bin:$PATH
exec python3 -I -S "${0%/*}/text.py" "$@"
