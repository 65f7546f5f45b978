# All TEEs' drivers are unbound, and bound again in the opposite order, so that each TEE has another device than
# before. Which one appears at each bind is seen here; the names must lead to just these.
. /usr/lib/bulkhead/common.sh

seen=/run/bulkhead/tees.seen

# appeared PATTERN: the TEE device that is there now and was not before.
appeared() {
    for path in /dev/$1; do
        [ -c "$path" ] && ! grep -qw "$path" /run/bulkhead/tees.before && echo "$path"
    done
}

# The driver waits until every file of its device is closed, so the supplicants go first.
serve_no_more
while read -r name id _; do
    place "$id" >$DRIVER/unbind
    if why=$(bulkhead-tees "$name" 2>/dev/null); then
        result rebind "$name" "no device while unbound" false 0 "$why"
    else
        result rebind "$name" "no device while unbound" true 0
    fi
done <$TEES

# A node that the suite of names made by hand is not the kernel's to remove.
rm -f /dev/tee[0-9]* /dev/teepriv[0-9]*

: >$seen
tac $TEES >/run/bulkhead/tees.reversed
while read -r name id kind _; do
    ls /dev/tee* >/run/bulkhead/tees.before 2>/dev/null
    place "$id" >$DRIVER/bind
    echo "$name $id $kind $(appeared 'tee[0-9]*') $(appeared 'teepriv[0-9]*')" >>$seen
done </run/bulkhead/tees.reversed

bulkhead-tees >/run/bulkhead/tees.found 2>&1
while read -r line; do
    if grep -qxF "$line" /run/bulkhead/tees.found; then
        result rebind "${line%% *}" "found after the rebind" true 0 "$line"
    else
        result rebind "${line%% *}" "found after the rebind" false 0 "$line is right, found was: $(cat /run/bulkhead/tees.found)"
    fi
    read -r name _ kind device private <<END
$line
END
    # As the rules of udev ask.
    owners="$(bulkhead-tees --of "$device" 2>&1) $(bulkhead-tees --of "${private#/dev/}" 2>&1)"
    result rebind "$name" "its devices have its name" "$([ "$owners" = "$name $name" ] && echo true || echo false)" 0 "$owners"
    [ "$kind" = optee ] && serve "$name" "$private"
done <$seen
tac $seen >$TEES
suite clients
