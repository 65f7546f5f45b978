# TEEs fail while they are used, one after the other, bulkhead.faults times at least: their clients are told, they are back
# in service, and the clients of their peers, xtest among them, lose no call. xtask injects a fault when it reads
# `inject NAME`. At the end all answer as they should.
. /usr/lib/bulkhead/common.sh

LD_PRELOAD=$ROUTE bulkhead-client faults --tee - --rounds "$(option faults 20)" --seed "$(option seed 1)" </dev/null
code=$?
[ $code = 0 ] || fault
# What Linux's drivers have to say of it, for who looks at the console.
[ $code = 0 ] || dmesg | tail -n 60 | sed 's/^/[linux] /'
# The program prints its own lines, unless it ended early.
[ $code -gt 1 ] && result faults - "the clients run" false 0 "they ended with $code"
suite clients
