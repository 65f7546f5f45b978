# OP-TEEs that crash and come back: notifications of one reach its driver again, which stays bound; the other one's clients
# are closed, its supplicant is stopped and its driver is bound anew, by the service for that. The clients of their peers
# lose no call. xtask makes an OP-TEE crash when it reads `crash NAME`.
. /usr/lib/bulkhead/woken.sh

work=/run/bulkhead/work
SECONDS_SEEN=10

# client TASK TEE KIND SECONDS: becomes a client that calls without a pause; its account is in $work.TEE.
client() {
    LD_PRELOAD=$ROUTE exec bulkhead-client "$1" --tee "$2" --kind "$3" --seconds "$4" >"$work.$2" 2>&1 </dev/null
}

# comes PATTERN FILE SECONDS: waits until this has been said.
comes() {
    for _ in $(seq $(($3 * 20))); do
        grep -q "$1" "$2" 2>/dev/null && return
        usleep 50000
    done
    return 1
}

# crashed TEE: it crashes while a client has it hash, and clients call its peers; a new client is served in the end.
crashed() {
    local name kind
    peers=
    while read -r name _ kind device _; do
        if [ "$name" = "$1" ]; then
            client large "$name" "$kind" 600 &
            worker=$!
        else
            client call "$name" "$kind" 600 &
            peers="$peers $!"
        fi
    done <$TEES
    while read -r name _; do
        comes '^so-far [0-9]* [1-9]' "$work.$name" 60 || fail "the client of $name does not get to its first answer"
    done <$TEES
    note "crash $1"
}

# served TEE: it serves a new client.
served() {
    start=$(now)
    back=false
    for _ in $(seq 60); do
        (client call "$1" optee 1) && back=true && break
        usleep 500000
    done
    result again "$1" "a new client is served" $back $(($(now) - start)) "$(tail -n 1 "$work.$1")"
}

# unharmed TEE: its peers' clients have lost no call.
unharmed() {
    # shellcheck disable=SC2086 # A word each.
    kill $peers
    while read -r name _; do
        [ "$name" = "$1" ] && continue
        comes '^end' "$work.$name" 20
        account=$(grep '^end' "$work.$name")
        right=$(echo "$account" | awk '{ print ($2 > 0 && $2 == $3 && $4 == 0) ? "true" : "false" }')
        result again "$name" "what happened to $1 costs it nothing" "${right:-false}" 0 \
            "$(grep -m1 '^fault' "$work.$name" || echo "${account%%;*}")"
    done <$TEES
}

# notified NAME: the driver of the one with a watchdog is woken, once a second.
notified() {
    counts >/run/bulkhead/woken.before
    sleep $SECONDS_SEEN
    told again vendor-b $((SECONDS_SEEN / 2)) $((SECONDS_SEEN + 1))
}

watch
notified
crashed vendor-b
comes '^fault' "$work.vendor-b" 60 && told=true || told=false
result again vendor-b "its client is told" $told 0 "$(grep -m1 '^fault' "$work.vendor-b")"
kill -9 $worker
served vendor-b
unharmed vendor-b
notified
watch_no_more

service=/run/bulkhead/rebind.log
bulkhead-rebind --stop "/usr/lib/bulkhead/supplicants.sh stop {}" --start "/usr/lib/bulkhead/supplicants.sh start {}" \
    >$service 2>&1 </dev/null &
rebinder=$!
sleep 3
before=$(starts vendor-a)
# One that has a session and does nothing any more, not even when it is asked to end.
LD_PRELOAD=$ROUTE bulkhead-client call --tee vendor-a --kind optee --seconds 600 >$work.asleep 2>&1 </dev/null &
sleeper=$!
comes '^so-far [0-9]* [1-9]' $work.asleep 60 || fail "the client that is to sleep does not get to its first answer"
kill -STOP $sleeper
start=$(now)
crashed vendor-a
comes 'is bound anew' $service 90 && bound=true || bound=false
result again vendor-a "its driver is bound anew" $bound $(($(now) - start)) "$(cat $service)"
# It was closed, or told.
wait $worker
code=$?
result again vendor-a "its client is ended" "$([ $code != 0 ] && echo true || echo false)" 0 "it ended with $code"
wait $sleeper
code=$?
result again vendor-a "its client that does not end by itself is killed" "$([ $code = 137 ] && echo true || echo false)" 0 "it ended with $code"
result again vendor-a "its supplicant is another one" "$([ "$(starts vendor-a)" -gt "$before" ] && echo true || echo false)" 0
served vendor-a
unharmed vendor-a
kill $rebinder
suite clients
