# A notification of the Rust TEE wakes its driver, each time, and no other's.
. /usr/lib/bulkhead/woken.sh

# As many as the client sends.
SENT=20

sender=$(awk '$3 == "rust" { print $1; exit }' $TEES)
watch
counts >/run/bulkhead/woken.before
start=$(now)
said=$(LD_PRELOAD=$ROUTE timeout 200 bulkhead-client notify --tee "$sender" --kind rust 2>&1 </dev/null)
result notifications "$sender" "each notification makes the driver call" "$([ "$said" = $SENT ] && echo true || echo false)" \
    $(($(now) - start)) "$said"
told notifications "$sender" $SENT $SENT
watch_no_more
