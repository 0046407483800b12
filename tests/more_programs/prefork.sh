# A server that forks its workers beforehand, on a port of the loopback; requests, a restart, a stop.
set -eu
served() { [ -z "${LD_PRELOAD:-}" ] || LD_PRELOAD= grep -q libcairn "/proc/$1/maps" || { echo "$1 is not served" >&2; exit 1; }; }
mkdir www
for n in 1 2 3 4 5 6 7 8; do seq $((n * 2000)) > www/$n.txt; done
port=$((20000 + $$ % 20000))
modules=/usr/lib/apache2/modules
{
    for name in mpm_prefork authz_core mime deflate filter alias dir autoindex; do
        echo "LoadModule ${name}_module $modules/mod_$name.so"
    done
    cat << END
ServerRoot $PWD
ServerName localhost
Listen 127.0.0.1:$port
PidFile $PWD/pid
ErrorLog $PWD/log
DefaultRuntimeDir $PWD
DocumentRoot $PWD/www
TypesConfig /dev/null
StartServers 4
MaxRequestWorkers 8
MaxConnectionsPerChild 10
AddType text/plain .txt
AddOutputFilterByType DEFLATE text/plain
END
    [ "$(id -u)" -ne 0 ] || printf 'User nobody\nGroup nogroup\n'
} > conf
chmod -R a+rX .
# At its end it ends its process group, so it gets one of its own, which also bounds its time.
timeout --kill-after=30 60 apache2 -f "$PWD/conf" -DFOREGROUND &
server=$!
trap 'kill "$server" 2> /dev/null; sleep 1; kill -9 "$server" 2> /dev/null || true' EXIT
ask() { timeout 30 curl --silent --fail --noproxy '*' --compressed "http://127.0.0.1:$port/$1"; }
for _ in $(seq 200); do ask 1.txt > /dev/null && break; kill -0 $server; sleep 0.05; done
served "$(cat pid)"
for round in 1 2 3 4 5; do for n in 1 2 3 4 5 6 7 8; do ask $n.txt | cksum; done; done
kill -USR1 "$(cat pid)"
sleep 0.5
for n in 1 2 3 4 5 6 7 8; do ask $n.txt | cksum; done
kill -TERM "$server"
wait "$server"
trap - EXIT
if LD_PRELOAD= grep -E 'signal|abort' log >&2; then exit 1; fi
