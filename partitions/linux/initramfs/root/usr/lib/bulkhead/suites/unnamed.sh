# xtest that names no TEE: its sessions go to the TEEs of their applications, all on one context.
. /usr/lib/bulkhead/common.sh

# Sessions, cancellation, and all that does something with shared memory.
CASES="1004 1006 1009 1010 1016 1017 1018 1025 1032 5006 6001"
bulkhead-xtest unnamed - regression 240 /run/bulkhead/unnamed env LD_PRELOAD=$ROUTE xtest -t regression $CASES </dev/null
code=$?
[ $code = 0 ] && exit
fault
[ $code -gt 1 ] && result unnamed - "xtest runs" false 0 "bulkhead-xtest ended with $code"
tail -n 80 /run/bulkhead/unnamed | sed "s/^/[xtest] /"
