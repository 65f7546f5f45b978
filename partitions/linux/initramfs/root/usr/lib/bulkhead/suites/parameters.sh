# Every kind of parameter, of login and of session on the Rust TEE: what needs no trusted application of OP-TEE's.
. /usr/lib/bulkhead/common.sh

while read -r name _ kind device _; do
    [ "$kind" = rust ] && [ "$device" != - ] || continue
    for task in parameters sessions; do
        LD_PRELOAD=$ROUTE timeout 300 bulkhead-client $task --tee "$name" </dev/null
        code=$?
        [ $code = 0 ] || fault
        # The client prints its own lines, unless it was stopped or ended early.
        [ $code -gt 1 ] && result $task "$name" "all of them" false 0 "the client ended with $code (143: time-out)"
    done
done <$TEES
