# A client asks every TEE everything once.
. /usr/lib/bulkhead/common.sh

while read -r name _ kind device _; do
    [ "$device" = - ] && continue
    LD_PRELOAD=$ROUTE timeout 120 bulkhead-client check --tee "$name" --kind "$kind" --device "$device" </dev/null
    code=$?
    [ $code = 0 ] || fault
    # The client prints its own line, unless it was stopped or ended early.
    [ $code -gt 1 ] &&
        say "{\"event\":\"client\",\"tee\":\"$name\",\"ok\":false,\"detail\":\"the client ended with $code (143: time-out)\"}"
done <$TEES
