# What the scripts share: lines for xtask, options of the kernel's command line, the count of faults.

# The drop-in by which clients name their TEE.
ROUTE=/usr/lib/libbulkhead-route.so
# One TEE per line, as bulkhead-tees lists them: name, endpoint ID, kind, client device, supplicant device.
TEES=/run/bulkhead/tees
# One character per fault, from whatever process.
FAULTS=/run/bulkhead/faults

# say JSON: prints a line for xtask, in one write.
say() {
    echo "@bulkhead $1"
}

# quoted TEXT: as the inside of a JSON string.
quoted() {
    printf %s "$1" | tr -d '\r' | tr '\n\t' '  ' | sed 's/[\\"]/\\&/g'
}

# note TEXT: for people.
note() {
    say "{\"event\":\"note\",\"text\":\"$(quoted "$1")\"}"
}

# fail TEXT: a fault that belongs to no test case.
fail() {
    fault
    note "$1"
}

# fault: counts one more fault.
fault() {
    mkdir -p /run/bulkhead
    printf x >>$FAULTS
}

# option NAME DEFAULT: the value of bulkhead.NAME on the kernel's command line.
option() {
    for word in $(cat /proc/cmdline); do
        case $word in bulkhead."$1"=*) echo "${word#*=}" && return ;; esac
    done
    echo "$2"
}

# now: milliseconds since boot.
now() {
    awk '{ printf "%d", $1 * 1000 }' /proc/uptime
}

# result SUITE TEE NAME OK MS [DETAIL]: one test case.
result() {
    [ "$4" = true ] || fault
    say "{\"event\":\"case\",\"suite\":\"$1\",\"tee\":\"$2\",\"name\":\"$3\",\"ok\":$4,\"ms\":$5,\"detail\":\"$(quoted "$6")\"}"
}

# suite NAME: runs a suite.
suite() {
    script=/usr/lib/bulkhead/suites/$1.sh
    if [ -f "$script" ]; then
        sh "$script"
    else
        fail "bulkhead.tests names $1, which is none of: $(cd ${script%/*} && echo *.sh | sed 's/\.sh//g')"
    fi
}

# serve TEE DEVICE: keeps a supplicant for an OP-TEE, as its service does (configs emit it): the stock supplicant ends when
# a client is killed that it is at work for.
serve() {
    mkdir -p "/var/lib/tee/$1"
    touch "/run/bulkhead/serve.$1"
    while [ -e "/run/bulkhead/serve.$1" ]; do
        echo started >>"/run/bulkhead/supplicant.$1"
        tee-supplicant -f "/var/lib/tee/$1" -l /usr/lib/optee_armtz "$2" >>"/run/bulkhead/supplicant.$1" 2>&1 </dev/null
        usleep 200000
    done &
}

# The driver of all TEEs. It waits until every file of its device is closed.
DRIVER=/sys/bus/arm_ffa/drivers/optee

# place ID: the FF-A device of an endpoint.
place() {
    for path in /sys/bus/arm_ffa/devices/*; do
        [ "$(cat "$path/partition_id")" = "$1" ] && echo "${path##*/}"
    done
}

# is_served DEVICE: whether a supplicant has this device.
is_served() {
    for pid in $(pidof tee-supplicant); do
        tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "$1 *$" && return
    done
    return 1
}

# starts TEE: how often its supplicant was started.
starts() {
    grep -cx started "/run/bulkhead/supplicant.$1"
}

# serve_no_more: ends all supplicants.
serve_no_more() {
    rm -f /run/bulkhead/serve.*
    killall tee-supplicant
}

# finish: says how it went, and switches the machine off.
finish() {
    failed=0
    [ -f $FAULTS ] && failed=$(wc -c <$FAULTS)
    ok=true
    [ "$failed" = 0 ] || ok=false
    say "{\"event\":\"end\",\"ok\":$ok,\"failed\":$failed}"
    sync
    poweroff -f
}
