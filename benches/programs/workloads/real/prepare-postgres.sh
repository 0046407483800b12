#!/bin/sh
# A cluster for postgres with pgbench's tables. The user postgres must be able to
# reach the directory, if this is run as root.
set -eu
for bin in /usr/lib/postgresql/*/bin; do PATH=$bin:$PATH; done
data=$BENCH_DIR/postgres
rm -rf "$data"
mkdir "$data"
if [ "$(id -u)" -eq 0 ]; then
    chown postgres: "$data"
    as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
else
    as() { "$@"; }
fi
as initdb -D "$data" -U postgres -A trust -N --no-locale -E UTF8 > /dev/null
as pg_ctl -D "$data" -w -l "$data/log" -o "-k '$data' -c listen_addresses= -c fsync=off" start > /dev/null
as pgbench -h "$data" -U postgres -q -i postgres 2> /dev/null
as pg_ctl -D "$data" -w stop > /dev/null
