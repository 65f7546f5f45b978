# TEEs fail while they are used, one after the other, as often as bulkhead.faults says: the client of each is told, it is
# back in service, and the clients of its peers lose no call. xtask injects a fault when it reads `inject NAME`.
. /usr/lib/bulkhead/xtest.sh

work=/run/bulkhead/work

# client TASK TEE KIND SECONDS: becomes a client that calls without a pause, and compares every answer; its account is in
# $work.TEE. One whose task is `large` has its TEE in its kernel most of the time.
client() {
    LD_PRELOAD=$ROUTE exec bulkhead-client "$1" --tee "$2" --kind "$3" --seconds "$4" --seed "$round" \
        >"$work.$2" 2>&1 </dev/null
}

# comes PATTERN TEE SECONDS: waits until the client of a TEE has said this.
comes() {
    for _ in $(seq $(($3 * 20))); do
        grep -q "$1" "$work.$2" && return
        usleep 50000
    done
    return 1
}

# begins TEE: its client has had an answer.
begins() {
    comes '^so-far [0-9]* [1-9]' "$1" 60
}

# peers: those that do not fail in this round.
peers() {
    awk -v target="$target" '$4 != "-" && $1 != target { print $1, $3 }' $TEES
}

served=$(awk '$4 != "-"' $TEES | wc -l)
for round in $(seq "$(option faults 6)"); do
    target=$(awk '$4 != "-" { print $1, $3 }' $TEES | sed -n "$((round % served + 1))p")
    kind=${target#* } target=${target% *}
    running=
    while read -r name other; do
        client call "$name" "$other" 300 &
        running="$running $!"
    done <<PEERS
$(peers)
PEERS
    [ $((round / served % 2)) = 0 ] && task=large || task=call
    client $task "$target" "$kind" 300 &
    worker=$!
    begins "$target" || fail "round $round: the client of $target does not get to its first answer"

    start=$(now)
    note "inject $target"
    comes '^fault' "$target" 60 && told=true || told=false
    result faults "$target" "round $round: its client is told" $told $(($(now) - start)) "$(grep -m1 '^fault' $work."$target")"
    # It has a dead session, and would go on with it.
    kill -9 $worker
    wait $worker

    # The first good call of a new client, and a second of more.
    start=$(now)
    back=false
    for _ in $(seq 60); do
        (client call "$target" "$kind" 1) && back=true && break
        usleep 100000
    done
    result faults "$target" "round $round: a new client is served" $back $(($(now) - start)) "$(tail -n 1 $work."$target")"

    # shellcheck disable=SC2086 # A word each.
    kill $running
    wait
    while read -r name _; do
        account=$(grep '^end' $work."$name")
        # begun, right, wrong
        right=$(echo "$account" | awk '{ print ($2 > 0 && $2 == $3 && $4 == 0) ? "true" : "false" }')
        [ -n "$right" ] || right=false
        result faults "$name" "round $round: its peer's failure costs it nothing" "$right" 0 \
            "$(grep -m1 '^fault' $work."$name" || echo "${account%%;*}")"
    done <<PEERS
$(peers)
PEERS
done

while read -r name _ kind device _; do
    [ "$kind" = optee ] && [ "$device" != - ] && xtest_set faults "$name"
done <$TEES
