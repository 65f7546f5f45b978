# Many clients of each TEE call without a pause, while cores go off and on, clients migrate and are signalled, and other
# threads want the cores and the memory; then nothing may be lost, and nothing may have grown.
. /usr/lib/bulkhead/common.sh

# Ten minutes with 100 switches of cores in the full form, and as many for each minute in the short one.
case $(option gp short) in
full) seconds=600 plugs=100 ;;
*) seconds=45 plugs=10 ;;
esac
seconds=$(option seconds $seconds)
LD_PRELOAD=$ROUTE timeout $((seconds + 500)) bulkhead-load --clients "$(option clients 8)" --seconds "$seconds" \
    --plugs "$(option plugs $plugs)" --seed "$(option seed 1)" </dev/null
code=$?
[ $code = 0 ] || fault
# The program prints its own lines, unless it was stopped or ended early.
[ $code -gt 1 ] && result load - "the load runs" false 0 "it ended with $code (143: time-out)"

# lent TEE: the shares and pages that the hypervisor's ledger has of what was lent to a TEE at this moment.
lent() {
    timeout 60 bulkhead-info --json --device "$asked" </dev/null | sed 's/{"name"/\n&/g' | sed -n "s/.*\"name\":\"$1\".*\"shares\":\([0-9]*\),\"pages\":\([0-9]*\).*/\1 \2/p"
}

# Elsewhere than with --gp, other suites follow that need the drivers.
[ "$(option gp none)" = none ] && exit

# What the drivers and the TEEs themselves keep for later calls goes with the drivers, and then nothing is left in the
# ledger. The Rust TEE is the one that is asked, so that its driver stays.
asked=$(awk '$3 == "rust" { print $4; exit }' $TEES)
serve_no_more
while read -r name id kind device _; do
    [ "$kind" = optee ] && [ "$device" != - ] || continue
    kept=$(lent "$name")
    place "$id" >$DRIVER/unbind
    left=$(lent "$name")
    say "{\"event\":\"figure\",\"suite\":\"load\",\"tee\":\"$name\",\"name\":\"shares and pages of the ledger with its driver, and without\",\"value\":\"$kept, $left\"}"
    result load "$name" "the ledger is empty without its driver" "$([ "$left" = "0 0" ] && echo true || echo false)" 0 \
        "shares and pages with it: $kept, without: $left"
done <$TEES
while read -r name id kind device private; do
    [ "$kind" = optee ] && [ "$device" != - ] || continue
    place "$id" >$DRIVER/bind
    serve "$name" "$private"
done <$TEES
found=$(bulkhead-tees 2>&1)
[ "$found" = "$(cat $TEES)" ] || fail "after the drivers were bound again, the TEEs are: $found"
