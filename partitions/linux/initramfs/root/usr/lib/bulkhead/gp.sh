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

# The longest time in which xtest may say nothing, in seconds: no part of a case takes as long.
patience() {
    [ "$(option gp short)" = full ] && echo 900 || echo 240
}

gp_suites() {
    for part in pkcs11 regression; do
        # The client of pkcs11 names no TEE. gp_cases is split on purpose: one argument per case.
        bulkhead-xtest "$1" "$2" $part "$(patience)" "/run/bulkhead/$1.$2.$part" \
            env BULKHEAD_TEE="$2" LD_PRELOAD=$ROUTE xtest -d "$2" -t $part $(gp_cases $part) </dev/null
        code=$?
        [ $code = 0 ] && continue
        fault
        [ $code -gt 1 ] && result "$1" "$2" "$part" false 0 "bulkhead-xtest ended with $code"
        tail -n 80 "/run/bulkhead/$1.$2.$part" | sed "s/^/[xtest $2] /"
    done
}
