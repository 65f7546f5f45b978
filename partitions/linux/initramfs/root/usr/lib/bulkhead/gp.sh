# gp_suites SUITE TEE: xtest on one OP-TEE, its suites regression and pkcs11, each case with its time.
. /usr/lib/bulkhead/common.sh
. /usr/lib/bulkhead/xtest.sh

# With bulkhead.gp=full all cases, else those that take seconds.
gp_cases() {
    [ "$(option gp short)" = full ] && return
    case $1 in
    regression) xtest_cases ;;
    pkcs11) sed 's/#.*//' /usr/lib/bulkhead/pkcs11.list | tr -s ' \n' ' ' ;;
    esac
}

gp_suites() {
    for part in pkcs11 regression; do
        # The client of pkcs11 names no TEE. gp_cases is split on purpose: one argument per case.
        timeout "$(option gp-seconds 5400)" bulkhead-xtest "$1" "$2" "/run/bulkhead/$1.$2.$part" \
            env BULKHEAD_TEE="$2" LD_PRELOAD=$ROUTE xtest -d "$2" -t $part $(gp_cases $part) </dev/null
        code=$?
        [ $code = 0 ] && continue
        fault
        [ $code -gt 1 ] && result "$1" "$2" "$part" false 0 "xtest ended with $code (143: time-out)"
        tail -n 80 "/run/bulkhead/$1.$2.$part" | sed "s/^/[xtest $2] /"
    done
}
