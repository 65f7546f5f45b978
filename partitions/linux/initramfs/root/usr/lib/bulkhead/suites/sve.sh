# Vector state, with every length of vectors, survives calls of each TEE.
. /usr/lib/bulkhead/common.sh

while read -r name _ kind device _; do
    [ "$device" = - ] && continue
    LD_PRELOAD=$ROUTE timeout 120 bulkhead-client sve --tee "$name" --kind "$kind" --threads 2 \
        --seconds "$(option sve-seconds 10)" </dev/null
    code=$?
    [ $code = 0 ] || fault
    [ $code -gt 1 ] && result sve "$name" "vector state survives" false 0 "the client ended with $code (143: time-out)"
done <$TEES
