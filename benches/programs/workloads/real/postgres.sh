#!/bin/sh
# postgres: the server answers $1 transactions of each of two clients of pgbench,
# which is not measured, and one query whose answer is printed; then it is told to
# stop. It refuses to run as root and becomes the user postgres then.
for bin in /usr/lib/postgresql/*/bin; do PATH=$bin:$PATH; done
data=$BENCH_DIR/postgres
queries=${0%/*}
(
    export LD_PRELOAD= PGHOST="$data" PGDATABASE=postgres PGUSER=postgres
    until psql -q -c '' > /dev/null 2>&1; do sleep 0.01; done
    pgbench -n -c 2 -t "$1" --random-seed=127 -f "$queries/queries.sql" > /dev/null 2>&1 || echo pgbench failed
    psql -A -t -c "SELECT count(*), sum(abalance), max(length(filler)) FROM pgbench_accounts"
    kill -INT $$
) &
set -- postgres -D "$data" -k "$data" -c listen_addresses= -c fsync=off -c autovacuum=off \
    -c shared_buffers=16MB -c logging_collector=off -c log_min_messages=panic -c jit=off
if [ "$(LD_PRELOAD= id -u)" -eq 0 ]; then
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
fi
exec "$@"
