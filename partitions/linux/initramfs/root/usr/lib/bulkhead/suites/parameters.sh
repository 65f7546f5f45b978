# Every kind of parameter, of login and of session on the TEEs that need no trusted application of OP-TEE's. seL4's root
# task has one call at a time: nothing there is cancelled, or runs beside another.
. /usr/lib/bulkhead/common.sh

while read -r name _ kind device _; do
    case $kind in
    rust) tasks="parameters sessions" ;;
    sel4) tasks=parameters ;;
    *) continue ;;
    esac
    [ "$device" != - ] || continue
    for task in $tasks; do
        LD_PRELOAD=$ROUTE timeout 300 bulkhead-client $task --tee "$name" </dev/null
        code=$?
        [ $code = 0 ] || fault
        # The client prints its own lines, unless it was stopped or ended early.
        [ $code -gt 1 ] && result $task "$name" "all of them" false 0 "the client ended with $code (143: time-out)"
    done
    said=$(LD_PRELOAD=$ROUTE timeout 60 bulkhead-client sensors --tee "$name" 2>&1 </dev/null)
    case $said in
    *"this TEE finds no sensors"*) ok=true ;;
    *) ok=false ;;
    esac
    result parameters "$name" "without a partition of sensors, who asks for its figures is told" $ok 0 "$said"
done <$TEES
