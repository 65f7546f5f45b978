# The chosen cases of xtest on all OP-TEEs at the same time.
. /usr/lib/bulkhead/xtest.sh

while read -r name _ kind device _; do
    [ "$kind" = optee ] && [ "$device" != - ] && xtest_set xtest-both "$name" &
done <$TEES
wait
