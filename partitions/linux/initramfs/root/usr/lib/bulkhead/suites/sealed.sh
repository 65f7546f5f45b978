# What one Rust TEE seals, the other cannot open, though they run the same image: each TEE's directory copied into the other's.
# The objects are said, so that another start of the machine can try them: see sealed-again.
. /usr/lib/bulkhead/common.sh

# client TASK TEE ARGUMENTS...: our client of the Rust TEE's storage.
client() {
    local task=$1 tee=$2
    shift 2
    LD_PRELOAD=$ROUTE timeout 60 bulkhead-client "$task" --tee "$tee" --kind rust "$@" 2>&1 </dev/null
}

# case_of TEE NAME GOT WANTED: passes where what was got has the wanted text in it.
case_of() {
    case $3 in
    *"$4"*) result sealed "$1" "$2" true 0 ;;
    *) result sealed "$1" "$2" false 0 "got '$3', wanted '$4'" ;;
    esac
}

tees=$(awk '$3 == "rust" && $4 != "-" { print $1 }' $TEES)
for tee in $tees; do
    mkdir -p "/var/lib/tee/$tee"
    client store "$tee" --object sealed --text "made at $tee"
    case_of "$tee" "it opens what it sealed" "$(client fetch "$tee" --object sealed)" "made at $tee"
done
for tee in $tees; do
    for other in $tees; do
        [ "$tee" = "$other" ] && continue
        mv "/var/lib/tee/$tee" /run/bulkhead/own
        cp -a "/var/lib/tee/$other" "/var/lib/tee/$tee"
        # TEEC_ERROR_MAC_INVALID, from the service.
        case_of "$tee" "the directory of $other, copied into its own, is refused" "$(client fetch "$tee" --object sealed)" \
            "0xffff3071 from origin 4"
        case_of "$other" "it still opens its own" "$(client fetch "$other" --object sealed)" "made at $other"
        rm -r "/var/lib/tee/$tee"
        mv /run/bulkhead/own "/var/lib/tee/$tee"
        case_of "$tee" "with its own directory back it opens its own" "$(client fetch "$tee" --object sealed)" "made at $tee"
        # One bit of it, in the nonce, in the text and in the tag.
        for place in 3 30 45; do
            cp "/var/lib/tee/$tee/sealed" "/var/lib/tee/$tee/spoilt"
            printf '\377' | dd of="/var/lib/tee/$tee/spoilt" bs=1 seek=$place conv=notrunc 2>/dev/null
            cmp -s "/var/lib/tee/$tee/sealed" "/var/lib/tee/$tee/spoilt" && continue
            case_of "$tee" "with byte $place changed it is refused" "$(client fetch "$tee" --object spoilt)" 0xffff3071
        done
    done
    result sealed "$tee" "object" true 0 "$(od -An -v -tx1 "/var/lib/tee/$tee/sealed" | tr -d ' \n')"
done

# For the verifier on the host: what was measured at this start, signed.
nonce=$(option nonce -)
[ "$nonce" = - ] || result sealed - quote true 0 "$(timeout 60 bulkhead-info --quote "$nonce" 2>&1 </dev/null)"
