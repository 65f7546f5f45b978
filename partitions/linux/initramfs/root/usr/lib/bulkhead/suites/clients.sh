# A client asks every TEE everything once. What a TEE of the integrator's own has, only he knows: it is opened, and left.
. /usr/lib/bulkhead/common.sh

while read -r name _ kind device _; do
    [ "$device" = - ] && continue
    if [ "$kind" = other ]; then
        said=$(LD_PRELOAD=$ROUTE timeout 120 bulkhead-client open --tee "$name" --device "$device" 2>&1 </dev/null)
        if [ $? = 0 ]; then ok=true said="opened; its services are its vendor's"; else ok=false && fault; fi
        say "{\"event\":\"client\",\"tee\":\"$name\",\"ok\":$ok,\"detail\":\"$(quoted "$said")\"}"
        continue
    fi
    LD_PRELOAD=$ROUTE timeout 120 bulkhead-client check --tee "$name" --kind "$kind" --device "$device" </dev/null
    code=$?
    [ $code = 0 ] || fault
    # The client prints its own line, unless it was stopped or ended early.
    [ $code -gt 1 ] &&
        say "{\"event\":\"client\",\"tee\":\"$name\",\"ok\":false,\"detail\":\"the client ended with $code (143: time-out)\"}"
done <$TEES
