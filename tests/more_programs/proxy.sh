# squid between curl and a server of Python's, both on the loopback.
set -eu
served() { [ -z "${LD_PRELOAD:-}" ] || LD_PRELOAD= grep -q libcairn "/proc/$1/maps" || { echo "$1 is not served" >&2; exit 1; }; }
mkdir www
for n in 1 2 3 4 5 6; do seq $((n * 3000)) > www/$n.txt; done
port=$((40000 + $$ % 9000))
origin=$((50000 + $$ % 9000))
cat > conf << END
http_port 127.0.0.1:$port
http_access allow localhost
pid_filename $PWD/pid
cache_log $PWD/log
access_log none
coredump_dir $PWD
cache_mem 8 MB
netdb_filename none
shutdown_lifetime 0 seconds
workers 1
visible_hostname localhost
pinger_enable off
END
[ "$(id -u)" -ne 0 ] || { chown -R proxy .; chmod a+rx .; }
LD_PRELOAD= timeout 60 python3 -m http.server --bind 127.0.0.1 --directory www "$origin" > /dev/null 2>&1 &
behind=$!
timeout --kill-after=30 60 squid -N -f "$PWD/conf" > out 2>&1 &
server=$!
trap 'kill $behind $server 2> /dev/null || true' EXIT
ask() { timeout 30 curl --silent --fail --noproxy '' --proxy "http://127.0.0.1:$port" "http://127.0.0.1:$origin/$1"; }
for _ in $(seq 200); do ask 1.txt > /dev/null && break; kill -0 $server || { cat out >&2; exit 1; }; sleep 0.1; done
served "$(cat pid)"
for round in 1 2 3; do for n in 1 2 3 4 5 6; do ask $n.txt | cksum; done; done
kill -TERM "$server"
status=0; wait "$server" || status=$?
echo "squid ended with $status"
