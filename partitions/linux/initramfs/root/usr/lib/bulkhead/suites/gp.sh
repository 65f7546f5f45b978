# xtest on each OP-TEE, one after the other.
. /usr/lib/bulkhead/gp.sh

while read -r name _ kind device _; do
    [ "$kind" = optee ] && [ "$device" != - ] && gp_suites gp "$name"
done <$TEES
