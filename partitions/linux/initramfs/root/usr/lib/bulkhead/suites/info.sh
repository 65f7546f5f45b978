# What bulkhead-info says is what the table's build said, counts what clients lend, and finds a TEE that serves it.
. /usr/lib/bulkhead/common.sh

EXPECTED=/etc/bulkhead/system.toml
server=$(awk '$3 == "rust" { print $4; exit }' $TEES)
other=$(awk '$3 != "rust" && $4 != "-" { print $4; exit }' $TEES)

# check NAME STATUS TEXT ARGUMENTS...: bulkhead-info must end with this status and say this.
check() {
    local name=$1 status=$2 text=$3 said
    shift 3
    said=$(timeout 60 bulkhead-info "$@" 2>&1 </dev/null)
    code=$?
    case $said in
    *"$text"*) [ $code = "$status" ] && result info - "$name" true 0 && return ;;
    esac
    result info - "$name" false 0 "it ended with $code: $said"
}

# figure KEY: the first number of this key, which is the whole system's.
figure() {
    bulkhead-info --json | tr ',{}' '\n\n\n' | sed -n "s/^\"$1\"://p" | head -n 1
}

note "$(timeout 60 bulkhead-info 2>&1 </dev/null | head -n 1)"
timeout 60 bulkhead-info 2>&1 </dev/null | tail -n +3 | while read -r line; do note "$line"; done
check "what runs is what was built" 0 "running" --expect $EXPECTED
check "for programs" 0 '"partitions":[{"name":' --json
check "the TEE that serves it" 0 "running" --device "$server"
[ -n "$other" ] && check "a TEE that does not" 1 "no TEE here ($other) serves" --device "$other"
check "no such device" 1 "cannot be opened" --device /dev/tee99
check "no such option" 2 "try --help" --jsn
check "help" 0 "examples:" --help
sed 's/^sha256 = "./sha256 = "x/' $EXPECTED >/run/bulkhead/system.toml
check "another table" 3 "not as expected: the table's digest is" --expect /run/bulkhead/system.toml
check "an event log" 0 "" --event-log /run/bulkhead/events
said=$(tail -c +33 /run/bulkhead/events | head -c 15)
result info - "in the TCG's form" "$([ "$said" = "Spec ID Event03" ] && echo true || echo false)" 0 "$said"
tr -c 'a-zA-Z0-9_-' '\n' </run/bulkhead/events >/run/bulkhead/event-names
while read -r name _; do
    grep -qx "$name" /run/bulkhead/event-names && ok=true || ok=false
    result info "$name" "its image in the event log" $ok 0
done <$TEES
check "a signature for nobody" 1 "write \`quotes = true\`" --quote "$(printf %064d 7)"
check "a short nonce" 2 "64 hexadecimal digits" --quote 07
check "no such file" 1 "/nowhere cannot be read" --expect /nowhere

# Each name and ID of the table, from the file that clients are led by.
while read -r name id _; do
    line=$(bulkhead-info | grep "^$name ")
    case $line in
    "$name"*" $id "*" running "*) result info "$name" "its ID and state" true 0 ;;
    *) result info "$name" "its ID and state" false 0 "$line" ;;
    esac
done <$TEES

# A client that is connected lends memory; the ledger has it, and forgets it.
idle=$(figure pages)
for seed in 1 2 3 4; do
    LD_PRELOAD=$ROUTE bulkhead-client call --tee "$(awk '$3 == "rust" { print $1; exit }' $TEES)" --kind rust --seconds 6 \
        --seed $seed >>/run/bulkhead/info.load 2>&1 </dev/null &
done
sleep 3
most=$(figure pages)
wait
sleep 1
after=$(figure pages)
detail="$idle pages lent before, $most during, $after after"
result info - "what clients lend is counted" "$([ "$most" -gt "$idle" ] && echo true || echo false)" 0 "$detail"
result info - "and no more when they are gone" "$([ "$after" = "$idle" ] && echo true || echo false)" 0 "$detail"
