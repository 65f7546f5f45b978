# Whose driver is woken by a notification is seen in the kernel itself: by a probe on the function with which the driver
# calls its TEE then, whose argument leads to the name of the TEE's device.
. /usr/lib/bulkhead/common.sh

TRACE=/sys/kernel/tracing

# watch: counts from here on.
watch() {
    mount -t tracefs tracefs $TRACE
    echo 'p:bulkhead/half optee_do_bottom_half device=+0(+0(%x0)):string' >$TRACE/kprobe_events &&
        echo 1 >$TRACE/events/bulkhead/half/enable || fail "the kernel takes no probe on optee_do_bottom_half"
}

# watch_no_more: ends that.
watch_no_more() {
    echo 0 >$TRACE/events/bulkhead/half/enable
}

# woken TEE: how often the TEE's driver was woken so far.
woken() {
    grep -c "device=\"$(awk -v name="$1" '$1 == name { sub("/dev/", "", $4); print $4 }' $TEES)\"" $TRACE/trace
}

# counts: how often each driver was woken so far, a line for each TEE.
counts() {
    while read -r name _ _ device _; do
        [ "$device" = - ] || echo "$name $(woken "$name")"
    done <$TEES
}

# told SUITE SENDER LEAST MOST: the sender's driver was woken so often since the counts in woken.before, and no other.
told() {
    counts >/run/bulkhead/woken.after
    while read -r name after; do
        times=$((after - $(awk -v name="$name" '$1 == name { print $2 }' /run/bulkhead/woken.before)))
        say "{\"event\":\"figure\",\"suite\":\"$1\",\"tee\":\"$name\",\"name\":\"driver woken while $2 notified $3 to $4 times\",\"value\":\"$times\"}"
        if [ "$name" = "$2" ]; then
            result "$1" "$name" "its driver is woken" "$([ $times -ge "$3" ] && [ $times -le "$4" ] && echo true || echo false)" 0 "$times times"
        else
            result "$1" "$name" "its driver is not woken for another TEE" "$([ $times = 0 ] && echo true || echo false)" 0 "$times times"
        fi
    done </run/bulkhead/woken.after
}
