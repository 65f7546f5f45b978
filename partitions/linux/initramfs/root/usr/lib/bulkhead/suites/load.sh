# Threads that migrate call all TEEs at the same time; every answer is checked and none may be lost.
. /usr/lib/bulkhead/common.sh

seconds=$(option seconds 60)
load() {
    LD_PRELOAD=$ROUTE timeout $((seconds + 90)) bulkhead-client load --tee "$1" --kind "$2" \
        --threads "$(option threads 4)" --seconds "$seconds" </dev/null
    code=$?
    [ $code = 0 ] || fault
    [ $code -gt 1 ] &&
        say "{\"event\":\"load\",\"tee\":\"$1\",\"ok\":false,\"detail\":\"the client ended with $code (143: time-out)\"}"
}
while read -r name _ kind device _; do
    [ "$device" = - ] || load "$name" "$kind" &
done <$TEES
wait
