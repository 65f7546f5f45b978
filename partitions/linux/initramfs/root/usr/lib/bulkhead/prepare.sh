#!/bin/sh
# Loads the TEE drivers, finds each TEE's devices, and starts a supplicant for each that needs one.
. /usr/lib/bulkhead/common.sh

mkdir -p /run/bulkhead /var/lib/tee
# xtest's socket cases talk to this machine itself.
ifconfig lo 127.0.0.1 up
while read -r module; do
    insmod "$module" || fail "the module $module cannot be loaded"
done </etc/bulkhead/modules

bulkhead-tees >$TEES 2>/run/bulkhead/tees.error
while read -r name id kind device private; do
    line="\"event\":\"tee\",\"name\":\"$name\",\"id\":\"$id\",\"kind\":\"$kind\",\"device\":\"$device\",\"private\":\"$private\""
    why=
    if [ "$device" = - ]; then
        why="Linux found no TEE at this endpoint"
    elif [ "$kind" = optee ]; then
        serve "$name" "$private"
        why="tee-supplicant did not start"
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            usleep 200000
            is_served "$private" && why= && break
        done
    fi
    if [ -z "$why" ]; then
        say "{$line,\"ok\":true}"
    else
        fault
        say "{$line,\"ok\":false,\"detail\":\"$(quoted "$why")\"}"
    fi
done <$TEES
[ -s $TEES ] || fail "$(cat /run/bulkhead/tees.error)"
