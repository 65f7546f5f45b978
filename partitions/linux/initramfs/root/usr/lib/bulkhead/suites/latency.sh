# How late Linux's timers are while each TEE works; where time is the number of instructions, with a bound.
. /usr/lib/bulkhead/common.sh

case $(option counted no) in
yes) bound=40000 ;;
*) bound=- ;;
esac
LD_PRELOAD=$ROUTE timeout 900 bulkhead-load latency "$(option samples 2000)" $bound "$(option seed 1)" </dev/null
code=$?
[ $code = 0 ] || fault
[ $code -gt 1 ] && result latency - "the program runs to its end" false 0 "it ended with $code (143: time-out)"
