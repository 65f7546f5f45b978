# xtest_set SUITE TEE: runs the chosen cases of xtest on a TEE, and tells how each went.
. /usr/lib/bulkhead/common.sh

# The chosen cases, one word each.
xtest_cases() {
    sed 's/#.*//' /usr/lib/bulkhead/xtest.list | tr -s ' \n' ' '
}

xtest_set() {
    local log=/run/bulkhead/$1.$2.log
    local start; start=$(now)
    # xtest_cases is split on purpose: one argument per case.
    LD_PRELOAD=$ROUTE timeout "$(option xtest-seconds 600)" xtest -d "$2" -t regression $(xtest_cases) >"$log" 2>&1 </dev/null
    code=$?
    took=$(($(now) - start))
    bad=
    for case in $(xtest_cases); do
        # The summary at the end has one line per case: its name and OK or FAILED.
        if grep -q "^regression_$case OK" "$log"; then
            result "$1" "$2" "$case" true 0
        else
            bad="$bad $case"
            why=$(grep -m1 "^regression_$case FAILED" "$log") || why="it did not end"
            result "$1" "$2" "$case" false 0 "$why"
        fi
    done
    result "$1" "$2" "all chosen cases" "$([ $code = 0 ] && [ -z "$bad" ] && echo true || echo false)" $took "xtest ended with $code"
    [ -z "$bad" ] || tail -n 60 "$log" | sed "s/^/[xtest $2] /"
}
