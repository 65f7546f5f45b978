# What calls of a stock client cost on the only TEE, in the machine's time.
. /usr/lib/bulkhead/common.sh

said=$(timeout 900 bulkhead-client cost --tee - </dev/null 2>&1)
code=$?
echo "$said" | grep '^@bulkhead'
[ $code = 0 ] || fail "bulkhead-client ended with $code: $(echo "$said" | grep -v '^@bulkhead')"
