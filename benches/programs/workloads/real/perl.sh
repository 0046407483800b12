#!/bin/sh
# Perl: hashes, regular expressions, sorting, strings.
exec perl "${0%/*}/perl.pl" "$@"
