# Objects of an earlier start: bulkhead.object.TEE=HEX on the kernel's command line, and bulkhead.wanted.TEE, a part of what
# comes of opening it.
. /usr/lib/bulkhead/common.sh

for tee in $(awk '$3 == "rust" && $4 != "-" { print $1 }' $TEES); do
    mkdir -p "/var/lib/tee/$tee"
    # In printf's notation, byte by byte.
    printf "$(option "object.$tee" "" | sed 's/../\\x&/g')" >"/var/lib/tee/$tee/sealed"
    wanted=$(option "wanted.$tee" "made")
    got=$(LD_PRELOAD=$ROUTE timeout 60 bulkhead-client fetch --tee "$tee" --kind rust --object sealed 2>&1 </dev/null)
    case $got in
    *"$wanted"*) result sealed-again "$tee" "an object of an earlier start: $wanted" true 0 ;;
    *) result sealed-again "$tee" "an object of an earlier start: $wanted" false 0 "got '$got'" ;;
    esac
done

# For the verifier on the host: what was measured at this start, signed.
nonce=$(option nonce -)
[ "$nonce" = - ] || result sealed-again - quote true 0 "$(timeout 60 bulkhead-info --quote "$nonce" 2>&1 </dev/null)"
