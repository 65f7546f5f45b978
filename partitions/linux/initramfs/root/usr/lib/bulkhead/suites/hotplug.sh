# Switches each core off and on again, 100 times, while every TEE is called; then asks every TEE everything.
. /usr/lib/bulkhead/common.sh

rounds=$(option rounds 100)
CPUS=/sys/devices/system/cpu
rm -f /run/bulkhead/hotplug.*

# caller NAME KIND: calls a TEE again and again until the cores are through.
caller() {
    until [ -e /run/bulkhead/hotplug.end ]; do
        LD_PRELOAD=$ROUTE timeout 90 bulkhead-client call --tee "$1" --kind "$2" --seconds 5 --seed "$3" \
            >"/run/bulkhead/hotplug.$1.$3" 2>&1 </dev/null && continue
        echo "$1: $(grep -m1 fault "/run/bulkhead/hotplug.$1.$3")" >>/run/bulkhead/hotplug.faults
    done
}

# switch CORE 0|1: and waits until it is so; a core that is the last one may be refused for a moment.
switch() {
    for _ in 1 2 3 4 5; do
        echo "$2" >"$CPUS/$1/online" 2>/run/bulkhead/hotplug.error
        [ "$(cat "$CPUS/$1/online")" = "$2" ] && return
        usleep 100000
    done
    echo "$1 was not switched to $2: $(cat /run/bulkhead/hotplug.error)" >>/run/bulkhead/hotplug.faults
}

while read -r name _ kind device _; do
    [ "$device" = - ] && continue
    caller "$name" "$kind" 1 &
    caller "$name" "$kind" 2 &
done <$TEES

start=$(now)
for core in $(cd $CPUS && ls -d cpu[0-9]*/online); do
    core=${core%/online}
    before=$(cat /run/bulkhead/hotplug.faults 2>/dev/null | wc -l)
    begin=$(now)
    round=0
    while [ $round -lt "$rounds" ]; do
        switch "$core" 0
        switch "$core" 1
        round=$((round + 1))
    done
    faults=$(($(cat /run/bulkhead/hotplug.faults 2>/dev/null | wc -l) - before))
    result hotplug - "$core off and on $rounds times" "$([ $faults = 0 ] && echo true || echo false)" $(($(now) - begin)) \
        "$faults faults"
done
touch /run/bulkhead/hotplug.end
wait
faults=$(cat /run/bulkhead/hotplug.faults 2>/dev/null)
result hotplug - "calls while cores come and go" "$([ -z "$faults" ] && echo true || echo false)" $(($(now) - start)) "$faults"
suite clients
