#!/bin/sh
# Ruby: objects, hashes, strings, sorting.
exec ruby --disable=gems "${0%/*}/ruby.rb" "$@"
