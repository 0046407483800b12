#!/bin/sh
# redis: the server takes $1 commands, of a file, from a client that is not
# measured, and is told to stop.
dir=$(LD_PRELOAD= mktemp -d)
(
    export LD_PRELOAD=
    until redis-cli -s "$dir/socket" ping > /dev/null 2>&1; do sleep 0.005; done
    redis-cli -s "$dir/socket" --pipe < "$BENCH_DIR/redis-$1.resp" > /dev/null
    redis-cli -s "$dir/socket" debug digest
    redis-cli -s "$dir/socket" shutdown nosave
    rm -r "$dir"
) &
exec redis-server --port 0 --unixsocket "$dir/socket" --save '' --appendonly no --dir "$dir" \
    --enable-debug-command yes --logfile "$dir/log"
