# A client reaches the TEE that it names, by argument, by environment and by default, and no other.
. /usr/lib/bulkhead/common.sh

# opens TEE NAME ARGUMENTS...: the client must connect, to the right device.
opens() {
    local tee=$1 name=$2 why
    shift 2
    why=$("$@" 2>&1 </dev/null) && result names "$tee" "$name" true 0 && return
    result names "$tee" "$name" false 0 "$why"
}

# refuses NAME TEXT ARGUMENTS...: the client must be refused, and what is said must have the text in it.
refuses() {
    local name=$1 text=$2 why
    shift 2
    if why=$("$@" 2>&1 </dev/null); then
        result names - "$name" false 0 "the client was connected"
    else
        case $why in
        *"$text"*) result names - "$name" true 0 "$why" ;;
        *) result names - "$name" false 0 "$why" ;;
        esac
    fi
}

client="env LD_PRELOAD=$ROUTE bulkhead-client open"
TABLE=/etc/bulkhead/tees.toml
default=$(sed -n 's/^default = "\(.*\)"/\1/p' $TABLE)

while read -r name _ _ device _; do
    [ "$device" = - ] && continue
    opens "$name" "by argument" $client --tee "$name" --device "$device"
    opens "$name" "by BULKHEAD_TEE" env BULKHEAD_TEE="$name" $client --tee - --device "$device"
    [ "$name" = "$default" ] && opens "$name" "by default" $client --tee - --device "$device"
done <$TEES
opens - "the stock's own name" $client --tee optee-tz
opens - "without the drop-in" bulkhead-client open --tee - --device /dev/tee0
refuses "an unknown name" 0xffff0008 $client --tee nobody
refuses "an unknown name in BULKHEAD_TEE" 0xffff0008 env BULKHEAD_TEE=nobody $client --tee -

# A program with more rights than its caller (here: of another group) must not be led by the caller's environment.
echo $ROUTE >/etc/ld.so.preload
chgrp 65534 /usr/bin/bulkhead-client
chmod g+s /usr/bin/bulkhead-client
device=$(awk -v name="$default" '$1 == name { print $4 }' $TEES)
other=$(awk -v name="$default" '$1 != name { print $1; exit }' $TEES)
opens "$default" "BULKHEAD_TEE does not lead a set-group-ID client" env BULKHEAD_TEE="$other" \
    bulkhead-client open --tee - --device "$device"
chmod g-s /usr/bin/bulkhead-client
opens "$other" "it does lead the same client without that bit" env BULKHEAD_TEE="$other" \
    bulkhead-client open --tee - --device "$(awk -v name="$other" '$1 == name { print $4 }' $TEES)"
rm /etc/ld.so.preload

# What stands in /etc may be spoilt: the client gets an error and people a sentence, not another vendor's TEE.
cp $TABLE /run/bulkhead/table
printf '\n[[tee]]\nname = "ghost"\nendpoint = 0x80ff\n' >>$TABLE
refuses "a TEE that does not run" "0x80ff has no TEE device" $client --tee ghost
echo '[[tee]' >$TABLE
refuses "a spoilt table" "tees.toml is wrong" $client --tee -
rm $TABLE
mkfifo $TABLE
refuses "a table that is no file" "no plain file" timeout 20 $client --tee -
rm $TABLE
opens - "without a table" $client --tee -
cp /run/bulkhead/table $TABLE

# A device node that is not what its name says.
read -r name _ _ device _ <$TEES
mv "$device" /run/bulkhead/node
mknod "$device" c 1 3
refuses "a false device node" "make /dev anew" $client --tee "$name"
rm "$device"
mv /run/bulkhead/node "$device"
