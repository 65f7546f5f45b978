# A core of a partition's own: Linux never has it, and the period that the partition keeps on it is kept while clients of
# all TEEs and other programs want each of Linux's cores.
. /usr/lib/bulkhead/common.sh

# The figures of so many periods, of which the longest wait is a multiple: where time is this computer's, a core that it
# runs now and then has fewer.
case $(option gp short) in
full) periods=20000 ;;
*) periods=4000 ;;
esac
periods=$(option periods $periods)
patience=$((periods / 20 + 60))
counted=$(option counted no)
suite=sensors
[ "$counted" = yes ] && suite="sensors, counted"

# asked NAME PERIODS: has the figures of so many periods, in a file.
asked() {
    local start; start=$(now)
    LD_PRELOAD=$ROUTE timeout $((patience + 60)) bulkhead-client sensors --tee - --periods "$2" --seconds "$patience" \
        >"/run/bulkhead/sensors.$1" 2>"/run/bulkhead/sensors.error" </dev/null
    code=$?
    result "$suite" - "its figures $3" "$([ $code = 0 ] && echo true || echo false)" $(($(now) - start)) \
        "$(cat /run/bulkhead/sensors.error)"
}

# figure NAME WHICH: one of these figures.
figure() {
    awk -v which="$2" '$1 == which { print $2; exit }' "/run/bulkhead/sensors.$1"
}

# tell NAME WORDS: all of them, for the page of results.
tell() {
    for which in periods missed median-ns p99-ns p99.9-ns latest-ns; do
        say "{\"event\":\"figure\",\"suite\":\"$suite\",\"tee\":\"-\",\"name\":\"$which $2\",\"value\":\"$(figure "$1" $which)\"}"
    done
    note "sensors: $(figure "$1" periods) periods $2: $(figure "$1" missed) missed; late by $(figure "$1" median-ns) ns in the median, $(figure "$1" p99-ns) (99 %), $(figure "$1" p99.9-ns) (99.9 %), $(figure "$1" latest-ns) at most"
}

# what Linux is told of the cores.
present=$(cat /sys/devices/system/cpu/present)
nodes=$(ls -d /sys/firmware/devicetree/base/cpus/cpu@* | wc -l)
result "$suite" - "Linux has the other cores" "$([ "$present" = 0-2 ] && [ "$nodes" = 3 ] && echo true || echo false)" 0 \
    "present: $present, in the device tree: $nodes"
# `deep` is PSCI's SYSTEM_SUSPEND, and `disk` ends with all cores but one off.
echo deep 2>/dev/null >/sys/power/mem_sleep
deep=$?
result "$suite" - "Linux cannot suspend the system" "$([ $deep != 0 ] && echo true || echo false)" 0 \
    "states: $(cat /sys/power/state), to sleep: $(cat /sys/power/mem_sleep)"

pids=
# Where time is the number of instructions, the cores take turns, each as long as a quarter of what is left until any
# timer: so that a turn is not a period, timers go off all the time.
if [ "$counted" = yes ]; then
    bulkhead-load beat 200 &
    pids=$!
fi
asked idle $((periods / 10)) "beside a Linux that does nothing"
tell idle "beside a Linux that does nothing"
if [ "$counted" = yes ]; then
    latest=$(figure idle latest-ns)
    result "$suite" - "no period is late by 200 us there" "$([ "${latest:-200000}" -lt 200000 ] && echo true || echo false)" 0 "$latest ns"
fi

# Each core has a program that computes, and clients of each TEE.
seconds=$((patience + 120))
for _ in $(seq "$(nproc)"); do
    while :; do :; done &
    pids="$pids $!"
done
while read -r name _ kind device _; do
    [ "$device" = - ] && continue
    for n in 1 2 3; do
        LD_PRELOAD=$ROUTE bulkhead-client call --tee "$name" --kind "$kind" --seconds $seconds --seed $n \
            >"/run/bulkhead/load.$name.$n" 2>&1 </dev/null &
        echo "$! $name $n" >>/run/bulkhead/load.pids
    done
done <$TEES
sleep 2
asked load "$periods" "under load"
tell load "under load"
while read -r pid name n; do
    kill -TERM "$pid"
    wait "$pid"
    code=$?
    calls=$(sed -n 's/^end //p' "/run/bulkhead/load.$name.$n")
    result "$suite" "$name" "client $n beside it is answered rightly" "$([ $code = 0 ] && echo true || echo false)" 0 "$calls"
done </run/bulkhead/load.pids
kill $pids
if [ "$counted" = yes ]; then
    missed=$(figure load missed)
    result "$suite" - "no period is missed under load" "$([ "$missed" = 0 ] && echo true || echo false)" 0 "$missed missed"
fi
