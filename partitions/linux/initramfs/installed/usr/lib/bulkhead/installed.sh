# Runs as a service of real systemd, beside real udev: the TEEs' devices get their names, their supplicants are started, and
# come back, and each TEE can be given to a container alone. The rules and the unit are those that the table emitted.
PATH=/usr/bin:/usr/sbin
export PATH
/usr/bin/busybox --install -s /usr/bin 2>/dev/null
. /usr/lib/bulkhead/common.sh

RULES=/usr/lib/udev/rules.d/60-bulkhead-tees.rules
DRIVER=/sys/bus/arm_ffa/drivers/optee
NAMES=/dev/tee-by-name

# outcome TEE NAME START WHY: a case that passed if there is nothing to say.
outcome() {
    if [ -z "$4" ]; then
        result installed "$1" "$2" true $(($(now) - $3))
    else
        result installed "$1" "$2" false $(($(now) - $3)) "$4"
    fi
}

unit() {
    echo "bulkhead-supplicant@$1.service"
}

# value TEE PROPERTY: of its supplicant's service.
value() {
    systemctl show --property="$2" --value "$(unit "$1")"
}

# named TEE DEVICE PRIVATE: whether the links lead to these devices; says why not.
named() {
    [ "$(readlink -f $NAMES/"$1")" = "$2" ] || echo "$NAMES/$1 leads to $(readlink -f $NAMES/"$1"), not to $2"
    [ "$(readlink -f $NAMES/"$1".supplicant)" = "$3" ] ||
        echo "$NAMES/$1.supplicant leads to $(readlink -f $NAMES/"$1".supplicant), not to $3"
}

# served TEE [PID]: waits until its supplicant runs, by another process than PID; says why not.
served() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        pid=$(value "$1" MainPID)
        if [ "$(value "$1" ActiveState)" = active ] && [ "$pid" != 0 ] && [ "$pid" != "$2" ]; then
            tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "$NAMES/$1.supplicant" && return
        fi
        usleep 500000
    done
    echo "$(unit "$1") is $(value "$1" ActiveState), $(value "$1" Result)"
}

# asked TEE KIND DEVICE: a client gets everything from it, trusted applications from its supplicant among it; says why not.
asked() {
    LD_PRELOAD=$ROUTE timeout 120 bulkhead-client check --tee "$1" --kind "$2" --device "$3" >/run/bulkhead/client 2>&1 </dev/null ||
        cat /run/bulkhead/client
}

# alone TEE KIND: a machine, as far as its devices go, with this TEE alone, as a container has it; the stock library.
alone() {
    rm -rf /run/bulkhead/alone
    mkdir -p /run/bulkhead/alone
    touch /run/bulkhead/alone/tee0
    unshare -m sh -c "mount -o bind $(readlink -f $NAMES/"$1") /run/bulkhead/alone/tee0 && mount -o rbind /run/bulkhead/alone /dev &&
        exec timeout 120 bulkhead-client check --tee - --kind $2 --device /dev/tee0" >/run/bulkhead/client 2>&1 </dev/null ||
        cat /run/bulkhead/client
}

# each COMMAND: for every TEE, with name, kind, device and supplicant's device.
each() {
    while read -r name _ kind device private; do
        "$1" "$name" "$kind" "$device" "$private" </dev/null
    done <$TEES
}

mkdir -p /run/bulkhead
start=$(now)
outcome - "udev takes the rules as good ones" "$start" "$(udevadm verify $RULES >/run/bulkhead/verify 2>&1 || cat /run/bulkhead/verify)"
start=$(now)
# Of its own units it says that this system has no libseccomp.
outcome - "systemd takes the unit as a good one" "$start" \
    "$(systemd-analyze verify --man=no "$(unit any)" 2>&1 | grep bulkhead-supplicant)"
while read -r module; do
    insmod "$module" || fail "the module $module cannot be loaded"
done </etc/bulkhead/modules

start=$(now)
bulkhead-tees >$TEES 2>/run/bulkhead/tees.error || fail "$(cat /run/bulkhead/tees.error)"
udevadm settle --timeout=60 || fail "udev does not come to rest"

names() { outcome "$1" "its devices have their names" "$start" "$(named "$1" "$3" "$4")"; }
services() {
    [ "$2" = optee ] || return
    start=$(now)
    outcome "$1" "its supplicant was started" "$start" "$(served "$1")"
    outcome "$1" "its storage is a directory of its own" "$start" \
        "$([ "$(stat -c '%a %F' "/var/lib/tee/$1")" = "700 directory" ] || stat "/var/lib/tee/$1")"
}
clients() {
    start=$(now)
    outcome "$1" "clients are served" "$start" "$(asked "$1" "$2" "$3")"
}
containers() {
    start=$(now)
    outcome "$1" "a container with this TEE alone" "$start" "$(alone "$1" "$2")"
}
killed() {
    [ "$2" = optee ] || return
    start=$(now)
    pid=$(value "$1" MainPID)
    kill -9 "$pid"
    outcome "$1" "a supplicant that was killed is started again" "$start" "$(served "$1" "$pid")$(asked "$1" "$2" "$3")"
}
each names
each services
each clients
each containers
each killed

# The drivers are unbound, and bound again in the opposite order: each TEE has other devices, and the same names.
place() {
    for path in /sys/bus/arm_ffa/devices/*; do
        [ "$(cat "$path/partition_id")" = "$1" ] && echo "${path##*/}"
    done
}
cp $TEES /run/bulkhead/tees.before
start=$(now)
while read -r name id kind _; do
    [ "$kind" = optee ] && systemctl stop "$(unit "$name")"
    place "$id" >$DRIVER/unbind
done <$TEES
udevadm settle --timeout=60
left=$(ls $NAMES 2>/dev/null)
outcome - "names go with their devices" "$start" "${left:+$left}"
sed '1!G;h;$!d' /run/bulkhead/tees.before | while read -r _ id _; do place "$id" >$DRIVER/bind; done
bulkhead-tees >$TEES 2>/run/bulkhead/tees.error || fail "$(cat /run/bulkhead/tees.error)"
udevadm settle --timeout=60
start=$(now)
outcome - "the devices are other ones" "$start" "$(cmp -s $TEES /run/bulkhead/tees.before && echo "all are as before")"
each names
each services
each clients
finish
