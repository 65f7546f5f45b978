# Clients of all TEEs are killed in their calls; then clients of one OP-TEE after the other, while they use its storage.
# All TEEs answer as before, and no kill of a client of one changes what another keeps.
. /usr/lib/bulkhead/common.sh

default=$(sed -n 's/^default = "\(.*\)"/\1/p' /etc/bulkhead/tees.toml)
optees=$(awk '$3 == "optee" && $4 != "-" { print $1 }' $TEES)

# client TASK TEE ARGUMENTS...: our client of OP-TEE's storage application.
client() {
    local task=$1 tee=$2
    shift 2
    LD_PRELOAD=$ROUTE timeout 60 bulkhead-client "$task" --tee "$tee" --object kept "$@" 2>&1 </dev/null
}

# directory TEE: the number of the file in which OP-TEE lists its objects; another one after it was made anew.
directory() {
    stat -c %i "/var/lib/tee/$1/dirf.db" 2>&1
}

# keep TEE: gives it an object anew.
keep() {
    client store "$1" --text "kept by $1"
    directory "$1" >"/run/bulkhead/directory.$1"
}

# kept TEE: whether it still has the object. A supplicant that was ended by the last kill may take a moment to be back.
kept() {
    for _ in 1 2 3 4 5; do
        found=$(client fetch "$1")
        [ "$found" = "kept by $1" ] && return
        usleep 400000
    done
    return 1
}

# lost TEE: whether it removed the list of its objects itself, as OP-TEE 4.10 does where it has no counter against
# rollback and a call to the supplicant fails while it opens that list. It does so without a hypervisor, too.
lost() {
    case $found in
    *0xffff0008*) [ "$(directory "$1")" != "$(cat "/run/bulkhead/directory.$1")" ] ;;
    *) return 1 ;;
    esac
}

# own TEE NAME START: what became of the storage of the TEE whose clients were killed.
own() {
    if kept "$1"; then
        result killed "$1" "$2" true $(($(now) - $3))
    elif lost "$1"; then
        note "$1 removed the list of its objects when a client was killed while it read that: a fault of this OP-TEE (docs/clients.md)"
        keep "$1"
        if kept "$1"; then
            result killed "$1" "$2" true $(($(now) - $3)) "the list of its objects was made anew"
        else
            result killed "$1" "$2" false $(($(now) - $3)) "it cannot store any more: $found"
        fi
    else
        result killed "$1" "$2" false $(($(now) - $3)) "$found; directory $(directory "$1"), it was $(cat "/run/bulkhead/directory.$1")"
    fi
}

for tee in $optees; do keep "$tee"; done
start=$(now)
LD_PRELOAD=$ROUTE timeout 300 bulkhead-client killed --tee "$default" </dev/null
code=$?
[ $code = 0 ] || fault
[ $code -gt 1 ] && result killed - "all clients" false 0 "the client ended with $code (143: time-out)"
for tee in $optees; do
    own "$tee" "it stores and reads after clients of all TEEs were killed" "$start"
done

rounds=$(option kills 20)
for tee in $optees; do
    start=$(now)
    for round in $(seq "$rounds"); do
        LD_PRELOAD=$ROUTE bulkhead-client churn --tee "$tee" --object kept </dev/null &
        usleep $((150000 + round * 7919 % 100000))
        kill -9 $!
        wait $!
    done 2>/dev/null
    own "$tee" "it stores and reads after $rounds of its clients were killed" "$start"
    for other in $optees; do
        [ "$other" = "$tee" ] && continue
        start=$(now)
        if kept "$other" && [ "$(directory "$other")" = "$(cat "/run/bulkhead/directory.$other")" ]; then
            result killed "$other" "its storage is whole after clients of $tee were killed" true $(($(now) - start))
        else
            result killed "$other" "its storage is whole after clients of $tee were killed" false $(($(now) - start)) "$found"
        fi
    done
done
for tee in $optees; do client erase "$tee"; done
for tee in $optees; do note "the supplicant of $tee was started $(starts "$tee") times"; done
suite clients
