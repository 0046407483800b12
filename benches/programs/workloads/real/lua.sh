#!/bin/sh
# Lua: tables, strings, closures and coroutines.
exec lua5.4 "${0%/*}/lua.lua" "$@"
