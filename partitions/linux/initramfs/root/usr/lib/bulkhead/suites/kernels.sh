# Kernels that follow each other without a word while clients of every TEE have sessions, calls under way and memory
# registered: the first is replaced, the second crashes. Each next one finds all TEEs as if it were the first.
# bulkhead.kernel is which one this is.
. /usr/lib/bulkhead/xtest.sh

kernel=$(option kernel 1)
work=/run/bulkhead/work

# A few of the chosen cases: the core itself, sessions, shared memory, cryptography, storage.
xtest_cases() {
    echo 1001 1004 1006 4001 6001
}

# next WHEN WORDS...: the next kernel starts `now`, or at a `crash`, with this one's command line and these words, of which
# each takes the place of those of the same name; the faults that were seen so far are counted there, too.
next() {
    local when=$1 line= word
    shift
    set -- "$@" "bulkhead.kernel=$((kernel + 1))" "bulkhead.failed=$(cat $FAULTS 2>/dev/null | wc -c)"
    for word in $(cat /proc/cmdline); do
        case " $*" in
        *" ${word%%=*}="*) ;;
        *) line="$line $word" ;;
        esac
    done
    bulkhead-kexec "$when" /boot/vmlinuz /sys/firmware/initrd "${line# } $*" 2>&1
}

# lent: what the hypervisor's ledger has of each TEE's shares, as NAME:SHARES with commas between them.
lent() {
    bulkhead-info --json | tr '{' '\n' | sed -n 's/^"name":"\([^"]*\)".*"shares":\([0-9]*\),.*/\1:\2/p' | tr '\n' ',' | sed 's/,$//'
}

# of LIST NAME: the number of a TEE in such a list.
of() {
    echo "$1" | tr ',' '\n' | sed -n "s/^$2://p"
}

# used: all TEEs have clients in calls, which will not come to their end.
used() {
    while read -r name _ kind device _; do
        [ "$device" = - ] && continue
        for task in call large; do
            LD_PRELOAD=$ROUTE bulkhead-client $task --tee "$name" --kind "$kind" --seconds 300 >"$work.$name.$task" 2>&1 </dev/null &
        done
    done <$TEES
    while read -r name _; do
        for _ in $(seq 1200); do
            grep -q '^so-far [0-9]* [1-9]' "$work.$name.call" && break
            usleep 50000
        done
    done <$TEES
    lent=$(lent)
    while read -r name _; do
        before=$(of "$fresh" "$name") shares=$(of "$lent" "$name")
        result kernels "$name" "kernel $kernel: its clients have shared memory with it" \
            "$([ "${shares:-0}" -gt "${before:-99}" ] && echo true || echo false)" 0 "$shares shares, $before without clients"
    done <$TEES
}

for _ in $(seq "$(option failed 0)"); do fault; done
fresh=$(option fresh "$(lent)")
if [ "$kernel" != 1 ]; then
    lent=$(lent)
    while read -r name _; do
        before=$(of "$fresh" "$name") shares=$(of "$lent" "$name")
        result kernels "$name" "kernel $kernel: nothing of the last one's is lent" \
            "$([ "${shares:-99}" -le "${before:-0}" ] && echo true || echo false)" 0 "$shares shares, $before at first"
    done <$TEES
    suite clients
fi
case $kernel in
1)
    used
    why=$(next now "bulkhead.fresh=$fresh" crashkernel=512M)
    result kernels - "kernel 1 is replaced" false 0 "$why"
    ;;
2)
    why=$(next crash)
    result kernels - "kernel 2 takes one for its crash" "$([ -z "$why" ] && echo true || echo false)" 0 "$why"
    used
    # Its last words are not for the console, where they would be taken for a failure.
    echo 0 >/proc/sys/kernel/printk
    [ -n "$why" ] || echo c >/proc/sysrq-trigger
    ;;
3)
    suite applications
    while read -r name _ kind device _; do
        [ "$kind" = optee ] && [ "$device" != - ] && xtest_set kernels "$name"
    done <$TEES
    result kernels - "kernel 3 is the last" true 0
    ;;
esac
