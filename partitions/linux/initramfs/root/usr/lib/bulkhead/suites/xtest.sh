# The chosen cases of xtest on each OP-TEE, one after the other.
. /usr/lib/bulkhead/xtest.sh

while read -r name _ kind device _; do
    [ "$kind" = optee ] && [ "$device" != - ] && xtest_set xtest "$name"
done <$TEES
