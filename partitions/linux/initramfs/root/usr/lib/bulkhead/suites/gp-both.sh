# xtest on all OP-TEEs at the same time.
. /usr/lib/bulkhead/gp.sh

while read -r name _ kind device _; do
    [ "$kind" = optee ] && [ "$device" != - ] && gp_suites gp-both "$name" &
done <$TEES
wait
