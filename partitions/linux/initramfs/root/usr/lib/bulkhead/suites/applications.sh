# Clients that name no TEE reach the one in which the table places the trusted application.
. /usr/lib/bulkhead/common.sh

default=$(sed -n 's/^default = "\(.*\)"/\1/p' /etc/bulkhead/tees.toml)
second=$(awk -v name="$default" '$3 == "optee" && $1 != name { print $1; exit }' $TEES)
third=$(awk '$3 == "rust" { print $1; exit }' $TEES)
LD_PRELOAD=$ROUTE timeout 300 bulkhead-client applications --tee "$default" --second "$second" --third "$third" </dev/null
code=$?
[ $code = 0 ] || fault
# The client prints its own lines, unless it was stopped or ended early.
[ $code -gt 1 ] && result applications - "all applications" false 0 "the client ended with $code (143: time-out)"
