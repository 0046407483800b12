#!/bin/sh
# Ghostscript: $1 pages of text and curves, written as PDF.
exec gs -q -dNOPAUSE -dBATCH -dSAFER -sDEVICE=pdfwrite -sOutputFile="$BENCH_DIR/pages.pdf" -dPAGES="$1" "${0%/*}/pages.ps"
