# A command that does not end costs a TEE with a budget its instance: its client is told, the other TEEs go on, and the next
# instance is asked everything.
. /usr/lib/bulkhead/common.sh

name=$(awk '$3 == "sel4" { print $1; exit }' $TEES)
start=$(now)
why=$(LD_PRELOAD=$ROUTE timeout 120 bulkhead-client overrun --tee "$name" --kind sel4 2>&1 </dev/null) && ok=true || ok=false
result overrun "$name" "a command that does not end" $ok $(($(now) - start)) "$why"
suite clients
