# What one OP-TEE keeps in secure storage is not to be had from the other: not by its ID, not where the other has an
# object of the same ID. With its files copied into the other's directory, only keys can keep it: see docs/secrets.md.
. /usr/lib/bulkhead/common.sh

# case_of TEE NAME START GOT WANTED: passes where what was got has the wanted text in it.
case_of() {
    local took=$(($(now) - $3))
    case $4 in
    *"$5"*) result storage "$1" "$2" true $took ;;
    *) result storage "$1" "$2" false $took "got '$4', wanted '$5'" ;;
    esac
}

# client TASK TEE ARGUMENTS...: our client of OP-TEE's storage application.
client() {
    local task=$1 tee=$2
    shift 2
    LD_PRELOAD=$ROUTE timeout 60 bulkhead-client "$task" --tee "$tee" "$@" 2>&1 </dev/null
}

# replace FROM TO: the files of one directory in place of another's. The supplicant has the directory itself open.
replace() {
    rm -f "$2"/*
    cp -a "$1"/. "$2"
}

optees=$(awk '$3 == "optee" && $4 != "-" { print $1 }' $TEES)
for tee in $optees; do
    start=$(now)
    client store "$tee" --object "of $tee" --text "made at $tee"
    client store "$tee" --object shared --text "made at $tee"
    case_of "$tee" "it reads what it stored" "$start" "$(client fetch "$tee" --object "of $tee")" "made at $tee"
done
for tee in $optees; do
    for other in $optees; do
        [ "$tee" = "$other" ] && continue
        start=$(now)
        case_of "$tee" "an object of $other is not found" "$start" "$(client fetch "$tee" --object "of $other")" 0xffff0008
        start=$(now)
        case_of "$tee" "an object with the ID of one of $other is its own" "$start" \
            "$(client fetch "$tee" --object shared)" "made at $tee"

        # OP-TEE has its files open only while it is called.
        start=$(now)
        rm -rf /run/bulkhead/own
        cp -a "/var/lib/tee/$tee" /run/bulkhead/own
        replace "/var/lib/tee/$other" "/var/lib/tee/$tee"
        # The stock port for QEMU has a zero hardware key, so both have the same. A port with a key of its own must not
        # open them: whoever brings one finds this case failing, and turns it round.
        case_of "$tee" "files copied from $other are opened: the stock port has a zero key" "$start" \
            "$(client fetch "$tee" --object "of $other")" "made at $other"
        replace /run/bulkhead/own "/var/lib/tee/$tee"
        start=$(now)
        case_of "$tee" "with its own files back it has its own objects" "$start" \
            "$(client fetch "$tee" --object "of $tee")" "made at $tee"
    done
done
# Suites that follow expect the application without objects.
for tee in $optees; do
    start=$(now)
    client erase "$tee" --object shared
    client erase "$tee" --object "of $tee"
    case_of "$tee" "it erases what it stored" "$start" "$(client fetch "$tee" --object "of $tee")" 0xffff0008
done
