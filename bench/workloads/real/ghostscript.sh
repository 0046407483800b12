# Ghostscript: $1 pages of text and curves, written as PDF.
exec gs -q -dNOPAUSE -dBATCH -dSAFER -sDEVICE=pdfwrite -sOutputFile=/dev/null -dPAGES="$1" "${0%/*}/pages.ps"
