# Clients of all TEEs are killed in their calls; then all TEEs answer as before.
. /usr/lib/bulkhead/common.sh

default=$(sed -n 's/^default = "\(.*\)"/\1/p' /etc/bulkhead/tees.toml)
LD_PRELOAD=$ROUTE timeout 300 bulkhead-client killed --tee "$default" </dev/null
code=$?
[ $code = 0 ] || fault
[ $code -gt 1 ] && result killed - "all clients" false 0 "the client ended with $code (143: time-out)"
while read -r name _ kind _; do
    [ "$kind" = optee ] && note "the supplicant of $name was started $(starts "$name") times"
done <$TEES
suite clients
