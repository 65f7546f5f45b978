# Two clients of each TEE call without a pause, all at the same time, and every answer is compared.
. /usr/lib/bulkhead/common.sh

seconds=$(option seconds 15)
while read -r name _ kind device _; do
    [ "$device" = - ] && continue
    for client in 1 2; do
        {
            start=$(now)
            why=$(LD_PRELOAD=$ROUTE timeout $((seconds + 120)) bulkhead-client call --tee "$name" --kind "$kind" \
                --seconds "$seconds" --seed "$client" 2>&1 </dev/null) && ok=true || ok=false
            # What was wrong first, or the account at the end.
            detail=$(echo "$why" | grep -m1 '^fault' || echo "$why" | tail -n 1)
            result beside "$name" "client $client" $ok $(($(now) - start)) "$detail"
        } &
    done
done <$TEES
wait
