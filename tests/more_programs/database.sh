# Fills a data directory, starts the server on a socket here, asks it from several clients, stops it.
set -eu
served() { [ -z "${LD_PRELOAD:-}" ] || LD_PRELOAD= grep -q libcairn "/proc/$1/maps" || { echo "$1 is not served" >&2; exit 1; }; }
here=$(dirname "$0")
own="--no-defaults --datadir=$PWD/data --user=$(id -un) --innodb-buffer-pool-size=16M --innodb-log-file-size=4M"
mariadb-install-db $own --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve > log 2>&1 || { cat log >&2; exit 1; }
timeout --kill-after=30 60 mariadbd $own --skip-networking --skip-grant-tables --socket="$PWD/s" --pid-file="$PWD/pid" --log-error="$PWD/log" &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
ask() { timeout 60 mariadb --no-defaults --socket="$PWD/s" --batch --skip-column-names "$@"; }
for _ in $(seq 300); do [ -S s ] && break; kill -0 $server; sleep 0.1; done
served "$(cat pid)"
ask < "$here/database.sql"
for n in 1 2 3 4 5 6; do ask stones -e "SELECT $n, COUNT(*), SUM(LENGTH(v)) FROM t WHERE k MOD 7 = $n" > "answer$n" & clients="${clients-} $!"; done
for client in $clients; do wait "$client"; done
cat answer*
kill "$server"
wait "$server"
trap - EXIT
