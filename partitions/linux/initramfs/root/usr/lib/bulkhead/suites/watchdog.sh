# An OP-TEE that runs its own test of notifications, a watchdog of one second, wakes its driver, and not that of the other
# OP-TEE, which runs beside it. What is to be seen of it is in the table `notifications`.
. /usr/lib/bulkhead/woken.sh

SECONDS_SEEN=10

watch
counts >/run/bulkhead/woken.before
sleep $SECONDS_SEEN
# Time under emulation is this computer's: a second may be late, but none is early.
told watchdog vendor-b $((SECONDS_SEEN / 2)) $((SECONDS_SEEN + 1))
watch_no_more
suite clients
